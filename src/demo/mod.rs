//! `previewbot demo`: the whole loop on one machine, with nothing else installed but git and a shell.
//!
//! [`story`] plays it, against the stand-in for GitHub in [`fake_github`] (which the tests use too) and the
//! repository that [`sample`] makes; [`site`] is the web server that the sample's previews run.

pub mod fake_github;
mod html;
pub mod sample;
pub mod scene;
pub mod site;
mod stage;
pub mod story;
mod sweep;
mod tell;

pub use scene::{BotHandle, DemoOptions, DemoSettings};
pub use story::run;
