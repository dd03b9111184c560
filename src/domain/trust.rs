//! Whose code an environment runs (design §8), and the leave that somebody with the right gave.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::change::{Change, ChangeState, NameError, Sha};

/// Decides where a life of an environment is placed and where its configuration comes from, for the whole of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// By somebody with write, in the repository itself: configuration, hooks and code are those of the change.
    Trusted,
    /// Anything else. Configuration and provisioner hooks are the base branch's, the place is a sandbox, and there are
    /// no secrets. What is not known is this.
    #[default]
    Untrusted,
}

impl Trust {
    /// The word in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Untrusted => "untrusted",
        }
    }
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Trust {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text {
            "trusted" => Ok(Self::Trusted),
            "untrusted" => Ok(Self::Untrusted),
            other => Err(NameError::new("trust", other, "it must be `trusted` or `untrusted`")),
        }
    }
}

/// The leave to run one commit of an untrusted change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The commit: this one and no other.
    pub commit: Sha,
    /// The branch that the change wanted to go into then: its configuration is what was agreed to.
    pub base: String,
    /// Who gave it: a login.
    pub by: String,
    /// When, ms since the epoch.
    pub at: i64,
}

impl Approval {
    /// Whether it is for what the change is now.
    #[must_use]
    pub fn covers(&self, change: &Change) -> bool {
        self.commit == change.head.sha && self.base == change.base.branch
    }
}

/// Why an untrusted commit may not run now, in words; asked again at the moment before anything of it is fetched.
///
/// # Errors
/// The reason, as a sentence without its capital and its stop.
pub fn may_run(commit: &Sha, approval: Option<&Approval>, change: Option<&Change>) -> Result<(), String> {
    let short = commit.short();
    let Some(change) = change else {
        return Err("the forge does not show this change to the bot any more".to_owned());
    };
    if change.state != ChangeState::Open {
        return Err("the change is not open any more".to_owned());
    }
    if change.head.sha != *commit {
        let head = change.head.sha.short();
        return Err(format!("{short} is no longer the newest commit of this change, {head} is"));
    }
    match approval {
        None => Err(format!("nobody approved {short}")),
        Some(approval) if approval.commit != *commit => {
            Err(format!("nobody approved {short}, the approval is for {}", approval.commit.short()))
        }
        Some(approval) if !approval.covers(change) => {
            Err(format!("{short} was approved while the change wanted to go into another branch"))
        }
        Some(_) => Ok(()),
    }
}
