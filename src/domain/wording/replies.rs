//! Answers to commands (`ux.md` §1): first line = outcome, then at most one hint.

use crate::domain::change::{Account, Permission, Sha};
use crate::domain::command::{COMMANDS, CommandError, CommandHelp};
use crate::domain::decision::DecisionRecord;

use super::escape::{code, escape, fence};
use super::state::sentence;
use super::time::about;

/// The hidden marker of a reply: which comment, which of its lines, and what is said.
#[must_use]
pub fn reply_marker(comment: u64, index: usize, what: &str) -> String {
    format!("<!-- previewbot:reply:{comment}:{index}:{what} -->")
}

/// Answer to `/preview help`: the commands that somebody with this right may use.
#[must_use]
pub fn help(permission: Permission, is_author: bool) -> String {
    let (may, others): (Vec<_>, Vec<_>) = COMMANDS.iter().partition(|row| row.allows(permission, is_author));
    let mut text =
        "You may use these commands here, each on a line of its own:\n\n| Command | Meaning |\n|---|---|"
            .to_owned();
    for row in may {
        text.push_str(&help_row(row));
    }
    for needs in [Permission::Read, Permission::Triage, Permission::Write] {
        let verbs = others.iter().filter(|row| row.needs == needs).map(|row| format!("`{}`", row.verb));
        let verbs: Vec<_> = verbs.collect();
        if !verbs.is_empty() {
            let verbs = verbs.join(", ");
            text.extend(["\n\nWith ", &needs.to_string(), " permission also: ", &verbs, "."]);
        }
    }
    text
}

fn help_row(row: &CommandHelp) -> String {
    let aliases: Vec<_> = row.aliases.iter().map(|alias| format!("`{alias}`")).collect();
    let aliases = if aliases.is_empty() { String::new() } else { format!(" (also {})", aliases.join(", ")) };
    format!("\n| `/preview {}`{aliases} | {} |", row.usage, row.meaning)
}

/// The table of all commands, as the documentation has it.
#[must_use]
pub fn command_table() -> String {
    let mut text = "| Command | Meaning | Who may |\n|---|---|---|".to_owned();
    for row in COMMANDS {
        let author = if row.author_may { ", and the author of a change of the repository itself" } else { "" };
        text.extend([&*help_row(row), " ", &row.needs.to_string(), " permission", author, " |"]);
    }
    text
}

/// Decisions that an answer lists.
const MAX_DECISIONS: usize = 10;

/// Answer to `/preview why`: what holds now, and the last decisions, newest first.
#[must_use]
pub fn why(past: &[DecisionRecord], now_holds: &str, now: i64) -> String {
    let first = format!("As the change is now: {}", sentence(now_holds));
    if past.is_empty() {
        return format!("{first}\n\nNothing was decided about it before.");
    }
    let mut rows = "| When | What | Decision |\n|---|---|---|".to_owned();
    for record in past.iter().take(MAX_DECISIONS) {
        let when = format!("{} ago", about(now - record.at));
        let by = record.decision.actor.as_deref().map(|who| format!(" by {}", code(who))).unwrap_or_default();
        let reason = sentence(&record.decision.reason);
        rows.extend(["\n| ", &when, " | ", &escape(&record.trigger), &by, " | ", &reason, " |"]);
    }
    format!("{first}\n\n<details open><summary>The last decisions</summary>\n\n{rows}\n\n</details>")
}

/// Characters of output that an answer holds: with what stands around them they fit into a comment.
const MAX_OUTPUT: usize = 60_000;

/// Answer to `/preview logs`: lines as they were printed, redacted before they come here.
#[must_use]
pub fn logs(environment: &str, service: Option<&str>, lines: &[String]) -> String {
    let of = service.map_or_else(|| "all services".to_owned(), code);
    if lines.is_empty() {
        return format!("{of} of {} printed nothing.", code(environment));
    }
    let mut shown = lines;
    let mut output = fence(shown);
    while output.chars().count() > MAX_OUTPUT && shown.len() > 1 {
        shown = &shown[shown.len().div_ceil(2)..];
        output = fence(shown);
    }
    let count = shown.len();
    format!(
        "The last {count} lines of {of} of {}.\n\n<details open><summary>Output</summary>\n\n{output}\n\n</details>",
        code(environment)
    )
}

/// Answer where there are no lines to show.
#[must_use]
pub fn no_logs(because: &str) -> String {
    format!("There are no lines to show: {}", sentence(because))
}

/// Answer to somebody who may not.
#[must_use]
pub fn denied(who: &Account, verb: &str, needs: Permission, has: Permission) -> String {
    format!(
        "{} may not use {} here: it needs {needs} permission on this repository, and they have {has} permission.\n\n\
         Somebody with {needs} permission can do it.",
        code(&who.login),
        code(&format!("/preview {verb}")),
    )
}

/// How an untrusted commit is let run. The id stands there in full: digits that only begin alike are easily made.
#[must_use]
pub fn how_to_approve(commit: &Sha) -> String {
    format!(
        "Somebody with write permission who has read this commit can let it run, in a sandbox and without secrets: \
         comment `/preview approve {commit}`. A new push takes that back."
    )
}

/// Answer to a line that is no command.
#[must_use]
pub fn not_understood(error: &CommandError) -> String {
    format!("{}: {}", error.line, error.message)
}
