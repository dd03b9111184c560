//! Faults to order: which requests fail, how, how often, and whether the change is made all the same.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;

use super::answer::{Answer, Call};

/// How a request fails.
#[derive(Debug, Clone)]
pub enum FaultKind {
    /// With this status, headers and body.
    Answer {
        /// HTTP status.
        status: u16,
        /// Further headers, `retry-after` for one.
        headers: Vec<(String, String)>,
        /// Body; null gives GitHub's usual error object.
        body: Value,
    },
    /// The connection ends without an answer.
    Drop,
    /// No answer comes until the stand-in shuts down.
    Hang,
    /// The answer is right but comes this late.
    Delay(Duration),
}

/// A fault that waits for the requests it is meant for.
#[derive(Debug, Clone)]
pub struct Fault {
    method: Option<String>,
    path: String,
    skip: u32,
    count: u32,
    after: bool,
    kind: FaultKind,
}

impl Fault {
    /// The next request, whatever it is, fails in this way.
    #[must_use]
    pub fn new(kind: FaultKind) -> Self {
        Self { method: None, path: "*".to_owned(), skip: 0, count: 1, after: false, kind }
    }

    /// The same with a plain status.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::new(FaultKind::Answer { status, headers: Vec::new(), body: Value::Null })
    }

    /// Only for this method and path; `*` in the path stands for anything.
    #[must_use]
    pub fn on(mut self, method: &str, path: &str) -> Self {
        self.method = (method != "*").then(|| method.to_owned());
        path.clone_into(&mut self.path);
        self
    }

    /// A header of the answer.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let FaultKind::Answer { headers, .. } = &mut self.kind {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// So many requests fail; one unless said.
    #[must_use]
    pub const fn times(mut self, count: u32) -> Self {
        self.count = count;
        self
    }

    /// So many matching requests pass first.
    #[must_use]
    pub const fn skipping(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// The change is made, only its answer is lost.
    #[must_use]
    pub const fn after_acting(mut self) -> Self {
        self.after = true;
        self
    }

    fn matches(&self, call: &Call) -> bool {
        let method = self.method.as_deref().is_none_or(|method| call.method.as_str() == method);
        method && matches_pattern(&self.path, &call.path)
    }

    /// Whether the request is to be acted upon before it fails.
    pub(super) const fn acts_first(&self) -> bool {
        self.after || matches!(self.kind, FaultKind::Delay(_))
    }

    /// How it fails.
    pub(super) const fn kind(&self) -> &FaultKind {
        &self.kind
    }
}

/// The answer of a fault that has one.
pub(super) fn answer_of(status: u16, headers: &[(String, String)], body: &Value) -> Answer {
    let mut answer =
        if body.is_null() { Answer::problem(status, "injected fault") } else { Answer::json(status, body) };
    answer.headers = headers.to_vec();
    answer
}

/// Takes the fault that is due for this request out of the queue.
pub(super) fn take(faults: &mut VecDeque<Fault>, call: &Call) -> Option<Fault> {
    let at = faults.iter().position(|fault| fault.matches(call))?;
    let fault = &mut faults[at];
    if fault.skip > 0 {
        fault.skip -= 1;
        return None;
    }
    fault.count = fault.count.saturating_sub(1);
    let taken = fault.clone();
    if taken.count == 0 {
        faults.remove(at);
    }
    Some(taken)
}

/// Whether `text` is what `pattern` says, `*` standing for anything.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(head) else { return false };
    (0..=text.len()).filter(|at| text.is_char_boundary(*at)).any(|at| matches_pattern(rest, &text[at..]))
}

#[cfg(test)]
mod tests {
    use super::matches_pattern;

    #[test]
    fn a_star_stands_for_anything_and_the_rest_for_itself() {
        for (pattern, text, expected) in [
            ("*", "/app", true),
            ("*/comments", "/repos/a/b/issues/1/comments", true),
            ("*/comments", "/repos/a/b/issues/comments/3", false),
            ("/repos/*/check-runs/*", "/repos/a/b/check-runs/7", true),
            ("/app", "/app/installations", false),
        ] {
            assert_eq!(matches_pattern(pattern, text), expected, "{pattern} on {text}");
        }
    }
}
