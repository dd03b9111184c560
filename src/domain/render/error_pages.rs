//! The proxy's error pages: what they say when a service is not there, is off, or does not answer.

use std::collections::BTreeMap;

/// The pages' folder in the compute root.
pub const FOLDER: &str = "preview/error-pages";

/// Code, title, sentence.
const PAGES: [(u16, &str, &str); 3] = [
    (404, "No such service", "There is no service at this address."),
    (502, "Not answering", "The service is switched on but does not answer. It may still be starting."),
    (503, "Switched off", "The service is not running."),
];

/// File name of the page for a status code.
#[must_use]
pub fn file_name(code: u16) -> String {
    format!("previewctl_{code}.html")
}

/// File name → text.
#[must_use]
pub fn render(environment: &str) -> BTreeMap<String, String> {
    PAGES.iter().map(|page| (file_name(page.0), text(environment, *page))).collect()
}

fn text(environment: &str, (code, title, sentence): (u16, &str, &str)) -> String {
    let name = escape(environment);
    let command = escape(&format!("previewbot service start <service> --env {}", argument(environment)));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{code} {title}</title>\n\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:15vh auto;padding:0 1rem}}\
         code{{background:#8882;padding:.15rem .35rem;border-radius:.25rem}}</style>\n</head>\n<body>\n\
         <h1>{code} {title}</h1>\n<p>{sentence} This is the preview environment <strong>{name}</strong>.</p>\n\
         <p>To start a service, run <code>{command}</code></p>\n</body>\n</html>\n"
    )
}

/// The name as one argument of a POSIX shell, for people to copy.
fn argument(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    if !name.is_empty() && name.chars().all(plain) {
        return name.to_owned();
    }
    format!("'{}'", name.replace('\'', r"'\''"))
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text_and_never_markup() {
        for page in render("<script>'\"&").values() {
            assert!(page.contains("<strong>&lt;script&gt;&#39;&quot;&amp;</strong>"), "{page}");
            assert!(!page.contains("<script>"), "{page}");
        }
    }

    #[test]
    fn the_command_can_be_copied() {
        let page = &render("pr-1")["previewctl_503.html"];
        assert!(page.contains("previewbot service start &lt;service&gt; --env pr-1</code>"), "{page}");
        assert_eq!(argument("it's"), r"'it'\''s'");
    }
}
