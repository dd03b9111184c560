//! Answers to commands (`ux.md` §1): first line = outcome, then at most one hint.

use crate::domain::change::{Account, Permission, Sha};
use crate::domain::command::{COMMANDS, CommandError, CommandHelp};

use super::escape::code;

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
    if !others.is_empty() {
        let others: Vec<_> = others.iter().map(|row| format!("`{}`", row.verb)).collect();
        text.push_str("\n\nWith write permission also: ");
        text.push_str(&others.join(", "));
        text.push('.');
    }
    text
}

fn help_row(row: &CommandHelp) -> String {
    let aliases: Vec<_> = row.aliases.iter().map(|alias| format!("`{alias}`")).collect();
    let aliases = if aliases.is_empty() { String::new() } else { format!(" (also {})", aliases.join(", ")) };
    format!("\n| `/preview {}`{aliases} | {} |", row.usage, row.meaning)
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
