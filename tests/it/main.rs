//! Everything that is tested through a front door or against a real part, in one binary.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]
#![expect(clippy::duplicate_mod, reason = "the rules of the store are compiled once per database")]

mod architecture;
mod bad_input;
mod cli;
mod demo;
mod doctor;
mod faults;
mod forge;
mod front;
mod hostile_names;
mod hosts;
mod lease;
mod local;
mod machine;
mod manager;
mod project;
mod reporter;
mod rig;
mod sandbox;
mod store;
mod support;
mod terminal;
mod torture;
mod webhook;
mod worker;
