//! Previews on hosts over SSH, from a signed webhook to a page and back to nothing.

mod bench;
mod hostile_repository;
mod made;
mod neighbours;
mod speed;
mod thread;
mod watcher;
mod whole;
