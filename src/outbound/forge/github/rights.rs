//! What an account may do in a repository.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;

use super::api::{Api, Request};
use super::errors::optional;
use super::text::encode;
use crate::domain::change::{Permission, Repository, RepositoryId};
use crate::domain::error::PortResult;
use crate::domain::ports::Clock;

/// An answer is used this long; a right that was taken away must not live on.
const FRESH_MS: i64 = 60_000;

/// The rights that were asked for a moment ago.
pub(super) struct Rights {
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<(RepositoryId, String), (i64, Permission)>>,
}

/// GitHub's answer: `permission` folds `triage` into `read` and `maintain` into `write`; `role_name` has the role,
/// which may be one that an organisation made up.
#[derive(Deserialize)]
struct Level {
    permission: String,
    #[serde(default)]
    role_name: String,
}

impl Level {
    fn permission(&self) -> Permission {
        named(&self.role_name).or_else(|| named(&self.permission)).unwrap_or(Permission::None)
    }
}

fn named(name: &str) -> Option<Permission> {
    Some(match name {
        "none" => Permission::None,
        "read" => Permission::Read,
        "triage" => Permission::Triage,
        "write" => Permission::Write,
        "maintain" => Permission::Maintain,
        "admin" => Permission::Admin,
        _ => return None,
    })
}

impl Rights {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, known: Mutex::default() }
    }

    /// What an account may do; nothing when GitHub does not know it.
    pub(super) async fn permission(
        &self,
        api: &Api,
        repository: &Repository,
        login: &str,
    ) -> PortResult<Permission> {
        let asked_at = self.clock.now_ms();
        let key = (repository.id, login.to_ascii_lowercase());
        if let Some(known) = self.fresh(&key, asked_at) {
            return Ok(known);
        }
        let root = Api::repository_path(repository)?;
        let path = format!("{root}/collaborators/{}/permission", encode(login));
        let level: Option<Level> = optional(api.read(repository, Request::get(path)).await)?;
        let permission = level.map_or(Permission::None, |level| level.permission());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (at, _)| is_fresh(*at, asked_at));
        known.insert(key, (asked_at, permission));
        Ok(permission)
    }

    fn fresh(&self, key: &(RepositoryId, String), now: i64) -> Option<Permission> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|(at, _)| is_fresh(*at, now)).map(|(_, permission)| *permission)
    }
}

/// A clock that was set back makes every answer old.
const fn is_fresh(at: i64, now: i64) -> bool {
    now >= at && now - at < FRESH_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_up_role_counts_as_what_it_is_built_on() {
        let level = |permission: &str, role: &str| {
            Level { permission: permission.to_owned(), role_name: role.to_owned() }.permission()
        };
        assert_eq!(level("write", "maintain"), Permission::Maintain);
        assert_eq!(level("read", "triage"), Permission::Triage);
        assert_eq!(level("write", "release-manager"), Permission::Write);
        assert_eq!(level("read", ""), Permission::Read);
        assert_eq!(level("surprise", "surprise"), Permission::None);
    }
}
