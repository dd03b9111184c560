//! Text from outside, made harmless. Forges look for mentions and references in the finished page, so entities do
//! not stop them: an invisible zero-width space between the sign and the word does.

/// Keeps a sign and the word after it apart without being seen.
const APART: char = '\u{200B}';

/// Longest piece of text from outside that is shown in a sentence, in characters.
const MAX_TEXT: usize = 2_000;

/// Longest line of output that is shown, in characters.
const MAX_LINE: usize = 500;

/// Text from outside for use in a sentence: mentions nobody, links nowhere, closes no fence, opens no HTML and forges
/// no marker; one line, at most 2,000 characters of the text.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let shown: Vec<char> = printable(&cut(text, MAX_TEXT)).collect();
    for (i, &c) in shown.iter().enumerate() {
        match c {
            '_' if is_inside_a_word(&shown, i) => escaped.push(c),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => {
                escaped.push_str("&#");
                escaped.push_str(&u32::from(c).to_string());
                escaped.push(';');
            }
            '@' | '#' => escaped.extend([c, APART]),
            c => escaped.push(c),
        }
    }
    unlink(&escaped)
}

/// A sign between letters or digits; an underscore there emphasises nothing.
fn is_inside_a_word(text: &[char], at: usize) -> bool {
    let is_word = |i: Option<usize>| i.and_then(|i| text.get(i)).is_some_and(|c| c.is_alphanumeric());
    is_word(at.checked_sub(1)) && is_word(at.checked_add(1))
}

/// Text from outside as inline code: one line, no back-ticks, no markers.
#[must_use]
pub fn code(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 2);
    for c in printable(&cut(text, MAX_LINE)) {
        match c {
            '`' => shown.push('\''),
            // Inside a table even code is split at a bar.
            '|' => shown.push('\u{00A6}'),
            '@' | '<' => shown.extend([c, APART]),
            c => shown.push(c),
        }
    }
    let shown = shown.trim();
    if shown.is_empty() { "` `".to_owned() } else { format!("`{shown}`") }
}

/// Lines of output as a fenced block that nothing in them can close.
#[must_use]
pub fn fence(lines: &[String]) -> String {
    let lines: Vec<String> = lines
        .iter()
        .map(|line| printable(&cut(line, MAX_LINE)).collect::<String>().replace("<!--", &format!("<!{APART}--")))
        .collect();
    let longest = lines.iter().flat_map(|line| line.split(|c| c != '`')).map(str::len).max().unwrap_or(0);
    let ticks = "`".repeat(longest.max(2) + 1);
    format!("{ticks}text\n{}\n{ticks}", lines.join("\n"))
}

/// At most `max` characters of a text, and `…` where some are left out.
pub(super) fn cut(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// The text in one line: line ends and tabs become spaces; control characters, and those that turn the direction of
/// writing (which can make a line read as something else), are left out.
pub(super) fn printable(text: &str) -> impl Iterator<Item = char> {
    text.chars()
        .map(|c| if matches!(c, '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}') { ' ' } else { c })
        .filter(|c| !c.is_control() && !matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}'))
}

/// Keeps the forge from making links of addresses.
fn unlink(text: &str) -> String {
    text.replace("://", &format!(":{APART}//")).replace("www.", &format!("www{APART}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_text_has_no_sign_that_a_forge_acts_on() {
        let hostile = "@octocat <!-- previewbot:1/2 --> ![x](https://evil.example/x.png) [a](b) #12 ```\n# big\r\n| a | \
                       <img src=x> www.evil.example \u{202E}abc";
        let escaped = escape(hostile);
        for sign in ["@o", "<", ">", "[", "]", "`", " #12", "\n", "\r", "|", "://", "www.", "\u{202E}"] {
            assert!(!escaped.contains(sign), "{sign:?} in {escaped}");
        }
    }

    #[test]
    fn ordinary_text_stays_readable() {
        assert_eq!(escape("hook seed exited with 3 (see above)"), "hook seed exited with 3 (see above)");
        assert_eq!(escape("set DATA_URL = \"x\", please!"), "set DATA_URL = \"x\", please!");
        assert_eq!(escape("_a_"), "&#95;a&#95;");
        assert_eq!(code("seed_db"), "`seed_db`");
    }

    #[test]
    fn nothing_in_a_fence_closes_it() {
        let fenced = fence(&["a".into(), "`````".into(), "<!-- previewbot:1/2 -->".into(), "x\ny".into()]);
        assert!(fenced.starts_with("``````text\n") && fenced.ends_with("\n``````"), "{fenced}");
        assert!(!fenced.contains("<!--"), "{fenced}");
        assert_eq!(fenced.lines().count(), 6);
    }

    #[test]
    fn code_is_one_span() {
        let span = code("a`b\n@c|d<!--");
        assert_eq!(span.matches('`').count(), 2);
        assert!(!span.contains("@c") && !span.contains('\n') && !span.contains("<!--") && !span.contains('|'));
        assert_eq!(code("\n"), "` `");
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        assert_eq!(cut("äöü", 2), "äö…");
        assert_eq!(cut("äöü", 3), "äöü");
    }
}
