//! A stateful stand-in for GitHub on a port of 127.0.0.1: `previewbot demo` plays against it, and so do the tests.
//!
//! It answers the part of the REST API that previews need from state in memory and from real git repositories on
//! disk, lets people act ([`People`]), sends signed webhooks for what they do, fails on demand ([`Fault`]), and
//! remembers every request. It imports neither `inbound` nor `outbound`: what the bot believes about GitHub and
//! what this believes are written apart.

mod answer;
mod auth;
mod checks;
mod comments;
mod contents;
mod deployments;
mod doors;
mod faults;
mod observe;
mod page;
mod payloads;
mod people;
mod pulls;
mod routes;
mod server;
mod shapes;
mod state;
#[cfg(test)]
mod tests;
mod webhooks;

pub use auth::AppKey;
pub use checks::FakeCheck;
pub use comments::{FakeComment, FakeReaction};
pub use deployments::{FakeDeployment, FakeDeploymentStatus};
pub use faults::{Fault, FaultKind};
pub use people::{NewPull, People};
pub use pulls::FakePull;
pub use server::{FakeGithub, FakeOptions};
pub use state::{FakeError, FakeResult, RecordedRequest, RepositorySpec};
pub use webhooks::{Delivery, WebhookTarget};
