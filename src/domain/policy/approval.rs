//! Which commit `/preview approve` means, and whether that is the one that its author looked at.

use crate::domain::change::Sha;
use crate::domain::ports::Comment;
use crate::domain::wording::{self, code};

use super::situation::{Order, Situation};
use super::standing::{NO_SANDBOX, doubt};

/// Whether the order lets the change's newest commit run. A commit that is named in full is meant in any case; one that is
/// named by its first digits, or not at all, must have been shown before: digits can be forged, and a push can come
/// between reading and saying.
///
/// # Errors
/// Why not: a plain sentence, and the answer as Markdown.
pub(super) fn means_the_head(
    order: &Order<'_>,
    situation: &Situation<'_>,
    named: Option<&str>,
) -> Result<(), (String, String)> {
    let head = &situation.change.head.sha;
    if doubt(situation).is_none() {
        let because = "nothing waits for approval: this change is the team's own".to_owned();
        return Err((because, "Nothing waits for approval here: this change is the team's own.".to_owned()));
    }
    if !situation.sandbox {
        let body = format!("It could not run: {}.", wording::escape(NO_SANDBOX));
        return Err((NO_SANDBOX.to_owned(), body));
    }
    let again = || wording::how_to_approve(head);
    match named {
        Some(named) if named == head.as_str() => Ok(()),
        Some(named) if !head.as_str().starts_with(named) => {
            let because = format!("{named} is not the newest commit of this change");
            Err((because, format!("{} is not the newest commit of this change.\n\n{}", code(named), again())))
        }
        Some(_) | None if order.shown == Some(head) => Ok(()),
        Some(_) | None => {
            let short = head.short();
            let because = format!("{short} was not shown on the change yet when this was said");
            let body = format!("The newest commit, `{short}`, was not shown here yet when you said that.");
            Err((because, format!("{body}\n\n{}", again())))
        }
    }
}

/// Whether the bot's own comment told that this commit waits for approval when something was said. The forge's clock counts
/// for both: a delivery can come late. It counts seconds, and of two things in the same one nobody knows which was first.
#[must_use]
pub fn was_shown(commit: &Sha, sticky: &Comment, said: &Comment) -> bool {
    let before = matches!((sticky.updated_at, said.created_at), (Some(shown), Some(said)) if shown < said);
    before && sticky.ours && wording::asks_for_approval(&sticky.body, commit)
}

#[cfg(test)]
mod tests {
    use super::was_shown;
    use crate::domain::change::{Account, Sha};
    use crate::domain::ports::Comment;
    use crate::domain::wording::how_to_approve;

    fn sha(digit: &str) -> Sha {
        digit.repeat(40).parse().unwrap()
    }

    fn comment(body: String, at: Option<i64>) -> Comment {
        let author = Account { login: "bot".to_owned(), id: 1, is_bot: true };
        let change = None;
        Comment { id: 1, author, body, ours: true, edited: false, change, created_at: at, updated_at: at }
    }

    fn sticky(heading: &str, commit: &Sha, at: Option<i64>) -> Comment {
        comment(format!("<!-- previewbot:5001/42 -->\n### {heading}\n\n{}", how_to_approve(commit)), at)
    }

    #[test]
    fn a_commit_was_shown_when_our_comment_asked_for_it_before() {
        let said = comment("/preview approve".to_owned(), Some(3_000));
        let waiting = "🟠 Preview waiting for approval · `bbbbbbb`";
        let shown = |sticky: &Comment| was_shown(&sha("b"), sticky, &said);
        assert!(shown(&sticky(waiting, &sha("b"), Some(2_000))));
        assert!(!shown(&sticky(waiting, &sha("b"), Some(3_000))), "in the same second");
        assert!(!shown(&sticky(waiting, &sha("b"), None)), "nobody knows when");
        assert!(!shown(&sticky(waiting, &sha("c"), Some(2_000))), "another with the same digits");
        let printed = sticky("🔴 Preview failed · `aaaaaaa`", &sha("b"), Some(2_000));
        assert!(!shown(&printed), "a preview printed it");
        assert!(!shown(&Comment { ours: false, ..sticky(waiting, &sha("b"), Some(2_000)) }), "by somebody else");
        let unknown = comment(said.body.clone(), None);
        assert!(!was_shown(&sha("b"), &sticky(waiting, &sha("b"), Some(2_000)), &unknown));
    }
}
