//! Pure text: files that are generated for an environment.

pub mod dotenv;
pub mod env_file;
