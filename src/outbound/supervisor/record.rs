//! Which run it is, as it is written down on the machine that it runs on.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::environment::COMMIT_VARIABLE;
use crate::domain::ports::{HookCommand, HookExit};

/// Signals are numbered 1 to 64; a shell tells a death by one as 128 and its number.
const SIGNAL_CODES: std::ops::RangeInclusive<i32> = 129..=192;

/// What a run was started for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::outbound) struct Record {
    step: String,
    fingerprint: String,
    run: Uuid,
    #[serde(default)]
    commit: Option<String>,
    /// Records of former versions do not tell: then values are hidden.
    #[serde(default = "yes")]
    prints_values: bool,
}

const fn yes() -> bool {
    true
}

impl Record {
    /// The record of a new run.
    pub(in crate::outbound) fn of(command: &HookCommand, run: Uuid) -> Self {
        Self {
            step: command.step.clone(),
            fingerprint: command.fingerprint.clone(),
            run,
            commit: command.environment.get(COMMIT_VARIABLE).cloned(),
            prints_values: command.prints_values,
        }
    }

    /// The same for a commit that the command itself was not told.
    pub(in crate::outbound) fn for_commit(mut self, commit: Option<&str>) -> Self {
        self.commit = self.commit.or_else(|| commit.map(str::to_owned));
        self
    }

    /// Its id, which its processes bear.
    pub(in crate::outbound) fn run(&self) -> Uuid {
        self.run
    }

    /// The step that it belongs to.
    pub(in crate::outbound) fn step(&self) -> &str {
        &self.step
    }

    /// Whether it prints outputs, whose values nobody is shown.
    pub(in crate::outbound) fn prints_values(&self) -> bool {
        self.prints_values
    }

    /// Whether it was started for this commit.
    pub(in crate::outbound) fn is_for(&self, commit: Option<&str>) -> bool {
        commit.is_some() && self.commit.as_deref() == commit
    }

    /// Whether it is of this step with the same inputs.
    pub(in crate::outbound) fn is_of(&self, command: &HookCommand) -> bool {
        self.step == command.step && self.fingerprint == command.fingerprint
    }

    /// How a hook ended whose shell told this code. A shell does not tell `exit 137` from a death by signal 9; both
    /// count as the signal.
    pub(in crate::outbound) fn exit(code: i32) -> HookExit {
        if SIGNAL_CODES.contains(&code) { HookExit::Signal(code - 128) } else { HookExit::Code(code) }
    }
}

/// A step's name as the name of a folder: what is not plain becomes `%` and two digits for each byte.
pub(in crate::outbound) fn folder_name(step: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    step.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02x}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steps_name_cannot_leave_the_folder_of_runs() {
        assert_eq!(folder_name("seed_db-1"), "seed_db-1");
        assert_eq!(folder_name("../x y"), "%2e%2e%2fx%20y");
    }
}
