//! Hides secret values in text that people may see.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use secrecy::{ExposeSecret as _, SecretString};

/// What stands in a secret's place.
const MASK: &str = "********";
/// Shorter values would hide ordinary words.
const MIN_CHARACTERS: usize = 6;

const BASE64_STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Knows the secrets of one job and replaces each of them, raw and in the usual encodings, with `********`.
#[derive(Clone, Default)]
pub struct Redactor {
    /// Every form of every value, longest first, so that a value inside a longer one does not break it up.
    forms: Vec<String>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redactor")
    }
}

impl Redactor {
    /// A redactor for these values; values shorter than 6 characters are left out, they would hide ordinary words.
    ///
    /// Of a value with several lines each line counts as a value too, because text is mostly seen line by line.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut forms = BTreeSet::new();
        for secret in secrets {
            let lines = secret.lines().map(str::trim);
            for value in lines.chain([secret.as_str(), secret.trim()]) {
                if value.chars().count() >= MIN_CHARACTERS {
                    add_forms(value, &mut forms);
                }
            }
        }
        let mut forms: Vec<String> = forms.into_iter().collect();
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        Self { forms }
    }

    /// A redactor for a project's secrets by name.
    #[must_use]
    pub fn of_secrets(secrets: &BTreeMap<String, SecretString>) -> Self {
        Self::new(secrets.values().map(|secret| secret.expose_secret().to_owned()))
    }

    /// The text without secrets.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for form in self.forms.iter().filter(|form| !form.is_empty()) {
            if text.contains(form.as_str()) {
                text = text.replace(form.as_str(), MASK);
            }
        }
        text
    }
}

fn add_forms(value: &str, forms: &mut BTreeSet<String>) {
    let json = serde_json::Value::from(value).to_string();
    let json = json[1..json.len() - 1].to_owned();
    let html_safe_json = json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e");
    forms.extend([value.to_owned(), json, html_safe_json]);
    forms.insert(value.replace('\'', r"'\''"));
    forms.insert(value.replace('\'', r#"'"'"'"#));
    let hex = hex::encode(value);
    forms.extend([hex.to_uppercase(), hex]);
    // RFC 3986, and what JavaScript's encodeURIComponent leaves as it is; the first also as a form sends it.
    for also_kept in ["", "!*'()"] {
        let encoded = percent_encode(value, also_kept);
        forms.extend([encoded.replace("%20", "+"), lower_case_escapes(&encoded), encoded]);
    }
    for alphabet in [BASE64_STANDARD, BASE64_URL_SAFE] {
        let encoded = base64(value.as_bytes(), alphabet);
        forms.extend([format!("{encoded}{}", "=".repeat((4 - encoded.len() % 4) % 4)), encoded]);
        forms.extend((0..3).map(|offset| base64_inside(value.as_bytes(), offset, alphabet)));
    }
}

fn percent_encode(value: &str, also_kept: &str) -> String {
    let mut encoded = String::new();
    for byte in value.bytes() {
        let kept = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also_kept.as_bytes().contains(&byte);
        if kept {
            encoded.push(char::from(byte));
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// `%2F` as `%2f`.
fn lower_case_escapes(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let (digits, rest) = part.split_at(2);
        text + "%" + &digits.to_lowercase() + rest
    })
}

/// Base64 without padding.
fn base64(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let mut encoded = String::new();
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
        let group = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..=chunk.len() {
            let index = (group >> (18 - 6 * digit)) & 63;
            encoded.push(char::from(alphabet[index as usize]));
        }
    }
    encoded
}

/// The digits that depend on `value` alone when `offset` bytes stand before it and others may follow, as in
/// `user:password` of basic authentication.
fn base64_inside(value: &[u8], offset: usize, alphabet: &[u8; 64]) -> String {
    let mut bytes = vec![0; offset];
    bytes.extend_from_slice(value);
    let first = (offset * 8).div_ceil(6);
    let last = bytes.len() * 8 / 6;
    base64(&bytes, alphabet)[first..last].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "p@ss/w0rd+it's \"é\"&\\";

    fn redactor() -> Redactor {
        Redactor::new([SECRET.to_owned()])
    }

    #[test]
    fn base64_is_that_of_rfc_4648() {
        let encoded =
            ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|t| base64(t.as_bytes(), BASE64_STANDARD));
        assert_eq!(encoded, ["", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy"]);
    }

    #[test]
    fn every_usual_encoding_is_hidden() {
        let cases = [
            ("raw", SECRET),
            ("json", r#"p@ss/w0rd+it's \"é\"&\\"#),
            ("go json", r#"p@ss/w0rd+it's \"é\"\u0026\\"#),
            ("shell", r#"p@ss/w0rd+it'\''s "é"&\"#),
            ("hex", "704073732f773072642b697427732022c3a922265c"),
            ("upper-case hex", "704073732F773072642B697427732022C3A922265C"),
            ("percent", "p%40ss%2Fw0rd%2Bit%27s%20%22%C3%A9%22%26%5C"),
            ("percent lower", "p%40ss%2fw0rd%2bit%27s%20%22%c3%a9%22%26%5c"),
            ("component", "p%40ss%2Fw0rd%2Bit's%20%22%C3%A9%22%26%5C"),
            ("form", "p%40ss%2Fw0rd%2Bit%27s+%22%C3%A9%22%26%5C"),
            ("base64", "cEBzcy93MHJkK2l0J3MgIsOpIiZc"),
        ];
        for (name, form) in cases {
            assert_eq!(redactor().redact(&format!("a {form} b")), format!("a {MASK} b"), "{name}");
        }
    }

    #[test]
    fn padding_goes_with_the_value() {
        let redactor = Redactor::new(["fooba??".to_owned()]);
        assert_eq!(
            redactor.redact("[Zm9vYmE/Pw==] [Zm9vYmE/Pw] [Zm9vYmE_Pw==]"),
            "[********] [********] [********]"
        );
    }

    #[test]
    fn a_value_inside_a_longer_base64_text_is_hidden() {
        for user in ["a", "ab", "abc"] {
            let text = base64(format!("{user}:{SECRET}@").as_bytes(), BASE64_STANDARD);
            let shown = redactor().redact(&text);
            assert!(shown.contains(MASK), "{user}: {shown}");
            assert!(shown.len() < MASK.len() + 10, "{user}: {shown}");
        }
    }

    #[test]
    fn longer_values_go_first_and_short_ones_stay() {
        let redactor = Redactor::new(["secret".to_owned(), "secret-longer".to_owned(), "short".to_owned()]);
        assert_eq!(redactor.redact("secret-longer secret short"), "******** ******** short");
    }

    #[test]
    fn lines_of_a_value_are_hidden_by_themselves() {
        let redactor = Redactor::new(["first line\n  second line\nab\n".to_owned()]);
        assert_eq!(redactor.redact("x second line ab"), "x ******** ab");
        assert_eq!(redactor.redact("first line\n  second line\nab\n"), MASK);
    }

    #[test]
    fn debug_shows_no_value() {
        assert_eq!(format!("{:?}", redactor()), "Redactor");
    }
}
