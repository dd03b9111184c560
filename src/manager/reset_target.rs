//! Which service's data a reset means.

use crate::domain::project::{ProjectConfig, ProvisionerServiceConfig};

/// No service can be told from what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResetTargetError {
    /// No service of the project can be reset.
    #[error("no service can be reset: give one of provisioner.services a `reset` hook, or `seed` and `destroy`")]
    None,
    /// The named service cannot be reset.
    #[error("service `{service}` cannot be reset; name one of {}", known.join(", "))]
    Unknown {
        /// The name that was asked for.
        service: String,
        /// Services that can be reset.
        known: Vec<String>,
    },
    /// Several can be reset, and none is called `db`.
    #[error("several services can be reset; name one of {}", known.join(", "))]
    Several {
        /// Services that can be reset.
        known: Vec<String>,
    },
}

pub(super) fn can_reset(service: &ProvisionerServiceConfig) -> bool {
    !service.reset.is_empty() || (!service.seed.is_empty() && !service.destroy.is_empty())
}

/// Services that have a `reset` hook, or `seed` and `destroy`, in byte order.
#[must_use]
pub fn resettable_services(config: &ProjectConfig) -> Vec<String> {
    let services = config.provisioner.services.iter();
    services.filter(|(_, service)| can_reset(service)).map(|(name, _)| name.clone()).collect()
}

/// The service that a reset means: the named one, else `db`, else the only one that can be reset.
///
/// # Errors
/// See [`ResetTargetError`].
pub fn reset_target(config: &ProjectConfig, wanted: Option<&str>) -> Result<String, ResetTargetError> {
    let known = resettable_services(config);
    let has = |name: &str| known.iter().any(|k| k == name);
    match (wanted, known.as_slice()) {
        (_, []) => Err(ResetTargetError::None),
        (Some(service), _) if has(service) => Ok(service.to_owned()),
        (Some(service), _) => Err(ResetTargetError::Unknown { service: service.to_owned(), known }),
        (None, _) if has("db") => Ok("db".to_owned()),
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(ResetTargetError::Several { known }),
    }
}

#[cfg(test)]
mod tests {
    use super::{ResetTargetError, reset_target};
    use crate::domain::project::{ProjectConfig, ProvisionerServiceConfig};

    fn project(services: &[(&str, &str)]) -> ProjectConfig {
        let mut config = ProjectConfig::default();
        for (name, hooks) in services {
            let hook = |word: &str| if hooks.contains(word) { "true".to_owned() } else { String::new() };
            let service = ProvisionerServiceConfig {
                seed: hook("seed"),
                reset: hook("reset"),
                destroy: hook("destroy"),
                ..ProvisionerServiceConfig::default()
            };
            config.provisioner.services.insert((*name).to_owned(), service);
        }
        config
    }

    #[test]
    fn the_target_is_the_named_one_or_db_or_the_only_one() {
        let both = project(&[("db", "reset"), ("mq", "seed destroy"), ("s3", "seed")]);
        assert_eq!(reset_target(&both, None).unwrap(), "db");
        assert_eq!(reset_target(&both, Some("mq")).unwrap(), "mq");
        let error = reset_target(&both, Some("s3")).unwrap_err();
        assert_eq!(error.to_string(), "service `s3` cannot be reset; name one of db, mq");
        assert_eq!(reset_target(&project(&[("pg", "reset"), ("s3", "seed")]), None).unwrap(), "pg");
    }

    #[test]
    fn several_are_listed_and_none_is_said() {
        let several = project(&[("pg", "reset"), ("mq", "reset")]);
        let error = reset_target(&several, None).unwrap_err();
        assert_eq!(error, ResetTargetError::Several { known: vec!["mq".into(), "pg".into()] });
        assert_eq!(reset_target(&project(&[("s3", "seed")]), None), Err(ResetTargetError::None));
    }
}
