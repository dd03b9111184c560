use std::time::Duration;

use crate::domain::length::length_of_time;
use crate::domain::wording::code;

use super::markdown::plain_lines;
use super::table::{COMMANDS, Command, CommandHelp};

/// At most this many commands of one comment are obeyed.
pub const MAX_COMMANDS: usize = 5;

/// Longest name of a step or a service that a command may give.
const MAX_NAME: usize = 100;

/// Lines that `logs` shows when nobody says how many, and at most.
const USUAL_LINES: u32 = 50;
const MOST_LINES: u32 = 200;

/// Longest time that `keep` gives at once.
const LONGEST_KEPT: Duration = Duration::from_hours(90 * 24);

/// A commit may be named by so many of its first digits.
const SHORTEST_COMMIT: usize = 7;

/// Digits of the longest commit ids.
const LONGEST_COMMIT: usize = 64;

/// Two words at most this far apart are taken for a slip of the finger.
const NEAR: usize = 2;

/// One command line that cannot be obeyed; `Display` is the one-line answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CommandError {
    /// The line, escaped and cut.
    pub line: String,
    /// What is wrong, the nearest known word, and `/preview help`.
    pub message: String,
}

/// Finds the commands of a comment: read as Markdown, so quotes, code, HTML, `<details>`, link texts and headings
/// never run. `bot` is the bot's name for `@bot verb`. More than [`MAX_COMMANDS`]: the rest is one error.
#[must_use]
pub fn parse(comment: &str, bot: &str) -> Vec<Result<Command, CommandError>> {
    let lines = plain_lines(comment);
    let orders: Vec<Order<'_>> = lines.iter().filter_map(|line| Order::of(line, bot)).collect();
    let mut parsed: Vec<_> = orders.iter().take(MAX_COMMANDS).map(Order::read).collect();
    if let Some(surplus) = orders.get(MAX_COMMANDS) {
        let message =
            format!("only the first {MAX_COMMANDS} commands of a comment are obeyed, the rest is left out");
        parsed.push(Err(surplus.error(&message)));
    }
    parsed
}

/// A line that is addressed to the bot.
struct Order<'a> {
    line: &'a str,
    words: Vec<&'a str>,
}

impl<'a> Order<'a> {
    /// The line without its address; `None` when it is not addressed to the bot.
    fn of(line: &'a str, bot: &str) -> Option<Self> {
        let line = line.trim();
        let spoken = line.strip_suffix('.').unwrap_or(line);
        let mut words = spoken.split_whitespace();
        let address = words.next()?;
        let bare = bot.strip_suffix("[bot]").unwrap_or(bot);
        let named = address.strip_prefix('@').is_some_and(|name| {
            !bare.is_empty() && (name.eq_ignore_ascii_case(bare) || name.eq_ignore_ascii_case(bot))
        });
        (named || address.eq_ignore_ascii_case("/preview")).then(|| Self { line, words: words.collect() })
    }

    fn read(&self) -> Result<Command, CommandError> {
        let Some((verb, arguments)) = self.words.split_first() else {
            return Err(self.error("a command is missing"));
        };
        let word = verb.to_lowercase();
        let known = |row: &&CommandHelp| row.verb == word || row.aliases.contains(&word.as_str());
        let Some(row) = COMMANDS.iter().find(known) else {
            let words = COMMANDS.iter().flat_map(|row| std::iter::once(&row.verb).chain(row.aliases)).copied();
            return Err(self.unknown("command", verb, &word, words));
        };
        match row.verb {
            "deploy" => self.deploy(arguments, word == "rebuild"),
            "reset" => self.reset(arguments),
            "approve" => self.approve(arguments),
            "logs" => self.logs(arguments),
            "keep" => self.keep(arguments),
            "why" => self.alone(row, arguments, Command::Why),
            "stop" => self.alone(row, arguments, Command::Stop),
            "start" => self.alone(row, arguments, Command::Start),
            "cancel" => self.alone(row, arguments, Command::Cancel),
            "status" => self.alone(row, arguments, Command::Status),
            "destroy" => self.alone(row, arguments, Command::Destroy),
            _ => self.alone(row, arguments, Command::Help),
        }
    }

