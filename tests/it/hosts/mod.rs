//! Previews on hosts over SSH, from a signed webhook to a page and back to nothing.

pub(crate) mod bench;
mod builds;
mod check;
mod commands;
mod desk;
mod egress;
mod flood;
mod hostile;
mod hostile_repository;
mod made;
mod memory;
mod neighbours;
mod prepare;
mod replicas;
mod services;
mod speed;
mod thread;
mod watcher;
mod whole;
