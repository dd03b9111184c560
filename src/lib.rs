//! previewbot: every pull request gets a running preview on your own machines.
//!
//! One way through: `inbound` verifies and stores a webhook; `worker` reads the change from the forge, decides, and
//! drives the `manager` through its steps; `outbound` holds the adapters; `app` puts all of it together. Everything
//! is phrased in the words of `domain`, which knows none of the others.

pub mod app;
pub mod demo;
pub mod domain;
pub mod inbound;
pub mod lifecycle;
pub mod manager;
pub mod outbound;
pub mod settings;
pub mod telemetry;
pub mod worker;
