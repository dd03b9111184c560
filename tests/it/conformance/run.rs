//! Makes test cases of vectors, runs them, and shows a table per topic.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use super::checks::Verdict;
use super::overruled::{self, Overruled};
use super::topics::{self, Means, Topic};
use super::vectors::{self, Vector, own_folder};

/// How a vector's case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    Passed,
    Failed,
    /// It fails, as the design wants it.
    Overruled,
    Informative,
}

/// Endings by topic.
type Tally = Arc<Mutex<BTreeMap<String, Vec<Ending>>>>;

/// One case: what is done, and what comes of it.
type Case = Box<dyn FnOnce() -> (Ending, String) + Send>;

/// Runs all cases that the arguments select.
pub(crate) fn run() -> ExitCode {
    let arguments = Arguments::from_args();
    let tally = Tally::default();
    let conclusion = libtest_mimic::run(&arguments, trials(&tally));
    if !arguments.list {
        print_table(&tally.lock().unwrap());
    }
    conclusion.exit_code()
}

fn folder() -> PathBuf {
    std::env::var_os("CONFORMANCE_DIR").map_or_else(own_folder, PathBuf::from)
}

fn files() -> Vec<PathBuf> {
    let folder = folder();
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "yaml" || e == "yml"));
    files.retain(|path| path.file_name().is_some_and(|name| name != overruled::FILE));
    files.sort();
    assert!(!files.is_empty(), "{} holds no vectors", folder.display());
    files
}

fn trials(tally: &Tally) -> Vec<Trial> {
    let list = overruled::read();
    let mut trials = Vec::new();
    for path in files() {
        let topic = path.file_stem().unwrap().to_string_lossy().into_owned();
        let mut names = BTreeSet::new();
        let vectors = vectors::read(&path).unwrap_or_else(|e| vec![Err(e)]);
        for (index, vector) in vectors.into_iter().enumerate() {
            let mut name = vector.as_ref().map_or_else(|_| format!("{index}"), |vector| vector.name.clone());
            let mut case = vector.map_or_else(broken, |vector| case(&topic, vector, &list));
            if !names.insert(name.clone()) {
                case = broken(format!("two vectors are called {name}"));
                name = format!("{name}#{index}");
            }
            trials.push(trial(&topic, &name, case, tally));
        }
    }
    trials
}

fn trial(topic: &str, name: &str, case: Case, tally: &Tally) -> Trial {
    let (tally, topic_name) = (tally.clone(), topic.to_owned());
    Trial::ignorable_test(format!("{topic}::{name}"), move || {
        let (ending, why) = case();
        tally.lock().unwrap().entry(topic_name).or_default().push(ending);
        match ending {
            Ending::Passed => Ok(Completion::Completed),
            Ending::Failed => Err(Failed::from(why)),
            Ending::Overruled => Ok(Completion::ignored_with(format!("overruled: {why}"))),
            Ending::Informative => Ok(Completion::ignored_with(format!("informative: {why}"))),
        }
    })
}

fn broken(why: String) -> Case {
    Box::new(move || (Ending::Failed, why))
}

fn case(topic: &str, vector: Vector, list: &[Overruled]) -> Case {
    let Some(topic) = topics::find(topic) else {
        return broken(format!("unknown topic {topic}: the runner must be taught it"));
    };
    let overruled = overruled::reason(list, topic.name, &vector.name);
    Box::new(move || {
        let verdict = match topic.means {
            Means::Nothing(reason) => return (Ending::Informative, reason.to_owned()),
            Means::Check(_) => caught(topic, &vector),
        };
        match (verdict, overruled) {
            (verdict, _) if !topic.binds(&vector) => {
                let shown =
                    verdict.map_or_else(|why| format!("ours differs: {}", one_line(&why)), |()| "as here".into());
                (Ending::Informative, shown)
            }
            (Err(_), Some(reason)) => (Ending::Overruled, reason),
            (Ok(()), Some(_)) => {
                (Ending::Failed, format!("no longer overruled: take it from {}", overruled::FILE))
            }
            (Ok(()), None) => (Ending::Passed, String::new()),
            (Err(why), None) => (Ending::Failed, why),
        }
    })
}

/// A panic is a failure like any other, told where it is known for what.
fn caught(topic: &Topic, vector: &Vector) -> Verdict {
    let Means::Check(check) = topic.means else { return Ok(()) };
    let answer = topic.answer(vector)?;
    catch_unwind(AssertUnwindSafe(|| check(vector, &answer))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text");
        Err(format!("panicked: {text}"))
    })
}

/// The beginning of a text as it fits a line.
fn one_line(text: &str) -> String {
    text.chars().take(160).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn print_table(tally: &BTreeMap<String, Vec<Ending>>) {
    let columns = [
        ("passed", Ending::Passed),
        ("failed", Ending::Failed),
        ("overruled", Ending::Overruled),
        ("informative", Ending::Informative),
    ];
    let row = |name: &str, endings: &[Ending]| {
        let count = |ending: Ending| endings.iter().filter(|found| **found == ending).count();
        let cells: Vec<String> =
            columns.iter().map(|(title, ending)| format!("{:>1$}", count(*ending), title.len() + 2)).collect();
        println!("{name:<22}{}{:>8}", cells.concat(), endings.len());
    };
    let titles: Vec<String> = columns.iter().map(|(title, _)| format!("  {title}")).collect();
    println!("{:<22}{}{:>8}", "topic", titles.concat(), "total");
    for (topic, endings) in tally {
        row(topic, endings);
    }
    row("total", &tally.values().flatten().copied().collect::<Vec<_>>());
}
