//! GitHub's refusals in the words of the ports: which kind, how long to wait, what to mend.

use std::time::Duration;

use http::HeaderMap;
use serde::Deserialize;

use super::text::shown;
use crate::domain::error::{ErrorKind, PortError, PortResult};

/// How long to keep quiet when GitHub limits us and does not say how long ("Best practices for using the REST API").
const DEFAULT_WAIT: Duration = Duration::from_mins(1);

/// An answer that is not a success.
pub(super) struct Refusal<'a> {
    /// The request, `GET /repos/acme/shop/pulls/1`.
    pub(super) request: &'a str,
    /// The answer's status.
    pub(super) status: u16,
    /// The answer's headers.
    pub(super) headers: &'a HeaderMap,
    /// The answer's body.
    pub(super) body: &'a [u8],
    /// Now, ms since the epoch.
    pub(super) now_ms: i64,
}

#[derive(Deserialize, Default)]
struct Explanation {
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Vec<serde_json::Value>,
}

impl Refusal<'_> {
    /// The refusal as a port error.
    pub(super) fn into_error(self) -> PortError {
        let said = self.said();
        let request = self.request;
        match self.status {
            300..=399 => PortError::new(
                ErrorKind::Unavailable,
                format!("{request}: the repository was renamed or moved; its next delivery brings the new name"),
            ),
            401 => PortError::new(
                ErrorKind::Denied,
                format!(
                    "{request}: GitHub refused the App's credentials ({said}): check github.app_id and \
                     github.private_key_file"
                ),
            ),
            403 | 429 => self.forbidden(&said),
            404 | 410 => PortError::new(ErrorKind::NotFound, format!("{request}: GitHub has no such thing")),
            409 => PortError::new(ErrorKind::Conflict, format!("{request}: {said}")),
            408 | 500..=599 => {
                PortError::new(ErrorKind::Unavailable, format!("{request}: GitHub answered {}", self.status))
            }
            451 => PortError::new(ErrorKind::Denied, format!("{request}: {said}")),
            status => PortError::new(ErrorKind::Invalid, format!("{request}: GitHub answered {status}: {said}")),
        }
    }

    fn forbidden(&self, said: &str) -> PortError {
        if let Some(wait) = self.wait(said) {
            let message = format!("{}: GitHub asks to wait {} s", self.request, wait.as_secs());
            return PortError::new(ErrorKind::RateLimited(wait), message);
        }
        let message = if said.contains("not accessible by integration") {
            format!("{}: the App lacks a right; give it {} ({said})", self.request, self.missing())
        } else {
            format!("{}: GitHub said no: {said}", self.request)
        };
        PortError::new(ErrorKind::Denied, message)
    }

    /// How long to wait, when this is a limit: `retry-after`, else until `x-ratelimit-reset`, else a minute.
    fn wait(&self, said: &str) -> Option<Duration> {
        if let Some(seconds) = self.number("retry-after") {
            return Some(Duration::from_secs(seconds.max(1)));
        }
        if self.number("x-ratelimit-remaining") == Some(0) {
            let Some(reset) = self.number("x-ratelimit-reset") else { return Some(DEFAULT_WAIT) };
            let now = u64::try_from(self.now_ms).unwrap_or(0).div_euclid(1000);
            return Some(Duration::from_secs(reset.saturating_sub(now).max(1)));
        }
        let said = said.to_ascii_lowercase();
        let limited = said.contains("rate limit") || said.contains("abuse detection");
        (self.status == 429 || limited).then_some(DEFAULT_WAIT)
    }

    fn number(&self, header: &str) -> Option<u64> {
        self.headers.get(header)?.to_str().ok()?.trim().parse().ok()
    }

    /// The permission that GitHub would have accepted: its own word for it, else what the request needs.
    fn missing(&self) -> String {
        let accepted = self.headers.get("x-accepted-github-permissions").and_then(|value| value.to_str().ok());
        if let Some(accepted) = accepted.filter(|text| text.contains('=')) {
            return format!("`{}`", shown(&accepted.replace('=', ": ")));
        }
        let (method, path) = self.request.split_once(' ').unwrap_or(("GET", self.request));
        let level = if method == "GET" { "read" } else { "write" };
        let known = [
            ("/check-", "checks"),
            ("/deployments", "deployments"),
            ("/environments", "administration"),
            ("/contents", "contents"),
            ("/pulls", "pull_requests"),
            ("/issues", "pull_requests"),
        ];
        let name = known.iter().find(|(part, _)| path.contains(part)).map_or("metadata", |(_, name)| name);
        format!("`{name}: {level}`")
    }

    /// GitHub's own words, on one line.
    fn said(&self) -> String {
        let Ok(explanation) = serde_json::from_slice::<Explanation>(self.body) else {
            return format!("status {}", self.status);
        };
        let details = explanation.errors.iter().filter_map(detail).collect::<Vec<_>>().join(", ");
        let text =
            if details.is_empty() { explanation.message } else { format!("{}: {details}", explanation.message) };
        shown(&text)
    }
}

