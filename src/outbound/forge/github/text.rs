//! Text on its way into a request: percent-encoding and GitHub's length limits.

/// Most characters of a comment.
pub(super) const COMMENT: usize = 65_536;
/// Most characters of a check's summary or text.
pub(super) const CHECK: usize = 65_535;
/// Most characters of the description of a deployment or of its status.
pub(super) const DESCRIPTION: usize = 140;
/// Most characters of a check's title that GitHub shows.
pub(super) const TITLE: usize = 255;

const HEXADECIMAL: &[u8; 16] = b"0123456789ABCDEF";

/// One path segment or query value with everything but unreserved characters encoded (RFC 3986, 2.3).
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(HEXADECIMAL[usize::from(byte >> 4)]));
            encoded.push(char::from(HEXADECIMAL[usize::from(byte & 15)]));
        }
    }
    encoded
}

/// The text, or as much of its beginning as fits with an ellipsis. `limit` counts characters.
pub(super) fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    kept.push('…');
    kept
}

/// Text from the other side that is safe in a log line or a message.
pub(super) fn shown(text: &str) -> String {
    text.trim()
        .chars()
        .take(300)
        .flat_map(|c| if c == '\n' { " ".chars().collect() } else { escaped(c) })
        .collect()
}

fn escaped(c: char) -> Vec<char> {
    if c.is_control() { c.escape_default().collect() } else { vec![c] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_change_a_path_is_encoded() {
        assert_eq!(encode("preview/pr-1"), "preview%2Fpr-1");
        assert_eq!(encode("dependabot[bot]"), "dependabot%5Bbot%5D");
        assert_eq!(encode("a b?c#d&é"), "a%20b%3Fc%23d%26%C3%A9");
    }

    #[test]
    fn the_limit_counts_characters_and_holds() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
        assert_eq!(cut(&"é".repeat(70_000), COMMENT).chars().count(), COMMENT);
    }

    #[test]
    fn foreign_text_keeps_to_one_line() {
        assert_eq!(shown(" a\nb\u{1b}[31m "), "a b\\u{1b}[31m");
    }
}