    fn alone(&self, row: &CommandHelp, arguments: &[&str], command: Command) -> Result<Command, CommandError> {
        match arguments.first() {
            None => Ok(command),
            Some(word) => {
                Err(self.error(&format!("`{}` takes nothing after it, but {} was given", row.verb, code(word))))
            }
        }
    }

    fn deploy(&self, arguments: &[&str], rebuild: bool) -> Result<Command, CommandError> {
        let (mut no_cache, mut from) = (rebuild, None);
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let (key, value) = word.split_once('=').map_or((*word, None), |(key, value)| (key, Some(value)));
            let step = match (key, value) {
                ("--no-cache", None) => {
                    no_cache = true;
                    continue;
                }
                ("--from", None) => words.next().copied(),
                ("--from" | "from", value @ Some(_)) => value,
                _ => return Err(self.unknown("option of `deploy`", key, key, ["--no-cache", "--from"])),
            };
            let step = step.filter(|step| is_name(step));
            let Some(step) = step else {
                return Err(self.error("`--from` needs the name of a step, as the preview's comment lists them"));
            };
            if from.replace(step.to_owned()).is_some() {
                return Err(self.error("`--from` was given twice"));
            }
        }
        Ok(Command::Deploy { no_cache, from })
    }

    fn reset(&self, arguments: &[&str]) -> Result<Command, CommandError> {
        match arguments {
            [] => Ok(Command::Reset { service: None }),
            [option, ..] if option.starts_with('-') || option.contains('=') => {
                Err(self.unknown("option of `reset`", option, option, []))
            }
            [service] if is_name(service) => Ok(Command::Reset { service: Some((*service).to_owned()) }),
            [service] => Err(self.error(&format!("{} is not the name of a service", code(service)))),
            [_, more, ..] => {
                Err(self.error(&format!("`reset` takes one service, but {} was given too", code(more))))
            }
        }
    }

    fn logs(&self, arguments: &[&str]) -> Result<Command, CommandError> {
        let (mut service, mut lines) = (None, None);
        for word in arguments {
            if let Some((key, value)) = word.split_once('=') {
                if key.trim_start_matches("--") != "lines" {
                    return Err(self.unknown("option of `logs`", key, key, ["lines"]));
                }
                let number = value.parse().ok().filter(|number| (1..=MOST_LINES).contains(number));
                let Some(number) = number else {
                    return Err(self.error(&format!("`lines` must be 1 to {MOST_LINES}, not {}", code(value))));
                };
                if lines.replace(number).is_some() {
                    return Err(self.error("`lines` was given twice"));
                }
            } else if !is_name(word) {
                return Err(self.error(&format!("{} is not the name of a service", code(word))));
            } else if service.replace((*word).to_owned()).is_some() {
                return Err(self.error(&format!("`logs` takes one service, but {} was given too", code(word))));
            }
        }
        Ok(Command::Logs { service, lines: lines.unwrap_or(USUAL_LINES) })
    }

    fn keep(&self, arguments: &[&str]) -> Result<Command, CommandError> {
        let [length] = arguments else {
            return Err(self.error("`keep` needs one length of time, such as `3d` or `12h`"));
        };
        let Some(kept) = length_of_time(&length.to_lowercase()) else {
            return Err(self.error(&format!("{} is no length of time such as `3d` or `12h`", code(length))));
        };
        if kept > LONGEST_KEPT {
            return Err(self.error("a preview is kept for `90d` at most"));
        }
        Ok(Command::Keep { for_ms: i64::try_from(kept.as_millis()).unwrap_or(i64::MAX) })
    }

    fn approve(&self, arguments: &[&str]) -> Result<Command, CommandError> {
        match arguments {
            [] => Ok(Command::Approve { commit: None }),
            [commit] => {
                let digits = commit.to_ascii_lowercase();
                let fits = (SHORTEST_COMMIT..=LONGEST_COMMIT).contains(&digits.len());
                if fits && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Ok(Command::Approve { commit: Some(digits) });
                }
                let message = format!("{} is not a commit id of {SHORTEST_COMMIT} digits or more", code(commit));
                Err(self.error(&message))
            }
            [_, more, ..] => {
                Err(self.error(&format!("`approve` takes one commit, but {} was given too", code(more))))
            }
        }
    }

    fn unknown(
        &self,
        what: &str,
        shown: &str,
        word: &str,
        known: impl IntoIterator<Item = &'static str>,
    ) -> CommandError {
        let near = nearest(word, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        self.error(&format!("{} is not a known {what}{near}", code(shown)))
    }

    fn error(&self, message: &str) -> CommandError {
        let stop = if message.ends_with('?') { "" } else { "." };
        let message = format!("{message}{stop} `/preview help` lists the commands.");
        CommandError { line: code(self.line), message }
    }
}

