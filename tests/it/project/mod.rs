//! Reading a project's configuration from its folder.

mod bad_input;
mod diagnostics;
mod overlays;
mod speed;
