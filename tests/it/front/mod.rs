//! Through the front door: a signed webhook in, a running preview and calls to the forge out.

mod approval;
mod approval_bench;
mod approval_races;
mod bad_config;
mod bad_hooks;
mod commands;
mod compose;
mod contract;
mod ending;
mod forge_faults;
mod hostile_names;
mod orders;
mod policy;
mod process;
mod races;
mod refusals;
mod secrecy;
mod secrets;
mod thread;
mod tools;
mod trust;
