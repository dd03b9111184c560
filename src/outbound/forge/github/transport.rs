//! The connection below octocrab. Octocrab signs and refreshes tokens; this service sends what it made, follows no
//! redirect (a credential must not travel, and a redirected write would silently become a read) and repeats nothing.

use std::error::Error as StdError;
use std::time::Duration;

use http::header::{ACCEPT, HeaderValue};
use http_body_util::BodyExt as _;
use octocrab::{AuthState, OctoBody, Octocrab, OctocrabBuilder};

use crate::domain::error::{ErrorKind, PortError, PortResult};

/// What every answer but a raw file is asked for as.
pub(super) const JSON: &str = "application/vnd.github+json";

const API_VERSION: &str = "2022-11-28";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(20);

type BoxError = Box<dyn StdError + Send + Sync>;

/// An octocrab client for this API root and these credentials.
pub(super) fn client(api_url: &str, auth: AuthState) -> PortResult<Octocrab> {
    let base = root(api_url)?;
    let http = reqwest::Client::builder()
        .user_agent(concat!("previewbot/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TOTAL_TIMEOUT)
        .build()
        .map_err(|error| PortError::with_source(ErrorKind::Invalid, "no HTTP client could be made", error))?;
    let service =
        tower::service_fn(move |request: http::Request<OctoBody>| forward(http.clone(), base.clone(), request));
    match OctocrabBuilder::new_empty().with_service(service).with_auth(auth).build() {
        Ok(client) => Ok(client),
        Err(never) => match never {},
    }
}

/// The API's root without a trailing slash.
fn root(api_url: &str) -> PortResult<String> {
    let refused = || {
        PortError::new(
            ErrorKind::Invalid,
            "github.api_url is not an http(s) URL without user, query or fragment: use \
             https://api.github.com or https://<host>/api/v3",
        )
    };
    let url = reqwest::Url::parse(api_url).map_err(|_| refused())?;
    let plain = url.username().is_empty() && url.password().is_none();
    let bare = url.query().is_none() && url.fragment().is_none();
    if !(matches!(url.scheme(), "http" | "https") && url.has_host() && plain && bare) {
        return Err(refused());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

async fn forward(
    client: reqwest::Client,
    base: String,
    request: http::Request<OctoBody>,
) -> Result<http::Response<reqwest::Body>, BoxError> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let url = reqwest::Url::parse(&format!("{base}{path}"))?;
    let mut outgoing = reqwest::Request::new(parts.method, url);
    *outgoing.headers_mut() = parts.headers;
    let headers = outgoing.headers_mut();
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static(JSON));
    headers.entry("x-github-api-version").or_insert(HeaderValue::from_static(API_VERSION));
    let bytes = body.collect().await?.to_bytes();
    if !bytes.is_empty() {
        *outgoing.body_mut() = Some(bytes.into());
    }
    Ok(client.execute(outgoing).await?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_http_url_is_a_root() {
        assert_eq!(root("https://api.github.com/").unwrap(), "https://api.github.com");
        assert_eq!(root("https://ghe.example.com/api/v3").unwrap(), "https://ghe.example.com/api/v3");
        for bad in
            ["", "api.github.com", "ftp://x", "https://user@x", "https://x/?a=1", "https://x/#a", "file:///x"]
        {
            assert!(root(bad).is_err(), "{bad}");
        }
    }
}
