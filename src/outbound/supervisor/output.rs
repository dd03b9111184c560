//! What a hook printed: bounded while it runs, bounded when it is kept.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::domain::redact::Redactor;

/// How much both outputs together may hold while a hook runs, in bytes.
pub(in crate::outbound) const RUNNING_LIMIT: u64 = 64 * 1024 * 1024;
/// How much of standard output is returned, and how long a file may be that is kept, in bytes.
pub(in crate::outbound) const KEPT: u64 = 1024 * 1024;
/// How much of a shortened output is read to mask secrets, in bytes; what a daemon added since is cut off there.
const LARGEST_REDACTED: u64 = RUNNING_LIMIT;
/// How many of the last lines are shown to people.
const TAIL_LINES: usize = 15;
/// How long a shown line may be, in characters.
const LINE_LIMIT: usize = 500;
/// How much is read to find the last lines, in bytes.
const TAIL_BYTES: u64 = 16 * 1024;

/// Bytes in both outputs of a run.
pub(super) fn size(run: &Path) -> u64 {
    let length = |name: &str| std::fs::symlink_metadata(run.join(name)).map_or(0, |file| file.len());
    length("stdout") + length("stderr")
}

/// The end of a file, at most `limit` bytes, and whether its head was left out. Half a first line is left out too.
fn end_of(path: &Path, limit: u64) -> io::Result<(String, bool)> {
    let mut file = OpenOptions::new().read(true).custom_flags(libc_nofollow()).open(path)?;
    let length = file.metadata()?.len();
    let cut = length > limit;
    if cut {
        file.seek(SeekFrom::Start(length - limit - 1))?;
    }
    let mut bytes = Vec::new();
    file.take(limit + u64::from(cut)).read_to_end(&mut bytes)?;
    Ok(without_half_a_line(&bytes, usize::try_from(limit).unwrap_or(usize::MAX)))
}

/// The end of a text of which at most one byte more than `limit` was read, and whether its head was left out. That one
/// byte tells whether the cut is between two lines; half a first line is left out too.
pub(in crate::outbound) fn without_half_a_line(bytes: &[u8], limit: usize) -> (String, bool) {
    let cut = bytes.len() > limit;
    let first = if cut { bytes.iter().position(|byte| *byte == b'\n').map_or(1, |at| at + 1) } else { 0 };
    (String::from_utf8_lossy(&bytes[first..]).into_owned(), cut)
}

/// Refuses links: the account that hooks run as may have put one there.
fn libc_nofollow() -> i32 {
    i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default()
}

/// Standard output for parsing: its last mebibyte, and whether that is not all of it.
pub(super) fn standard_output(run: &Path) -> io::Result<(String, bool)> {
    end_of(&run.join("stdout"), KEPT)
}

/// The last lines of both outputs. Errors come last and get two thirds of the room when both have much to say.
pub(super) fn tail(run: &Path) -> io::Result<Vec<String>> {
    let text = |name: &str| Ok::<_, io::Error>(end_of(&run.join(name), TAIL_BYTES)?.0);
    Ok(last_lines(&text("stdout")?, &text("stderr")?))
}

/// The same of texts.
pub(in crate::outbound) fn last_lines(output: &str, errors: &str) -> Vec<String> {
    let lines =
        |text: &str| -> Vec<String> { text.lines().map(|line| line.chars().take(LINE_LIMIT).collect()).collect() };
    last_of(&lines(output), &lines(errors))
}

fn last_of(output: &[String], errors: &[String]) -> Vec<String> {
    let for_errors = errors.len().min((TAIL_LINES * 2 / 3).max(TAIL_LINES.saturating_sub(output.len())));
    let for_output = output.len().min(TAIL_LINES - for_errors);
    let shown = output[output.len() - for_output..].iter().chain(&errors[errors.len() - for_errors..]);
    shown.cloned().collect()
}

