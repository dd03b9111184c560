//! Previews on hosts over SSH, from a signed webhook to a page and back to nothing.

mod bench;
mod check;
mod commands;
mod desk;
mod egress;
mod made;
mod prepare;
mod thread;
mod watcher;
mod whole;
