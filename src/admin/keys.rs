//! `/api/v1/tenants/{id}/keys`: keys, issued, rotated and revoked.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::HeaderMap;
use serde_json::Value;

use super::AdminState;
use super::body::{Asker, optional_json_body};
use super::paths::Paths;
use super::problem::Problem;
use super::routes::json;
use super::tenants::id_of;
use crate::control::registry::Refusal;
use crate::types::TimeSpan;

/// How long the name of a key may be, in characters.
const NAME_MAX: usize = 128;
/// How long a key that was rotated can still be used, unless it is told.
const OVERLAP: Duration = Duration::from_secs(86_400);

/// The routes.
pub(super) fn paths() -> Paths {
    Paths::default()
        .get("/tenants/{id}/keys", list)
        .post("/tenants/{id}/keys", issue)
        .post("/tenants/{id}/keys/{key}/rotate", rotate)
        .delete("/tenants/{id}/keys/{key}", revoke)
}

async fn list(
    State(state): State<AdminState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    Ok(json(&state.control.registry().keys(&id_of(id)?).await?))
}

async fn issue(
    State(state): State<AdminState>,
    Asker(actor): Asker,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let id = id_of(id)?;
    let wanted = Wanted::of(optional_json_body(&headers, body)?, &["name", "expires_in"])?;
    let name = wanted.name()?;
    let issued = state.control.registry().issue_key(&id, name, wanted.span("expires_in")?, actor).await?;
    Ok(created(&issued))
}

async fn rotate(
    State(state): State<AdminState>,
    Asker(actor): Asker,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let Path((id, key)) = path.map_err(|_| unknown())?;
    let wanted = Wanted::of(optional_json_body(&headers, body)?, &["overlap", "expires_in"])?;
    let overlap = wanted.span("overlap")?.unwrap_or(OVERLAP);
    let registry = state.control.registry();
    let issued = registry.rotate_key(&id, &key, overlap, wanted.span("expires_in")?, actor).await?;
    Ok(created(&issued))
}

async fn revoke(
    State(state): State<AdminState>,
    Asker(actor): Asker,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Problem> {
    let Path((id, key)) = path.map_err(|_| unknown())?;
    state.control.registry().revoke_key(&id, &key, actor).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What a body says of a key; nothing where there is none.
struct Wanted(serde_json::Map<String, Value>);

impl Wanted {
    fn of(body: Option<Value>, known: &[&str]) -> Result<Self, Problem> {
        match body {
            None => Ok(Self(serde_json::Map::new())),
            Some(Value::Object(members)) if members.keys().all(|key| known.contains(&key.as_str())) => {
                Ok(Self(members))
            }
            Some(_) => Err(bad(&format!("send nothing, or an object with {}", known.join(", ")))),
        }
    }

    fn name(&self) -> Result<&str, Problem> {
        let fits = |name: &&str| name.chars().count() <= NAME_MAX && !name.chars().any(char::is_control);
        match self.0.get("name") {
            None => Ok(""),
            Some(name) => {
                let name = name.as_str().filter(fits);
                name.ok_or_else(|| bad("`name` is a text of up to 128 characters"))
            }
        }
    }

    fn span(&self, name: &str) -> Result<Option<Duration>, Problem> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let span = value.as_str().and_then(|text| text.parse::<TimeSpan>().ok());
        span.map(|span| Some(span.0)).ok_or_else(|| bad(&format!("`{name}` is a duration like 24h or 90d")))
    }
}

/// A key is in the answer, so that nobody may keep it.
fn created(document: &Value) -> Response {
    let mut response = json(document);
    *response.status_mut() = StatusCode::CREATED;
    response
}

fn bad(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_body").detail(detail)
}

fn unknown() -> Problem {
    Refusal::UnknownKey("?".to_owned()).into()
}
