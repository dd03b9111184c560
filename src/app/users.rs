//! The user that hooks run as.

use crate::outbound::supervisor::UserIds;

/// The account behind `local.run_as`; `None` when the bot is not root, since it could not change user anyway.
pub(super) fn hook_user(run_as: Option<&str>) -> anyhow::Result<Option<UserIds>> {
    let root = rustix::process::geteuid().is_root();
    match (root, run_as) {
        (true, Some(name)) => Ok(Some(UserIds::of_account(name)?)),
        (false, Some(name)) => {
            tracing::warn!(
                user = name,
                "local.run_as is set, but the bot is not root: hooks run as the bot's user"
            );
            Ok(None)
        }
        (_, None) => Ok(None),
    }
}
