//! Reads recorded answers and says which of them binds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use previewbot::domain::yaml;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

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
    #[serde(default)]
    pub(super) input: Value,
    /// What comes out; null is an answer, too.
    #[serde(default, deserialize_with = "given")]
    expected: Option<Value>,
    /// What readers of an env file must find in it.
    #[serde(default)]
    expected_roundtrip: Option<BTreeMap<String, String>>,
    /// It must fail with this kind.
    #[serde(default)]
    error_kind: Option<String>,
    /// Texts that the failure's message must contain, whatever their case.
    #[serde(default)]
    error_contains: Vec<String>,
    /// The full set of problems (validation).
    #[serde(default)]
    expected_errors: Option<Vec<ExpectedError>>,
    /// What later versions answer, where that differs.
    #[serde(default)]
    later: Option<LaterAnswer>,
    /// The original is wrong here and this vector's own answer is the better one.
    #[serde(default)]
    deviation: bool,
    /// The better behaviour in words.
    #[serde(default)]
    requirement: Option<String>,
    #[serde(default, rename = "original")]
    _original: Value,
    #[serde(default, rename = "original_later")]
    _original_later: Value,
    #[serde(default, rename = "note")]
    _note: Value,
}

/// The answer of later versions.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LaterAnswer {
    #[serde(deserialize_with = "given")]
    expected: Option<Value>,
    expected_errors: Option<Vec<ExpectedError>>,
    error_kind: Option<String>,
    error_contains: Vec<String>,
}

fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// One problem that must be found.
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
pub(super) enum Answer {
    /// This result.
    Value(Value),
    /// A failure of this kind whose message contains these texts.
    Failure(ExpectedError),
    /// Exactly these problems.
    Problems(Vec<ExpectedError>),
    /// These variables, for whoever reads the env file.
    Roundtrip(BTreeMap<String, String>),
    /// Only words.
    Requirement(String),
}

impl Vector {
    /// The answer that counts where later versions (or only the seed) are the measure.
    pub(super) fn answer(&self, later_counts: bool) -> Result<Answer, String> {
        let later = self.later.as_ref().filter(|_| later_counts && !self.deviation);
        let later = later.and_then(|later| {
            let problems = later.expected_errors.clone().map(Answer::Problems);
            problems.or_else(|| result(later.expected.as_ref(), later.error_kind.as_ref(), &later.error_contains))
        });
        later.or_else(|| self.own_answer()).ok_or_else(|| "the vector gives no answer".to_owned())
    }

    fn own_answer(&self) -> Option<Answer> {
        let problems = self.expected_errors.clone().map(Answer::Problems);
        problems
            .or_else(|| self.expected_roundtrip.clone().map(Answer::Roundtrip))
            .or_else(|| result(self.expected.as_ref(), self.error_kind.as_ref(), &self.error_contains))
            .or_else(|| self.requirement.clone().map(Answer::Requirement))
    }

    /// A text of the input; empty when it is not there.
    pub(super) fn text(&self, key: &str) -> &str {
        self.input.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// A part of the input; `None` where it is not there or null.
    pub(super) fn part<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let value = self.input.get(key).filter(|value| !value.is_null())?;
        Some(serde_json::from_value(value.clone()).unwrap_or_else(|e| panic!("input.{key}: {e}")))
    }

    /// A part of the input; its default where it is not there or null.
    pub(super) fn part_or_default<T: DeserializeOwned + Default>(&self, key: &str) -> T {
        self.part(key).unwrap_or_default()
    }
}

fn result(expected: Option<&Value>, kind: Option<&String>, contains: &[String]) -> Option<Answer> {
    let failure = kind.map(|kind| ExpectedError { kind: kind.clone(), contains: contains.to_vec() });
    failure.map(Answer::Failure).or_else(|| expected.cloned().map(Answer::Value))
}

impl ExpectedError {
    /// Whether a problem of this kind with this message is the expected one.
    pub(super) fn fits(&self, kind: &str, message: &str) -> bool {
        self.kind == kind && contains_all(message, &self.contains)
    }
}

/// Whether a message contains all texts, whatever their case.
pub(super) fn contains_all(message: &str, texts: &[String]) -> bool {
    let message = message.to_lowercase();
    texts.iter().all(|text| message.contains(&text.to_lowercase()))
}

/// The repository's own copy of the vectors.
pub(super) fn own_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/conformance")
}

/// The vectors of a file; each that is none is told by its place.
pub(super) fn read(path: &Path) -> Result<Vec<Result<Vector, String>>, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let items: Vec<Value> = yaml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    let vector = |item: Value| {
        let name = item.get("name").and_then(Value::as_str).unwrap_or("without a name").to_owned();
        serde_json::from_value(item).map_err(|e| format!("{name}: no vector of the known form: {e}"))
    };
    Ok(items.into_iter().map(vector).collect())
}
