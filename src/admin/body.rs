//! What comes with a request: a JSON body, and who sends it.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::FromRequestParts;
use axum::extract::rejection::BytesRejection;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::time::timeout;

use super::problem::Problem;
use crate::store::Actor;

/// How large a tenant's document may be, in bytes; also a line of an import.
pub(super) const DOCUMENT_MAX: usize = 256 << 10;

/// How long the name of an actor may be, in characters.
const ACTOR_MAX: usize = 128;

/// How long the client of a stream may send nothing; as long may the store take for what has come.
pub(super) const STALL: Duration = Duration::from_secs(30);

/// The next piece of a body that is read as it comes; `None` at its end. `aftermath` is told with what went wrong.
///
/// # Errors
/// The problem: it broke off, or nothing came for [`STALL`].
pub(super) async fn next_piece(body: &mut Body, aftermath: &str) -> Result<Option<Bytes>, Problem> {
    loop {
        match timeout(STALL, body.frame()).await {
            Ok(None) => return Ok(None),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Ok(Some(Err(_))) => {
                let broken = Problem::new(StatusCode::BAD_REQUEST, "bad_body");
                return Err(broken.detail(&format!("the body broke off{aftermath}")));
            }
            Err(_) => {
                let late = Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout");
                return Err(late.detail(&format!("nothing came for {} s{aftermath}", STALL.as_secs())));
            }
        }
    }
}

/// A JSON body.
///
/// # Errors
/// The problem: too large, of another type, or no JSON.
pub(super) fn json_body(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Value, Problem> {
    let body = received(body)?;
    is_json(headers)?;
    parsed(&body)
}

/// As [`json_body`], of a request that needs none; `None` where there is none.
pub(super) fn optional_json_body(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Option<Value>, Problem> {
    let body = received(body)?;
    if body.is_empty() {
        return Ok(None);
    }
    is_json(headers)?;
    parsed(&body).map(Some)
}

fn received(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Problem> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large")
            .detail("the document of a tenant has at most 256 KiB"),
        status => Problem::new(status, "bad_body").detail("the body could not be read"),
    })
}

/// A body whose type is not told is taken for JSON.
fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(written) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let essence = written.to_str().ok().and_then(|text| text.split(';').next()).map(str::trim);
    let is_json = |essence: &str| {
        ["application/json", "application/merge-patch+json"]
            .iter()
            .any(|one| essence.eq_ignore_ascii_case(one))
    };
    match essence.is_some_and(is_json) {
        true => Ok(()),
        false => Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json")
            .detail("send JSON, and say so: `Content-Type: application/json`")),
    }
}

fn parsed(body: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, "bad_json").detail(&format!("the body is no JSON: {error}"))
    })
}

/// Who asks: whoever has the token, and the name that goes with it in `X-Tollgate-Actor`.
pub(super) struct Asker(pub Actor);

impl<S: Sync> FromRequestParts<S> for Asker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match parts.headers.get("x-tollgate-actor") {
            None => Ok(Self(Actor("token".into()))),
            Some(value) => {
                let name = name(value).ok_or_else(|| {
                    Problem::new(StatusCode::BAD_REQUEST, "bad_actor")
                        .detail("`X-Tollgate-Actor` is a name of 1 to 128 characters, like alice@laptop")
                })?;
                Ok(Self(Actor(format!("token ({name})").into())))
            }
        }
    }
}

fn name(value: &HeaderValue) -> Option<&str> {
    let name = std::str::from_utf8(value.as_bytes()).ok()?.trim();
    let fits = (1..=ACTOR_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    fits.then_some(name)
}
