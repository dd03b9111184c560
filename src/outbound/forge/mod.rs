//! The forges that previews are shown on, one folder each, behind the `Forge` port.

pub mod github;
