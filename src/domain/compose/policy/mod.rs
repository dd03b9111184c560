//! What the compose file of an untrusted preview may ask for.
//!
//! A file is judged twice, since Compose itself reads files on its behalf: as it was written ([`judge_raw`]), before
//! Compose sees it, for what Compose would read; and as Compose understood it ([`judge_resolved`]), against a list of what
//! is known to be harmless. A key that is not on the list is refused, whatever it will come to mean.
//!
//! All of this is text: what lies behind a path is looked up by the caller, who is told of it in [`Claim`]s.

mod address;
mod build;
mod judge;
mod mounts;
mod path;
mod raw;
mod resources;
mod service;
mod stores;
mod violation;

pub use judge::{ResolvedJudgement, judge_resolved};
pub use raw::{Follow, RawJudgement, judge_raw};
pub use violation::{Violation, Wrong, refusal};

/// What is expected at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Want {
    /// A regular file or nothing.
    FileIfAny,
    /// Something: a path that is not there would be made.
    Something,
}

/// A path of the checkout that is used: no link on it may lead out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// Where it is named.
    pub place: String,
    /// The path from the checkout.
    pub path: String,
    /// What is expected there.
    pub want: Want,
}

#[cfg(test)]
mod tests;
