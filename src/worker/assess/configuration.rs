//! What the configuration files at base and head say, as far as a decision needs it.

use crate::domain::change::{Change, Repository, Sha};
use crate::domain::error::{ErrorKind, PortResult};
use crate::domain::policy::ProjectPolicy;
use crate::domain::ports::Forge;
use crate::domain::project::overlay::BASE_FILE;
use crate::domain::project::{PreviewPolicy, ProjectConfig, Terms, parse};

/// Policy, name and services of a project.
pub(super) struct Configuration {
    pub(super) policy: ProjectPolicy,
    pub(super) name: Option<String>,
    pub(super) resettable: Vec<String>,
    /// Whether the policy is the project's; the defaults stand in where nobody could read it.
    pub(super) is_read: bool,
}

impl Configuration {
    /// With what the settings say instead of the repository.
    pub(super) fn adjusted(self, adjust: impl FnOnce(PreviewPolicy) -> PreviewPolicy) -> Self {
        let policy = match self.policy {
            ProjectPolicy::Missing => ProjectPolicy::Missing,
            ProjectPolicy::Known(policy) => ProjectPolicy::Known(adjust(policy)),
        };
        Self { policy, ..self }
    }

    /// What the policy says of a preview beside whether there is one.
    pub(super) fn terms(&self) -> Option<Terms> {
        match &self.policy {
            ProjectPolicy::Known(policy) if self.is_read => Some(policy.terms()),
            _ => None,
        }
    }

    /// What stands in where nobody needs to know.
    pub(super) fn unread() -> Self {
        let policy = ProjectPolicy::Known(PreviewPolicy::default());
        Self { policy, name: None, resettable: Vec::new(), is_read: false }
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
            let (name, policy) = (Some(base.name.clone()), ProjectPolicy::Known(base.preview));
            Configuration { name, resettable, policy, is_read: true }
        }
        (Read::Absent, Read::Parsed(config)) => Configuration {
            name: Some(config.name.clone()),
            resettable: crate::manager::resettable_services(&config),
            policy: ProjectPolicy::Known(PreviewPolicy::default()),
            is_read: true,
        },
        (Read::Broken, _) | (Read::Absent, Read::Broken) => Configuration::unread(),
        (Read::Absent, Read::Absent) => {
            Configuration { name: None, resettable: Vec::new(), policy: ProjectPolicy::Missing, is_read: false }
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
