//! The one place that sends: a request in, its JSON out, every failure as a port error. After a rate limit nothing
//! more leaves for that installation until the time that GitHub named is over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, Method};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use octocrab::Octocrab;
use serde::de::DeserializeOwned;

use super::GithubApp;
use super::auth::Credentials;
use super::errors::Refusal;
use super::transport::JSON;
use crate::domain::change::Repository;
use crate::domain::error::{ErrorKind, PortError, PortResult};
use crate::domain::ports::Clock;

/// Entries that a list answers with at most.
pub(super) const PER_PAGE: usize = 100;
/// Pages that are read of one list at most; GitHub keeps no more than 2,500 comments on one issue.
const MAX_PAGES: usize = 100;
/// Bytes of a JSON answer that are read at most.
const ANSWER_LIMIT: usize = 16 * 1024 * 1024;

/// A request on its way.
pub(super) struct Request {
    method: Method,
    path: String,
    body: Option<serde_json::Value>,
    accept: &'static str,
    limit: usize,
}

impl Request {
    fn new(method: Method, path: String, body: Option<serde_json::Value>) -> Self {
        Self { method, path, body, accept: JSON, limit: ANSWER_LIMIT }
    }

    /// Reads; the path is relative to the API's root and already encoded.
    pub(super) fn get(path: String) -> Self {
        Self::new(Method::GET, path, None)
    }

    /// Makes something.
    pub(super) fn post(path: String, body: serde_json::Value) -> Self {
        Self::new(Method::POST, path, Some(body))
    }

    /// Changes something.
    pub(super) fn patch(path: String, body: serde_json::Value) -> Self {
        Self::new(Method::PATCH, path, Some(body))
    }

    /// Removes something.
    pub(super) fn delete(path: String) -> Self {
        Self::new(Method::DELETE, path, None)
    }

    /// Asks for another media type, of which at most `limit` bytes are read.
    pub(super) fn accepting(self, accept: &'static str, limit: usize) -> Self {
        Self { accept, limit, ..self }
    }

    /// `GET /path`, without the query.
    fn label(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{} {path}", self.method)
    }
}

/// A successful answer.
pub(super) struct Answer {
    /// Its media type, without parameters.
    pub(super) media_type: String,
    /// Its body.
    pub(super) body: Vec<u8>,
}

/// The REST API as the App sees it.
pub(super) struct Api {
    pub(super) credentials: Credentials,
    pub(super) clock: Arc<dyn Clock>,
    /// Until when an installation (0: the App itself) is to be left alone, ms since the epoch.
    quiet_until: Mutex<HashMap<u64, i64>>,
}

impl Api {
    pub(super) fn new(app: &GithubApp, clock: Arc<dyn Clock>) -> PortResult<Self> {
        Ok(Self { credentials: Credentials::new(app)?, clock, quiet_until: Mutex::default() })
    }

    /// The path of a repository: `/repos/acme/shop`.
    pub(super) fn repository_path(repository: &Repository) -> PortResult<String> {
        let name = repository.name.as_str();
        if name.split('/').count() == 2 {
            Ok(format!("/repos/{name}"))
        } else {
            Err(PortError::new(ErrorKind::Invalid, format!("`{name}` is not a GitHub repository: use owner/name")))
        }
    }

    /// Sends as the repository's installation.
    pub(super) async fn send(&self, repository: &Repository, request: Request) -> PortResult<Answer> {
        let installation = self.installation(repository).await?;
        let client = self.credentials.client(installation)?;
        let result = self.exchange(&client, installation, request).await;
        if let Err(Failure::Token(_)) = &result {
            self.credentials.forget(installation);
        }
        result.map_err(Failure::into_error)
    }

    /// Sends as the App itself.
    pub(super) async fn send_as_app(&self, request: Request) -> PortResult<Answer> {
        self.exchange(self.credentials.app(), 0, request).await.map_err(Failure::into_error)
    }

