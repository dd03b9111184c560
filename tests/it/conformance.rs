//! The core held to recorded answers: one test case for each vector of `fixtures/conformance/`, or of the folder that
//! `CONFORMANCE_DIR` names.
#![expect(clippy::unwrap_used, reason = "a vector fails by panicking")]

#[path = "manager/containers.rs"]
mod containers;
#[path = "support/env_readers.rs"]
mod env_readers;
#[path = "manager/fakes.rs"]
mod fakes;
#[path = "support/nginx.rs"]
mod nginx_grammar;
#[path = "conformance/room.rs"]
mod room;
#[path = "manager/world.rs"]
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    room::run()
}
