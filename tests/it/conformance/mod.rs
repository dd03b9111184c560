//! The core's behaviour, held to recorded answers: one file per group of topics.

mod core;
mod engine;
mod lifecycle;
mod lifecycle_requirements;
mod project;
mod project_view;
mod vectors;