    /// Sends and reads the answer.
    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        repository: &Repository,
        request: Request,
    ) -> PortResult<T> {
        let label = request.label();
        decode(&label, &self.send(repository, request).await?)
    }

    /// Sends as the App itself and reads the answer.
    pub(super) async fn read_as_app<T: DeserializeOwned>(&self, request: Request) -> PortResult<T> {
        let label = request.label();
        decode(&label, &self.send_as_app(request).await?)
    }

    /// All entries of a list, page by page. `entries` takes them out of a page.
    pub(super) async fn all_pages<P: DeserializeOwned, T>(
        &self,
        repository: &Repository,
        path: &str,
        entries: fn(P) -> Vec<T>,
    ) -> PortResult<Vec<T>> {
        let mut all = Vec::new();
        let separator = if path.contains('?') { '&' } else { '?' };
        for page in 1..=MAX_PAGES {
            let request = Request::get(format!("{path}{separator}per_page={PER_PAGE}&page={page}"));
            let found = entries(self.read(repository, request).await?);
            let last = found.len() < PER_PAGE;
            all.extend(found);
            if last {
                break;
            }
        }
        Ok(all)
    }

    async fn exchange(&self, client: &Octocrab, installation: u64, request: Request) -> Result<Answer, Failure> {
        let label = request.label();
        self.respect_quiet(installation, &label)?;
        let result = self.transfer(client, &label, request).await;
        if let Err(Failure::Answer(error) | Failure::Token(error)) = &result
            && let ErrorKind::RateLimited(wait) = error.kind()
        {
            self.keep_quiet(installation, wait);
        }
        result
    }

    async fn transfer(&self, client: &Octocrab, label: &str, request: Request) -> Result<Answer, Failure> {
        let limit = request.limit;
        let builder =
            http::Request::builder().method(request.method).uri(&request.path).header(ACCEPT, request.accept);
        let outgoing = client
            .build_request(builder, request.body.as_ref())
            .map_err(|error| unreachable_forge(ErrorKind::Invalid, label, error))?;
        let response = match client.execute(outgoing).await {
            Ok(response) => response,
            Err(octocrab::Error::GitHub { source, .. }) => return Err(self.token_refused(&source)),
            Err(error) => return Err(unreachable_forge(ErrorKind::Unavailable, label, error).into()),
        };
        let (parts, body) = response.into_parts();
        let body = match Limited::new(body, limit).collect().await {
            Ok(body) => body.to_bytes().to_vec(),
            Err(error) if error.is::<LengthLimitError>() => return Err(too_large(label, limit).into()),
            Err(error) => return Err(unreachable_forge(ErrorKind::Unavailable, label, error).into()),
        };
        if parts.status.is_success() {
            return Ok(Answer { media_type: media_type(&parts.headers), body });
        }
        let status = parts.status.as_u16();
        let now_ms = self.clock.now_ms();
        let refusal = Refusal { request: label, status, headers: &parts.headers, body: &body, now_ms };
        Err(Failure::Answer(refusal.into_error()))
    }

    /// Octocrab asks for an installation token by itself; only that request fails in this shape.
    fn token_refused(&self, error: &octocrab::GitHubError) -> Failure {
        let headers = error.headers.clone().unwrap_or_default();
        let body = serde_json::json!({ "message": error.message }).to_string();
        let status = error.status_code.as_u16();
        if matches!(status, 404 | 410) {
            let message = "the App's installation is gone; it is looked up again";
            return Failure::Token(PortError::new(ErrorKind::Unavailable, message));
        }
        let request = "POST /app/installations/{id}/access_tokens";
        let now_ms = self.clock.now_ms();
        let refusal = Refusal { request, status, headers: &headers, body: body.as_bytes(), now_ms };
        Failure::Answer(refusal.into_error())
    }

    fn respect_quiet(&self, installation: u64, label: &str) -> PortResult<()> {
        let until = self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner).get(&installation).copied();
        let left = until.map_or(0, |until| until - self.clock.now_ms());
        match u64::try_from(left) {
            Ok(left) if left > 0 => Err(PortError::new(
                ErrorKind::RateLimited(Duration::from_millis(left)),
                format!("{label}: not sent, GitHub asked to wait"),
            )),
            _ => Ok(()),
        }
    }

    fn keep_quiet(&self, installation: u64, wait: Duration) {
        let until = self.clock.now_ms() + i64::try_from(wait.as_millis()).unwrap_or(i64::MAX / 2);
        let mut quiet = self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner);
        let known = quiet.entry(installation).or_insert(until);
        *known = until.max(*known);
    }
}

/// Where a request failed: the installation's token was refused because the installation is gone, or anything else.
enum Failure {
    Token(PortError),
    Answer(PortError),
}

impl Failure {
    fn into_error(self) -> PortError {
        match self {
            Self::Token(error) | Self::Answer(error) => error,
        }
    }
}

impl From<PortError> for Failure {
    fn from(error: PortError) -> Self {
        Self::Answer(error)
    }
}

fn unreachable_forge(
    kind: ErrorKind,
    label: &str,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> PortError {
    PortError::with_source(kind, format!("{label}: no answer from GitHub"), error)
}

fn too_large(label: &str, limit: usize) -> PortError {
    PortError::new(ErrorKind::Invalid, format!("{label}: the answer is larger than {limit} bytes"))
}

fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn decode<T: DeserializeOwned>(label: &str, answer: &Answer) -> PortResult<T> {
    serde_json::from_slice(&answer.body).map_err(|error| {
        PortError::with_source(ErrorKind::Unavailable, format!("{label}: GitHub's answer cannot be read"), error)
    })
}
