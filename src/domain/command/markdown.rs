//! Which lines of a comment are plain lines that their author wrote as such.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// HTML elements whose content is quoted, hidden or shown as code: nothing inside them is an order.
const QUIET_ELEMENTS: &[&str] = &[
    "blockquote",
    "code",
    "del",
    "details",
    "kbd",
    "pre",
    "q",
    "s",
    "samp",
    "strike",
    "summary",
    "table",
    "template",
];

/// The lines of top-level paragraphs that begin with plain text starting with `/` or `@`, as they are rendered.
/// Quotes, lists, code, headings, tables, HTML and link texts contribute none.
pub(super) fn plain_lines(markdown: &str) -> Vec<String> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_GFM;
    let mut reader = Reader::default();
    for (event, range) in Parser::new_ext(markdown, options).into_offset_iter() {
        reader.see(event, starts_like_an_order(markdown, range.start));
    }
    reader.lines
}

/// Whether an order's first sign stands here, unescaped, as the first thing on its line.
fn starts_like_an_order(markdown: &str, at: usize) -> bool {
    let line = markdown[..at].rsplit(['\n', '\r']).next().unwrap_or_default();
    line.trim().is_empty() && markdown[at..].starts_with(['/', '@'])
}

/// The line that is being read.
#[derive(Default)]
struct Line {
    text: String,
    begun: bool,
    plain: bool,
}

#[derive(Default)]
struct Reader {
    /// Open block containers other than the paragraph.
    containers: usize,
    /// Whether a top-level paragraph is open.
    in_paragraph: bool,
    /// Open inline elements (emphasis, links, images) of that paragraph.
    inlines: usize,
    /// The HTML block that is being read; scanned as a whole, since comments span lines.
    html_block: String,
    /// Open quiet elements.
    quiet: Vec<&'static str>,
    line: Line,
    lines: Vec<String>,
}

impl Reader {
    fn see(&mut self, event: Event<'_>, starts_like_an_order: bool) {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(tag) => self.end(tag),
            Event::Html(html) => self.html_block.push_str(&html),
            Event::InlineHtml(html) => {
                self.begin(false);
                self.scan(&html);
            }
            Event::Text(text) => {
                self.begin(starts_like_an_order);
                self.line.text.push_str(&text);
            }
            Event::Code(code) => {
                self.begin(false);
                self.line.text.push_str(&code);
            }
            Event::SoftBreak | Event::HardBreak => self.break_line(),
            _ => self.begin(false),
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::HtmlBlock => self.html_block.clear(),
            Tag::Paragraph if self.containers == 0 => {
                self.in_paragraph = true;
                self.line = Line::default();
            }
            _ if self.in_paragraph => {
                self.begin(false);
                self.inlines += 1;
            }
            _ => self.containers += 1,
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::HtmlBlock => {
                let html = std::mem::take(&mut self.html_block);
                self.scan(&html);
            }
            TagEnd::Paragraph if self.containers == 0 => {
                self.break_line();
                self.in_paragraph = false;
            }
            _ if self.in_paragraph => self.inlines = self.inlines.saturating_sub(1),
            _ => self.containers = self.containers.saturating_sub(1),
        }
    }

    /// The first thing on a line settles whether the line is plain.
    fn begin(&mut self, starts_like_an_order: bool) {
        if !self.line.begun {
            self.line.begun = true;
            self.line.plain =
                starts_like_an_order && self.in_paragraph && self.inlines == 0 && self.quiet.is_empty();
        }
    }

    fn break_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if line.plain {
            self.lines.push(line.text);
        }
    }

    /// Keeps track of quiet elements that HTML opens and closes. One that is never closed silences the rest, as it
    /// does on the page.
    fn scan(&mut self, html: &str) {
        let mut rest = html;
        while let Some((_, tail)) = rest.split_once('<') {
            rest = tail;
            if let Some(comment) = tail.strip_prefix("!--") {
                rest = comment.split_once("-->").map_or("", |(_, after)| after);
                continue;
            }
            let closes = tail.starts_with('/');
            let name = tail.trim_start_matches('/');
            let end = name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len());
            let known = QUIET_ELEMENTS.iter().find(|element| element.eq_ignore_ascii_case(&name[..end]));
            match known {
                Some(element) if closes => {
                    if let Some(open) = self.quiet.iter().rposition(|open| open == element) {
                        self.quiet.truncate(open);
                    }
                }
                Some(element) => self.quiet.push(element),
                None => {}
            }
        }
    }
}