/// One entry of GitHub's `errors`: a text, or an object with `message` or `resource`, `field` and `code`.
fn detail(error: &serde_json::Value) -> Option<String> {
    let field = |name: &str| error.get(name).and_then(serde_json::Value::as_str);
    let plain = error.as_str().or_else(|| field("message")).map(str::to_owned);
    plain.or_else(|| Some(format!("{} {}", field("field")?, field("code")?)))
}

/// Absence as `None`.
pub(super) fn optional<T>(result: PortResult<T>) -> PortResult<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Absence and a missing right are fine: for things that are removed where we may.
pub(super) fn tolerated(result: PortResult<()>) -> PortResult<()> {
    match result {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Denied) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> PortError {
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)))
            .collect();
        let request = "POST /repos/acme/shop/check-runs";
        Refusal { request, status, headers: &headers, body: body.as_bytes(), now_ms: 1_000_000 }.into_error()
    }

    fn kind(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> ErrorKind {
        error(status, headers, body).kind()
    }

    #[test]
    fn a_limit_is_waited_for_as_long_as_github_says() {
        let limited = |seconds| ErrorKind::RateLimited(Duration::from_secs(seconds));
        let secondary = r#"{"message":"You have exceeded a secondary rate limit."}"#;
        assert_eq!(kind(403, &[("retry-after", "17")], secondary), limited(17));
        assert_eq!(kind(429, &[("retry-after", "0")], ""), limited(1));
        let spent = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1090")];
        assert_eq!(kind(403, &spent, "{}"), limited(90));
        let over = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "900")];
        assert_eq!(kind(403, &over, "{}"), limited(1));
        assert_eq!(kind(403, &[("x-ratelimit-remaining", "0")], "{}"), limited(60));
        assert_eq!(kind(403, &[], secondary), limited(60));
        assert_eq!(kind(429, &[], ""), limited(60));
        assert_eq!(kind(403, &[("x-ratelimit-remaining", "4000")], "{}"), ErrorKind::Denied);
    }

    #[test]
    fn a_missing_right_is_named() {
        let body = r#"{"message":"Resource not accessible by integration"}"#;
        let told = error(403, &[("x-accepted-github-permissions", "checks=write")], body).to_string();
        assert!(told.contains("`checks: write`"), "{told}");
        let guessed = error(403, &[], body).to_string();
        assert!(guessed.contains("`checks: write`"), "{guessed}");
    }

    #[test]
    fn every_status_has_its_kind() {
        let table = [
            (301, ErrorKind::Unavailable),
            (400, ErrorKind::Invalid),
            (401, ErrorKind::Denied),
            (404, ErrorKind::NotFound),
            (409, ErrorKind::Conflict),
            (410, ErrorKind::NotFound),
            (422, ErrorKind::Invalid),
            (451, ErrorKind::Denied),
            (500, ErrorKind::Unavailable),
            (502, ErrorKind::Unavailable),
        ];
        for (status, wanted) in table {
            assert_eq!(kind(status, &[], "<html>"), wanted, "{status}");
        }
    }

    #[test]
    fn the_reason_for_refusing_input_is_kept() {
        let body = r#"{"message":"Validation Failed","errors":[{"message":"body is too long"},
            {"resource":"Check","field":"name","code":"missing_field"},"plain"]}"#;
        let text = error(422, &[], body).to_string();
        assert!(text.contains("Validation Failed: body is too long, name missing_field, plain"), "{text}");
    }
}
