//! Reads the recorded answers in `fixtures/conformance/` and says which of them binds.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use previewbot::domain::yaml;
use serde::Deserialize;
use serde_json::Value;

/// Topics that are held to what later versions answer.
const LATER_BINDS: [&str; 22] = [
    "config_parse",
    "overlay_merge",
    "validate",
    "compose_parse",
    "templates",
    "toposort",
    "ports",
    "compose_project_name",
    "sanitize",
    "env_file",
    "manifest",
    "resolve_cwd",
    "hook_outputs",
    "state_file",
    "dotenv_load",
    "status_markdown",
    "error_pages",
    "compose_generate",
    "nginx_generate",
    "propagate",
    "compose_ps",
    "compute_access_local",
];

/// Topics that are held to the seed's answer, for vectors of the seed.
const SEED_BINDS: [&str; 4] = ["step_engine", "step_order", "invalidate_steps", "lifecycle"];

/// One recorded case.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vector {
    /// Unique within its topic.
    pub(super) name: String,
    /// `seed` or `later`.
    pub(super) since: String,
    /// Which operation, in topics with several.
    #[serde(default)]
    pub(super) op: Option<String>,
    /// What goes in; shaped as the topic says.
    pub(super) input: Value,
    /// What comes out.
    #[serde(default)]
    pub(super) expected: Option<Value>,
    #[serde(default, rename = "expected_roundtrip")]
    _expected_roundtrip: Option<Value>,
    /// It must fail with this kind.
    #[serde(default)]
    pub(super) error_kind: Option<String>,
    /// Texts that the failure's message must contain, whatever their case.
    #[serde(default)]
    pub(super) error_contains: Vec<String>,
    /// The full set of problems (validation).
    #[serde(default)]
    pub(super) expected_errors: Option<Vec<ExpectedError>>,
    /// What later versions answer, where that differs.
    #[serde(default)]
    pub(super) later: Option<LaterAnswer>,
    /// The original is wrong here and this vector's own answer is the better one.
    #[serde(default)]
    pub(super) deviation: bool,
    /// The better behaviour in words.
    #[serde(default)]
    pub(super) requirement: Option<String>,
    #[serde(default, rename = "original")]
    _original: Value,
    #[serde(default, rename = "original_later")]
    _original_later: Value,
    #[serde(default, rename = "note")]
    _note: Option<String>,
}

/// The answer of later versions.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct LaterAnswer {
    /// What comes out.
    pub(super) expected: Option<Value>,
    /// It must fail with this kind.
    pub(super) error_kind: Option<String>,
    /// Texts that the failure's message must contain.
    pub(super) error_contains: Vec<String>,
}

/// One problem that validation must find.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct ExpectedError {
    /// Kind of the spec.
    pub(super) kind: String,
    /// Texts that its message must contain.
    #[serde(default)]
    pub(super) contains: Vec<String>,
}

/// The answer that a vector is held to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Binding {
    /// This result.
    Value(Value),
    /// A failure of this kind whose message contains these texts.
    Failure(ExpectedError),
    /// Exactly these problems.
    Problems(Vec<ExpectedError>),
    /// Only words; the test decides by the vector's name.
    Requirement(String),
    /// Nothing: for information only.
    Informative,
}

impl Vector {
    /// Which answer binds for this vector of `topic`.
    pub(super) fn binding(&self, topic: &str) -> Binding {
        let later_binds = LATER_BINDS.contains(&topic);
        let seed_binds = SEED_BINDS.contains(&topic) && self.since == "seed";
        match &self.later {
            Some(later) if later_binds && !self.deviation => {
                answer(later.expected.as_ref(), later.error_kind.as_ref(), &later.error_contains)
                    .unwrap_or_else(|| self.own_answer())
            }
            _ if later_binds || seed_binds => self.own_answer(),
            _ => Binding::Informative,
        }
    }

