//! Previews on hosts over SSH, from a signed webhook to a page and back to nothing.

pub(crate) mod bench;
mod hostile;
mod made;
mod speed;
mod thread;
mod watcher;
mod whole;
