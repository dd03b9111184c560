//! How much a commit makes of a checkout. A repository of a few kilobytes can stand for a billion files: it is counted
//! before anything is checked out.

use std::sync::Mutex;

use tokio_util::sync::CancellationToken;

use super::command::Git;
use crate::domain::change::Sha;
use crate::domain::compose::MIB;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::ports::{CheckoutLimits, LineSink};

/// Counts lines of `git ls-tree -l` until there is too much.
struct Scale {
    limits: CheckoutLimits,
    weight: Mutex<CheckoutLimits>,
}

impl Scale {
    fn weight(&self) -> CheckoutLimits {
        *self.weight.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl LineSink for Scale {
    fn line(&self, line: &str) -> bool {
        // `<mode> <type> <id> <size>`, a tab and the path; folders of other repositories have no size.
        let size = line.split('\t').next().and_then(|fields| fields.split_whitespace().nth(3));
        let bytes: u64 = size.and_then(|size| size.parse().ok()).unwrap_or(0);
        let mut weight = self.weight.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        weight.files += 1;
        weight.bytes = weight.bytes.saturating_add(bytes);
        weight.files <= self.limits.files && weight.bytes <= self.limits.bytes
    }
}

/// Refuses a commit whose checkout would be too much.
///
/// # Errors
/// `Invalid` that says which limit.
pub(super) async fn weigh(
    git: Git,
    commit: &Sha,
    limits: CheckoutLimits,
    cancel: &CancellationToken,
) -> PortResult<()> {
    let scale = Scale { limits, weight: Mutex::new(CheckoutLimits { files: 0, bytes: 0 }) };
    let tool = git.command(&["ls-tree", "-r", "-l", "--full-tree", commit.as_str()]);
    if let Some(complaint) = tool.stream(cancel, &scale).await? {
        let message = format!("cannot look at {}: {complaint}", commit.short());
        return Err(PortError::new(ErrorKind::Unavailable, message));
    }
    let (weight, short) = (scale.weight(), commit.short());
    let refused = |what: &str, setting: &str| {
        let message =
            format!("{short} has more than {what}: an operator can raise {setting} in the bot's settings");
        Err(PortError::new(ErrorKind::Invalid, message))
    };
    if weight.files > limits.files {
        return refused(&format!("{} files", limits.files), "limits.checkout_files");
    }
    if weight.bytes > limits.bytes {
        return refused(&format!("{} MiB of files", limits.bytes / MIB), "limits.checkout_mb");
    }
    Ok(())
}