/// Cuts both outputs to head and tail where they are long, with a line between that says what is missing.
/// In place: a daemon that still writes to the file goes on behind it.
pub(super) fn shorten(run: &Path) -> io::Result<()> {
    for name in ["stdout", "stderr"] {
        let mut file =
            OpenOptions::new().read(true).write(true).custom_flags(libc_nofollow()).open(run.join(name))?;
        let length = file.metadata()?.len();
        if length > KEPT {
            shorten_file(&mut file, length)?;
        }
    }
    Ok(())
}

/// Masks secrets in both outputs, in place for the same reason.
pub(super) fn redact(run: &Path, redactor: &Redactor) -> io::Result<()> {
    for name in ["stdout", "stderr"] {
        let mut file =
            OpenOptions::new().read(true).write(true).custom_flags(libc_nofollow()).open(run.join(name))?;
        let mut bytes = Vec::new();
        (&mut file).take(LARGEST_REDACTED).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let redacted = redactor.redact(&text);
        if redacted != text {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(redacted.as_bytes())?;
        }
    }
    Ok(())
}

fn shorten_file(file: &mut File, length: u64) -> io::Result<()> {
    let half = KEPT / 2;
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(length - half))?;
    file.take(half).read_to_end(&mut end)?;
    file.set_len(half)?;
    file.seek(SeekFrom::End(0))?;
    write!(file, "\n[{} bytes left out]\n", length - KEPT)?;
    file.write_all(&end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(word: &str, count: usize) -> Vec<String> {
        (0..count).map(|n| format!("{word}{n}")).collect()
    }

    #[test]
    fn the_tail_has_the_end_of_both_and_at_most_fifteen_lines() {
        let cases = [(20, 20, 5, 10), (20, 3, 12, 3), (2, 20, 2, 13), (3, 4, 3, 4), (0, 0, 0, 0), (30, 0, 15, 0)];
        for (output, errors, shown_output, shown_errors) in cases {
            let shown = last_of(&lines("o", output), &lines("e", errors));
            let expected: Vec<String> = lines("o", output)
                .split_off(output - shown_output)
                .into_iter()
                .chain(lines("e", errors).split_off(errors - shown_errors))
                .collect();
            assert_eq!(shown, expected, "{output} and {errors}");
        }
    }

    #[test]
    fn a_long_file_keeps_head_and_tail_and_says_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let kept = usize::try_from(KEPT).unwrap();
        std::fs::write(folder.path().join("stdout"), format!("first{}last", "x".repeat(kept))).unwrap();
        std::fs::write(folder.path().join("stderr"), "short").unwrap();
        shorten(folder.path()).unwrap();
        let text = std::fs::read_to_string(folder.path().join("stdout")).unwrap();
        assert!(text.starts_with("first") && text.ends_with("last") && text.contains("\n[9 bytes left out]\n"));
        assert_eq!(std::fs::read_to_string(folder.path().join("stderr")).unwrap(), "short");
    }

    #[test]
    fn secrets_are_masked_in_both_files() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["stdout", "stderr"] {
            std::fs::write(folder.path().join(name), format!("{name} hidden-value end\n")).unwrap();
        }
        redact(folder.path(), &Redactor::new(["hidden-value".to_owned()])).unwrap();
        for name in ["stdout", "stderr"] {
            let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
            assert!(text.starts_with(name) && text.ends_with(" end\n") && !text.contains("hidden"), "{text}");
        }
    }

    #[test]
    fn a_cut_between_lines_loses_no_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stdout");
        std::fs::write(&path, "one\ntwo\nthree\n").unwrap();
        assert_eq!(end_of(&path, 10).unwrap(), ("two\nthree\n".to_owned(), true));
        assert_eq!(end_of(&path, 9).unwrap(), ("three\n".to_owned(), true));
        assert_eq!(end_of(&path, 14).unwrap(), ("one\ntwo\nthree\n".to_owned(), false));
    }
}
