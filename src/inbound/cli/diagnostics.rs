//! Problems of a project's files: drawn for people with the lines at fault, as JSON, and as annotations of GitHub
//! Actions.

use std::io::{self, Write};

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

use crate::domain::project::problem::{Problem, Problems, Severity};
use crate::domain::project::source::Sources;

/// Characters of a line that are shown on each side of what is at fault.
const AROUND: usize = 60;

/// Draws each problem with its place, the line at fault and what to do. What stands in the files never reaches the
/// terminal as a control character.
///
/// # Errors
/// When nothing can be written.
pub fn print(problems: &Problems, sources: &Sources, colour: bool, out: &mut dyn Write) -> io::Result<()> {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() }.decor_style(DecorStyle::Ascii);
    for problem in problems {
        writeln!(out, "{}\n", renderer.render(&[drawn(problem, sources)]))?;
    }
    Ok(())
}

/// One line for each problem, which GitHub Actions shows beside the file.
///
/// # Errors
/// When nothing can be written.
pub fn annotate(problems: &Problems, out: &mut dyn Write) -> io::Result<()> {
    for problem in problems {
        write!(out, "::{} file={}", problem.severity.as_str(), property(&problem.file))?;
        if let Some(line) = problem.line {
            write!(out, ",line={line}")?;
        }
        if let Some(column) = problem.column {
            write!(out, ",col={column}")?;
        }
        if let (Some(column), Some(length)) = (problem.column, problem.length) {
            write!(out, ",endColumn={}", column + length)?;
        }
        writeln!(out, ",title={}::{}", property(problem.kind), data(&problem.sentence()))?;
    }
    Ok(())
}

fn drawn<'a>(problem: &Problem, sources: &Sources) -> Group<'a> {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let group = Group::with_title(level.primary_title(tame(&problem.message)));
    let group = match excerpt(problem, sources) {
        Some(excerpt) => group.elements(excerpt.into_elements(problem)),
        None => group.element(origin(problem)),
    };
    match &problem.help {
        Some(help) => group.element(Level::HELP.message(tame(help))),
        None => group,
    }
}

fn origin<'a>(problem: &Problem) -> Origin<'a> {
    let origin = Origin::path(tame(&problem.file));
    match (number(problem.line), number(problem.column)) {
        (Some(line), Some(column)) => origin.line(line).char_column(column),
        _ => origin,
    }
}

/// The line at fault, or as much of it as fits.
struct Excerpt {
    text: String,
    /// Bytes of it that are at fault.
    marked: std::ops::Range<usize>,
    /// Whether it begins where the line begins.
    from_start: bool,
}

fn excerpt(problem: &Problem, sources: &Sources) -> Option<Excerpt> {
    let line = sources.get(&problem.file)?.line(problem.line?)?;
    let start = number(problem.column)?.checked_sub(1)?;
    let length = number(problem.length).unwrap_or(1).min(AROUND);
    let first = start.saturating_sub(AROUND);
    let shown: String = line.chars().skip(first).take(start - first + length + AROUND).collect();
    if shown.trim().is_empty() {
        return None;
    }
    let text = tame(&shown);
    let byte = |column: usize| text.char_indices().nth(column - first).map_or(text.len(), |(byte, _)| byte);
    let marked = byte(start)..byte(start + length);
    Some(Excerpt { text, marked, from_start: first == 0 })
}

impl Excerpt {
    /// A part of a line does not know its column, so that the place is written by itself.
    fn into_elements<'a>(self, problem: &Problem) -> Vec<Element<'a>> {
        let line = number(problem.line).unwrap_or(1);
        let marked = AnnotationKind::Primary.span(self.marked);
        let snippet = Snippet::source(self.text).line_start(line).annotation(marked);
        if self.from_start {
            return vec![snippet.path(tame(&problem.file)).into()];
        }
        vec![origin(problem).into(), snippet.into()]
    }
}

fn number(number: Option<u64>) -> Option<usize> {
    number.and_then(|number| usize::try_from(number).ok())
}

/// Text of a file, safe for a terminal: control characters and those that turn the direction of writing are replaced
/// one by one, so that columns stay.
fn tame(text: &str) -> String {
    let safe = |c: char| match c {
        '\t' => ' ',
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{feff}' => char::REPLACEMENT_CHARACTER,
        other => other,
    };
    text.chars().map(safe).collect()
}

/// A message of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A value among the properties of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_cannot_break_out_of_their_line() {
        let mut problem = Problem::of_file("k", "a,b:c.yaml", "100%\n::error::forged\r").with_help("x");
        (problem.line, problem.column, problem.length) = (Some(3), Some(5), Some(2));
        let mut out = Vec::new();
        annotate(&problem.into(), &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "::error file=a%2Cb%3Ac.yaml,line=3,col=5,endColumn=7,title=k::100%25%0A::error::forged%0D; x\n"
        );
    }

    #[test]
    fn control_characters_of_the_file_are_shown_never_sent() {
        let mut sources = Sources::default();
        sources.insert("f", "a: \u{1b}[31m\u{202e}\u{9b}x\t\u{7}");
        let mut problem = Problem::of_file("k", "f", "bad \u{1b}]0;title\u{7}");
        (problem.line, problem.column, problem.length) = (Some(1), Some(4), Some(5));
        let mut out = Vec::new();
        print(&problem.into(), &sources, false, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        assert!(text.contains("a: ␛[31m"), "{text}");
    }

    #[test]
    fn a_line_without_end_is_shown_in_part() {
        let mut sources = Sources::default();
        sources.insert("f", &"é".repeat(500_000));
        let mut problem = Problem::of_file("k", "f", "bad");
        (problem.line, problem.column, problem.length) = (Some(1), Some(250_000), Some(400_000));
        let mut out = Vec::new();
        print(&problem.into(), &sources, false, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.len() < 2_000 && text.contains("f:1:250000"), "{text}");
    }
}