    fn own_answer(&self) -> Binding {
        if let Some(problems) = &self.expected_errors {
            return Binding::Problems(problems.clone());
        }
        answer(self.expected.as_ref(), self.error_kind.as_ref(), &self.error_contains)
            .or_else(|| self.requirement.clone().map(Binding::Requirement))
            .unwrap_or(Binding::Informative)
    }

    /// A text of the input; empty when it is not there.
    pub(super) fn text(&self, key: &str) -> &str {
        self.input.get(key).and_then(Value::as_str).unwrap_or_default()
    }
}

fn answer(expected: Option<&Value>, kind: Option<&String>, contains: &[String]) -> Option<Binding> {
    let failure = kind.map(|kind| ExpectedError { kind: kind.clone(), contains: contains.to_vec() });
    failure.map(Binding::Failure).or_else(|| expected.cloned().map(Binding::Value))
}

impl ExpectedError {
    /// Whether a problem of this kind with this message is the expected one.
    pub(super) fn fits(&self, kind: &str, message: &str) -> bool {
        self.kind == kind && self.message_fits(message)
    }

    /// Whether the message contains the texts, for parts that know no kinds.
    pub(super) fn message_fits(&self, message: &str) -> bool {
        let message = message.to_lowercase();
        self.contains.iter().all(|text| message.contains(&text.to_lowercase()))
    }
}

/// The vectors of a topic, from `$CONFORMANCE_DIR` or the repository's own copy.
pub(super) fn load(topic: &str) -> Vec<Vector> {
    let folder = std::env::var_os("CONFORMANCE_DIR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/conformance")),
        PathBuf::from,
    );
    let path = folder.join(format!("{topic}.yaml"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    yaml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Runs every binding vector of a topic as a case of its own; all failures are shown before the test fails.
pub(super) fn check_topic(topic: &str, check: impl Fn(&Vector, &Binding) -> Result<(), String>) {
    let vectors = load(topic);
    let mut names = BTreeSet::new();
    let mut failures = Vec::new();
    let mut checked = 0;
    for vector in &vectors {
        assert!(names.insert(&vector.name), "{topic}: two vectors are called {}", vector.name);
        let binding = vector.binding(topic);
        if binding == Binding::Informative {
            println!("{topic}/{} ... informative", vector.name);
            continue;
        }
        checked += 1;
        let outcome = catch_unwind(AssertUnwindSafe(|| check(vector, &binding)))
            .unwrap_or_else(|_| Err("panicked, see above".to_owned()));
        println!("{topic}/{} ... {}", vector.name, if outcome.is_ok() { "ok" } else { "FAILED" });
        failures.extend(outcome.err().map(|reason| format!("{topic}/{}: {reason}", vector.name)));
    }
    assert!(checked > 0, "{topic}: no vector binds");
    assert!(failures.is_empty(), "{} of {checked} failed:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_topic_can_be_read_and_each_answer_has_its_rank() {
    for topic in LATER_BINDS.iter().chain(&SEED_BINDS) {
        let binding = load(topic).iter().filter(|vector| vector.binding(topic) != Binding::Informative).count();
        assert!(binding > 0, "{topic}: no vector binds");
    }
    let vector = |name: &str| load("overlay_merge").into_iter().find(|v| v.name == name).unwrap();
    let later = vector("overlay_service_partial");
    assert_eq!(later.binding("overlay_merge"), Binding::Value(later.later.clone().unwrap().expected.unwrap()));
    let deviation = vector("overlay_service_new_without_path").binding("overlay_merge");
    assert!(matches!(deviation, Binding::Failure(e) if e.kind == "service_missing_path"), "own answer");
    assert_eq!(later.binding("shell_quote"), Binding::Informative);
}

/// Compares a result with the answer that binds; `Err` says both.
pub(super) fn compare(binding: &Binding, result: Result<Value, (&str, String)>) -> Result<(), String> {
    match (binding, result) {
        (Binding::Value(expected), Ok(value)) if *expected == value => Ok(()),
        (Binding::Failure(expected), Err((kind, message))) if expected.fits(kind, &message) => Ok(()),
        (_, result) => Err(format!("expected {binding:?}, got {result:?}")),
    }
}
