use serde::{Deserialize, Serialize};

use crate::domain::change::Permission;

/// Something that a person asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Command {
    /// List the commands that the asker may use.
    Help,
    /// Refresh the sticky comment and link it.
    Status,
    /// Create or update now.
    Deploy {
        /// Run every step, finished or not.
        no_cache: bool,
        /// Run again from this step on.
        from: Option<String>,
    },
    /// Put a service's data back to its seed. `None`: the service called `db`, or the only one that can be reset.
    Reset {
        /// The service.
        service: Option<String>,
    },
    /// The last decisions, in words.
    Why,
    /// The last lines that services printed. `None`: all services.
    Logs {
        /// The service.
        service: Option<String>,
        /// How many lines.
        lines: u32,
    },
    /// Stop, and stay stopped until `start` or `deploy`; data is kept.
    Stop,
    /// Start what was stopped.
    Start,
    /// Live at least so much longer.
    Keep {
        /// How long from now, in ms.
        for_ms: i64,
    },
    /// Give up what waits and what runs.
    Cancel,
    /// Tear down, and stay down until `deploy`.
    Destroy,
    /// Let one commit of an untrusted change run. `None`: the newest, if that was shown.
    Approve {
        /// The commit, or at least its first seven digits; lower-case.
        commit: Option<String>,
    },
}

/// One row of the command table.
#[derive(Debug, Clone, Copy)]
pub struct CommandHelp {
    /// The verb.
    pub verb: &'static str,
    /// Other words for it.
    pub aliases: &'static [&'static str],
    /// How it is written, without the `/preview`.
    pub usage: &'static str,
    /// What it does.
    pub meaning: &'static str,
    /// Least right.
    pub needs: Permission,
    /// Whether the author of a same-repository change may use it without that right.
    pub author_may: bool,
}

impl CommandHelp {
    /// Whether somebody with this right, author of the same-repository change or not, may use it.
    #[must_use]
    pub fn allows(&self, permission: Permission, is_author: bool) -> bool {
        permission >= self.needs || (self.author_may && is_author)
    }
}

const HELP: CommandHelp = CommandHelp {
    verb: "help",
    aliases: &[],
    usage: "help",
    meaning: "list the commands that you may use",
    needs: Permission::Read,
    author_may: true,
};

const STATUS: CommandHelp = CommandHelp {
    verb: "status",
    aliases: &[],
    usage: "status",
    meaning: "bring the preview's comment up to date",
    needs: Permission::Read,
    author_may: true,
};

const WHY: CommandHelp = CommandHelp {
    verb: "why",
    aliases: &[],
    usage: "why",
    meaning: "say what was decided about this change, and why",
    needs: Permission::Triage,
    author_may: false,
};

const DEPLOY: CommandHelp = CommandHelp {
    verb: "deploy",
    aliases: &["up", "redeploy", "rebuild"],
    usage: "deploy [--no-cache] [--from <step>]",
    meaning: "create the preview or bring it to the newest commit; `rebuild` is `deploy --no-cache`",
    needs: Permission::Write,
    author_may: true,
};

const RESET: CommandHelp = CommandHelp {
    verb: "reset",
    aliases: &[],
    usage: "reset [<service>]",
    meaning: "put a service's data back to its seed",
    needs: Permission::Write,
    author_may: true,
};

const LOGS: CommandHelp = CommandHelp {
    verb: "logs",
    aliases: &[],
    usage: "logs [<service>] [lines=50]",
    meaning: "show the last lines that the containers of a service, or of all, printed",
    needs: Permission::Write,
    author_may: false,
};

const STOP: CommandHelp = CommandHelp {
    verb: "stop",
    aliases: &["sleep"],
    usage: "stop",
    meaning: "stop the preview and keep its data; it stays stopped until `start` or `deploy`",
    needs: Permission::Write,
    author_may: false,
};

const START: CommandHelp = CommandHelp {
    verb: "start",
    aliases: &["wake"],
    usage: "start",
    meaning: "start a stopped preview with its data, at the newest commit",
    needs: Permission::Write,
    author_may: false,
};

const KEEP: CommandHelp = CommandHelp {
    verb: "keep",
    aliases: &[],
    usage: "keep <3d>",
    meaning: "let the preview live at least so much longer, `90d` at most",
    needs: Permission::Write,
    author_may: false,
};

const CANCEL: CommandHelp = CommandHelp {
    verb: "cancel",
    aliases: &[],
    usage: "cancel",
    meaning: "give up what waits and what runs; what is up stays as it is",
    needs: Permission::Write,
    author_may: false,
};

const DESTROY: CommandHelp = CommandHelp {
    verb: "destroy",
    aliases: &["down"],
    usage: "destroy",
    meaning: "tear the preview down; it stays down until `deploy`",
    needs: Permission::Write,
    author_may: true,
};

const APPROVE: CommandHelp = CommandHelp {
    verb: "approve",
    aliases: &[],
    usage: "approve [<commit>]",
    meaning: "let this one commit of a change by somebody without write permission run, in the sandbox",
    needs: Permission::Write,
    author_may: false,
};

/// The command table, in the order of the help.
pub const COMMANDS: &[CommandHelp] =
    &[HELP, STATUS, WHY, DEPLOY, RESET, LOGS, STOP, START, KEEP, CANCEL, DESTROY, APPROVE];

impl Command {
    /// Its row in the table.
    #[must_use]
    pub fn help(&self) -> &'static CommandHelp {
        match self {
            Self::Help => &HELP,
            Self::Status => &STATUS,
            Self::Deploy { .. } => &DEPLOY,
            Self::Reset { .. } => &RESET,
            Self::Why => &WHY,
            Self::Logs { .. } => &LOGS,
            Self::Stop => &STOP,
            Self::Start => &START,
            Self::Keep { .. } => &KEEP,
            Self::Cancel => &CANCEL,
            Self::Destroy => &DESTROY,
            Self::Approve { .. } => &APPROVE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_reached_by_exactly_one_command_and_no_word_means_two_things() {
        let commands = [
            Command::Help,
            Command::Status,
            Command::Why,
            Command::Deploy { no_cache: false, from: None },
            Command::Reset { service: None },
            Command::Logs { service: None, lines: 50 },
            Command::Stop,
            Command::Start,
            Command::Keep { for_ms: 1 },
            Command::Cancel,
            Command::Destroy,
            Command::Approve { commit: None },
        ];
        let reached: Vec<_> = commands.iter().map(|command| command.help().verb).collect();
        let rows: Vec<_> = COMMANDS.iter().map(|row| row.verb).collect();
        assert_eq!(reached, rows);
        let mut words: Vec<_> = COMMANDS.iter().flat_map(|row| row.aliases.iter().chain([&row.verb])).collect();
        words.sort_unstable();
        let all = words.len();
        words.dedup();
        assert_eq!(words.len(), all);
    }

    #[test]
    fn the_author_of_a_same_repository_change_needs_no_right_of_their_own() {
        assert!(DEPLOY.allows(Permission::Write, false));
        assert!(DEPLOY.allows(Permission::Read, true));
        assert!(!DEPLOY.allows(Permission::Triage, false));
        assert!(!HELP.allows(Permission::None, false));
    }
}
