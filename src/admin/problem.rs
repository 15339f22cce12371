//! Errors of the admin listener: problem documents (RFC 9457).

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

/// A problem document on its way to the client.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    members: Map<String, Value>,
    headers: Box<HeaderMap>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &str) -> Self {
        let mut members = Map::new();
        members.insert("code".to_owned(), code.into());
        Self { status, members, headers: Box::default() }
    }

    /// A document that somebody else has written. What it lacks is filled in.
    pub(super) fn from_document(document: Value, status: StatusCode, code: &str) -> Self {
        let members = match document {
            Value::Object(members) => members,
            other => Map::from_iter([("detail".to_owned(), other)]),
        };
        let stated = members.get("status").and_then(Value::as_u64);
        let stated = stated.and_then(|s| StatusCode::from_u16(u16::try_from(s).ok()?).ok());
        let is_error = |status: &StatusCode| status.is_client_error() || status.is_server_error();
        let mut problem = Self::new(stated.filter(is_error).unwrap_or(status), code);
        problem.members.extend(members);
        problem
    }

    pub(super) fn detail(mut self, detail: &str) -> Self {
        self.members.insert("detail".to_owned(), detail.into());
        self
    }

    pub(super) fn member(mut self, name: &str, value: Value) -> Self {
        self.members.insert(name.to_owned(), value);
        self
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, mut members, headers } = self;
        members.insert("status".to_owned(), status.as_u16().into());
        let about = |text: &str| Value::from(text);
        members.entry("type").or_insert_with(|| about("about:blank"));
        members.entry("title").or_insert_with(|| about(status.canonical_reason().unwrap_or("Error")));
        let mut response = Response::new(Body::from(Value::Object(members).to_string()));
        *response.status_mut() = status;
        *response.headers_mut() = *headers;
        let fixed = [(CONTENT_TYPE, "application/problem+json"), (CACHE_CONTROL, "no-store")];
        for (name, value) in fixed {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
