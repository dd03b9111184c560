//! What the configuration files at base and head say, as far as a decision needs it.

use crate::domain::change::{Change, Repository, Sha};
use crate::domain::error::{ErrorKind, PortResult};
use crate::domain::policy::ProjectPolicy;
use crate::domain::ports::Forge;
use crate::domain::project::overlay::BASE_FILE;
use crate::domain::project::{PreviewPolicy, ProjectConfig, parse};

/// Policy, name and services of a project.
pub(super) struct Configuration {
    pub(super) policy: ProjectPolicy,
    pub(super) name: Option<String>,
    pub(super) resettable: Vec<String>,
}

impl Configuration {
    /// What stands in where nobody needs to know.
    pub(super) const fn unread() -> Self {
        Self { policy: ProjectPolicy::Unreadable, name: None, resettable: Vec::new() }
    }
}

/// Reads the policy from the base branch. Where the base has no file yet, a change that is the team's own may bring the
/// first one, and defaults rule until it is merged.
pub(super) async fn configuration(
    forge: &dyn Forge,
    repository: &Repository,
    change: &Change,
    (own, ordered): (bool, bool),
) -> PortResult<Configuration> {
    let base = read_config(forge, repository, &change.base.sha).await?;
    let head = match &base {
        Read::Absent if own => read_config(forge, repository, &change.head.sha).await?,
        // Only orders ask which services the change itself has.
        Read::Parsed(_) if own && ordered => read_config(forge, repository, &change.head.sha).await?,
        _ => Read::Absent,
    };
    Ok(match (base, head) {
        (Read::Parsed(base), head) => {
            // The policy is the base's; which services there are is what the change runs with.
            let resettable = match &head {
                Read::Parsed(head) => crate::manager::resettable_services(head),
                Read::Absent | Read::Broken => crate::manager::resettable_services(&base),
            };
            Configuration { name: Some(base.name.clone()), resettable, policy: ProjectPolicy::Known(base.preview) }
        }
        (Read::Absent, Read::Parsed(config)) => Configuration {
            name: Some(config.name.clone()),
            resettable: crate::manager::resettable_services(&config),
            policy: ProjectPolicy::Known(PreviewPolicy::default()),
        },
        (Read::Broken, _) | (Read::Absent, Read::Broken) => Configuration::unread(),
        (Read::Absent, Read::Absent) => {
            Configuration { name: None, resettable: Vec::new(), policy: ProjectPolicy::Missing }
        }
    })
}

enum Read {
    Absent,
    Broken,
    Parsed(Box<ProjectConfig>),
}

async fn read_config(forge: &dyn Forge, repository: &Repository, sha: &Sha) -> PortResult<Read> {
    let bytes = match forge.file(repository, BASE_FILE, sha).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(Read::Absent),
        // A folder, or larger than any configuration: the deploy will say what is wrong with it.
        Err(error) if error.kind() == ErrorKind::Invalid => return Ok(Read::Broken),
        Err(error) => return Err(error),
    };
    let parsed = String::from_utf8(bytes).ok().and_then(|text| parse::parse(&text, BASE_FILE).ok());
    Ok(parsed.map_or(Read::Broken, |config| Read::Parsed(Box::new(config))))
}
