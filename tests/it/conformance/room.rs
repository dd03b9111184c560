//! One file for each group of topics; `topics` says which function checks which topic, `run` makes test cases of it.

mod access;
mod checks;
mod compose;
mod engine;
mod env_files;
mod hooks;
mod informative;
mod lifecycle;
mod lifecycle_compare;
mod lifecycle_later;
mod lifecycle_requirements;
mod overruled;
mod places;
mod ports;
mod project;
mod project_view;
mod records;
mod render;
mod run;
mod templates;
mod topics;
mod vectors;

pub(crate) use run::run;
