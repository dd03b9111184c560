//! What a request says and what is answered, as plain values.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::Query;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, request};
use axum::response::Response;
use serde_json::{Value, json};

/// A request that was read to its end.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: BTreeMap<String, String>,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Call {
    /// Reads the parts; a body that is no JSON counts as null.
    pub(super) fn new(parts: &request::Parts, body: &[u8]) -> Self {
        Self {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            query: query(&parts.uri),
            headers: parts.headers.clone(),
            body: serde_json::from_slice(body).unwrap_or(Value::Null),
        }
    }

    /// The path's segments, each decoded by itself, so that `preview%2Fpr-1` stays one.
    pub(super) fn segments(&self) -> Vec<String> {
        let path = self.path.strip_prefix("/api/v3").unwrap_or(&self.path);
        path.split('/').filter(|s| !s.is_empty()).map(decode).collect()
    }

    /// A query value.
    pub(super) fn asked(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// A text of the body; missing and null are `None`.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.body.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    /// A yes or no of the body.
    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        self.body.get(name).and_then(Value::as_bool).unwrap_or(default)
    }

    /// A header as text.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

fn query(uri: &Uri) -> BTreeMap<String, String> {
    Query::<BTreeMap<String, String>>::try_from_uri(uri).map(|query| query.0).unwrap_or_default()
}

/// Decodes `%2F` and the like; a broken escape stays as it is.
fn decode(segment: &str) -> String {
    let bytes = segment.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%')
            .then(|| segment.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok()))
            .flatten();
        out.push(escaped.unwrap_or(bytes[at]));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What is answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
    /// Whether nobody expected this request: no such route here.
    pub(super) unexpected: bool,
}

impl Answer {
    /// JSON with a status.
    pub(super) fn json(status: u16, body: &Value) -> Self {
        let body = body.to_string().into_bytes();
        Self {
            status,
            headers: Vec::new(),
            content_type: "application/json; charset=utf-8",
            body,
            unexpected: false,
        }
    }

    /// 200 with JSON.
    pub(super) fn ok(body: &Value) -> Self {
        Self::json(200, body)
    }

    /// 201 with JSON.
    pub(super) fn created(body: &Value) -> Self {
        Self::json(201, body)
    }

    /// 204.
    pub(super) fn none() -> Self {
        Self { body: Vec::new(), ..Self::json(204, &Value::Null) }
    }

    /// Bytes as they are.
    pub(super) fn raw(content_type: &'static str, body: Vec<u8>) -> Self {
        Self { content_type, body, ..Self::json(200, &Value::Null) }
    }

    /// GitHub's way to say no.
    pub(super) fn problem(status: u16, message: &str) -> Self {
        let body = json!({
            "message": message,
            "documentation_url": "https://docs.github.com/rest",
            "status": status.to_string(),
        });
        Self::json(status, &body)
    }

    /// 404.
    pub(super) fn missing() -> Self {
        Self::problem(404, "Not Found")
    }

    /// 422 that names the field.
    pub(super) fn invalid(resource: &str, field: &str, message: &str) -> Self {
        let body = json!({
            "message": "Validation Failed",
            "documentation_url": "https://docs.github.com/rest",
            "status": "422",
            "errors": [{ "resource": resource, "field": field, "code": "custom", "message": message }],
        });
        Self::json(422, &body)
    }

    /// 404 for a route that does not exist here.
    pub(super) fn unexpected() -> Self {
        Self { unexpected: true, ..Self::missing() }
    }

    /// One page of a list, with GitHub's `Link` header; `wrap` puts the items where the endpoint has them.
    pub(super) fn page(
        call: &Call,
        base_url: &str,
        items: Vec<Value>,
        wrap: fn(Vec<Value>, usize) -> Value,
    ) -> Self {
        let number = |name: &str, default: usize| call.asked(name).and_then(|n| n.parse().ok()).unwrap_or(default);
        let size = number("per_page", 30).clamp(1, 100);
        let page = number("page", 1).max(1);
        let total = items.len();
        let shown: Vec<Value> = items.into_iter().skip((page - 1) * size).take(size).collect();
        let mut answer = Self::ok(&wrap(shown, total));
        let last = total.div_ceil(size).max(1);
        let kept = call.query.iter().filter(|(key, _)| *key != "page");
        let rest: Vec<String> = kept.map(|(key, value)| format!("&{key}={value}")).collect();
        let rest = rest.concat();
        let link =
            |to: usize, relation: &str| format!("<{base_url}{}?page={to}{rest}>; rel=\"{relation}\"", call.path);
        let mut links = Vec::new();
        if page > 1 {
            links.extend([link(page - 1, "prev"), link(1, "first")]);
        }
        if page < last {
            links.extend([link(page + 1, "next"), link(last, "last")]);
        }
        if !links.is_empty() {
            answer.headers.push(("link".to_owned(), links.join(", ")));
        }
        answer
    }

    /// A bare list, as most endpoints have it.
    pub(super) fn list(call: &Call, base_url: &str, items: Vec<Value>) -> Self {
        Self::page(call, base_url, items, |shown, _| Value::Array(shown))
    }

    /// As an HTTP response.
    pub(super) fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if self.status != 204 {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        }
        for (name, value) in self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn an_escaped_slash_stays_in_its_segment_and_a_broken_escape_stays_as_it_is() {
        assert_eq!(decode("preview%2Fpr-1"), "preview/pr-1");
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%zz%C3%A9"), "%zzé");
    }
}
