//! The Manager against fake ports: what is run again and what is not, intents, resets, destroys, cancellation.

mod application;
mod cancellation;
mod changes;
mod containers;
mod crashes;
mod destroy;
pub(crate) mod fakes;
mod fingerprints;
mod intents;
pub(crate) mod looks;
mod places;
mod plans;
mod readiness;
mod reset;
pub(crate) mod world;
