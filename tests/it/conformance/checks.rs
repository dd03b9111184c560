//! Holding a result to the answer that counts.

use serde::Serialize;
use serde_json::Value;

use super::vectors::Answer;

/// What a check says: nothing, or why the answer is another.
pub(super) type Verdict = Result<(), String>;

/// What the core did: a result, or a failure with its kind and message.
pub(super) type Outcome = Result<Value, (&'static str, String)>;

pub(super) fn json(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

/// Passes where `holds`; says `what` otherwise.
pub(super) fn ensure(holds: bool, what: impl Into<String>) -> Verdict {
    if holds { Ok(()) } else { Err(what.into()) }
}

/// Compares; an answer in words is left to `words`, which is given them and the outcome.
pub(super) fn compare(
    answer: &Answer,
    outcome: Outcome,
    words: impl FnOnce(&str, &Outcome) -> Verdict,
) -> Verdict {
    match (answer, outcome) {
        (Answer::Value(expected), Ok(value)) if same(expected, &value) => Ok(()),
        (Answer::Failure(expected), Err((kind, message))) if expected.fits(kind, &message) => Ok(()),
        (Answer::Requirement(requirement), outcome) => {
            words(requirement, &outcome).map_err(|why| format!("{requirement:?}: {why}"))
        }
        (_, outcome) => Err(format!("expected {answer:?}, got {outcome:?}")),
    }
}

/// Numbers are compared by value: YAML and JSON may hold `1` and `1.0` apart.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let equal = |(key, left): (&String, &Value)| right.get(key).is_some_and(|right| same(left, right));
            left.len() == right.len() && left.iter().all(equal)
        }
        _ => left == right,
    }
}

/// For topics whose words can say no more than "it must not fall over": whatever came out is told in full.
pub(super) fn told(_words: &str, outcome: &Outcome) -> Verdict {
    match outcome {
        Err((kind, message)) => ensure(!message.is_empty(), format!("{kind} says nothing")),
        Ok(_) => Ok(()),
    }
}

pub(super) fn unknown_operation(op: Option<&str>) -> Verdict {
    Err(format!("unknown operation {op:?}: the runner must be taught it"))
}

/// Whether a text is a label of a host name.
pub(super) fn is_dns_label(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(legal) && !text.starts_with('-') && !text.ends_with('-')
}
