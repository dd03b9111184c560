//! What `previewbot clean` offers.

use std::io::Write;

use serde::Serialize;

use super::output::{self, CliError};

/// One thing that nobody knows any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leftover {
    /// Its kind and name: `volume shop-feat_data`.
    pub what: String,
    /// The id of the environment that it was made for, where it says so.
    pub environment_id: Option<String>,
}

/// Prints what would be removed.
///
/// # Errors
/// When the output fails.
pub fn offered(leftovers: &[Leftover], json: bool, out: &mut dyn Write) -> Result<(), CliError> {
    if json {
        return output::json(out, &leftovers);
    }
    if leftovers.is_empty() {
        writeln!(out, "nothing was left behind")?;
    }
    leftovers.iter().try_for_each(|leftover| writeln!(out, "{}", output::plain(&leftover.what)))?;
    Ok(())
}