/// Names of steps and services: nothing that could be an option, a path upwards or a second word.
fn is_name(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    text.len() <= MAX_NAME
        && text.chars().all(legal)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
}

fn nearest(word: &str, known: impl IntoIterator<Item = &'static str>) -> Option<&'static str> {
    // A word longer than any known one by more than the limit cannot be near; this also bounds the work.
    if word.chars().count() > 20 {
        return None;
    }
    let measured = known.into_iter().map(|candidate| (distance(word, candidate), candidate));
    // A word is no slip of another that shares no letter with it.
    let near = measured.filter(|(distance, candidate)| *distance <= NEAR && *distance < candidate.len());
    near.min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

/// Edit distance (Levenshtein): letters added, removed or replaced.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Case {
        name: String,
        comment: String,
        #[serde(default)]
        commands: Vec<String>,
    }

    /// One word or line per result, as the table writes it.
    fn told(result: &Result<Command, CommandError>) -> String {
        match result {
            Ok(Command::Help) => "help".to_owned(),
            Ok(Command::Status) => "status".to_owned(),
            Ok(Command::Destroy) => "destroy".to_owned(),
            Ok(Command::Deploy { no_cache, from }) => {
                let cache = if *no_cache { " no-cache" } else { "" };
                let from = from.as_ref().map(|step| format!(" from {step}")).unwrap_or_default();
                format!("deploy{cache}{from}")
            }
            Ok(Command::Reset { service }) => format!("reset {}", service.as_deref().unwrap_or("?")),
            Ok(Command::Why) => "why".to_owned(),
            Ok(Command::Stop) => "stop".to_owned(),
            Ok(Command::Start) => "start".to_owned(),
            Ok(Command::Cancel) => "cancel".to_owned(),
            Ok(Command::Keep { for_ms }) => format!("keep {}h", for_ms / 3_600_000),
            Ok(Command::Logs { service, lines }) => format!("logs {} {lines}", service.as_deref().unwrap_or("?")),
            Ok(Command::Approve { commit }) => format!("approve {}", commit.as_deref().unwrap_or("?")),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn comments_are_read_as_the_table_says() {
        let cases: Vec<Case> =
            crate::domain::yaml::from_str(include_str!("../../../fixtures/commands.yaml")).unwrap();
        assert!(cases.len() >= 60, "{} cases", cases.len());
        for case in cases {
            let told: Vec<_> = parse(&case.comment, "previewbot[bot]").iter().map(told).collect();
            let matches = told.len() == case.commands.len()
                && told.iter().zip(&case.commands).all(|(told, wanted)| match wanted.strip_prefix("error ") {
                    Some(part) => {
                        told.starts_with("error: ") && told.contains(part) && told.contains("`/preview help`")
                    }
                    None => told == wanted,
                });
            assert!(matches, "{}: {:?}\n  told   {told:?}\n  wanted {:?}", case.name, case.comment, case.commands);
        }
    }

    #[test]
    fn distances_are_those_of_levenshtein() {
        for (left, right, expected) in
            [("", "", 0), ("", "abc", 3), ("depoly", "deploy", 2), ("stauts", "status", 2), ("up", "up", 0)]
        {
            assert_eq!(distance(left, right), expected, "{left} {right}");
        }
    }

    #[test]
    fn errors_mention_nobody_and_forge_nothing() {
        let parsed = parse("/preview @octocat`<!--x", "previewbot");
        let error = parsed[0].clone().unwrap_err();
        assert!(!error.message.contains("@o") && !error.message.contains("<!--"), "{error}");
        assert!(!error.line.contains("@o") && !error.line.contains("<!--"), "{}", error.line);
    }
}
