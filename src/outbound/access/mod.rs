//! Access to compute roots: write, read and execute in one environment's folder.

mod beneath;
mod local;

pub(super) use beneath::{Inner, READ_LIMIT};
pub use local::LocalAccess;

use crate::domain::error::{ErrorKind, PortError, PortResult};

/// A hook's folder from the root, as an absolute path. Without a trailing `/.`, which the shell would show in `pwd`.
///
/// # Errors
/// `Invalid` for one that leaves the root.
pub(super) fn directory_beneath(root: &str, directory: &str) -> PortResult<String> {
    if directory.split('/').any(|part| part == "..") {
        return Err(PortError::new(ErrorKind::Invalid, format!("folder `{directory}` leaves {root}")));
    }
    let inner: Vec<&str> = directory.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    Ok(if inner.is_empty() {
        root.to_owned()
    } else {
        format!("{}/{}", root.trim_end_matches('/'), inner.join("/"))
    })
}
