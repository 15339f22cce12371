//! `/api/v1/tenants`: tenants, shown and changed.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{HeaderMap, HeaderValue, LOCATION};
use http::{StatusCode, Uri};
use serde_json::{Value, json};

use super::AdminState;
use super::body::{Asker, json_body, optional_json_body};
use super::paths::Paths;
use super::precondition::{is_known, precondition, tagged};
use super::problem::Problem;
use super::query::{Query, bad_query};
use super::routes::json;
use crate::control::registry::{Change, Listing, Refusal, SourceFilter};
use crate::tenant::SourceFault;
use crate::types::TenantId;

/// How long the reason of a suspension may be, in characters.
const REASON_MAX: usize = 1_000;

/// Filters of tenants, which may all stand in a query once; `label` may stand there more often.
pub(super) const FILTERS: [&str; 5] = ["plan", "state", "domain", "q", "source"];

/// The routes below `/tenants`.
pub(super) fn paths() -> Paths {
    Paths::default()
        .get("/tenants", list)
        .post("/tenants", create)
        .get("/tenants/{id}", show)
        .put("/tenants/{id}", put)
        .patch("/tenants/{id}", patch)
        .delete("/tenants/{id}", delete)
        .post("/tenants/{id}/suspend", suspend)
        .post("/tenants/{id}/resume", resume)
        .get("/tenants/{id}/limits", limits)
}

/// What of tenants a query asks for.
///
/// # Errors
/// The problem: a value that is none.
pub(super) fn listing(query: &Query) -> Result<Listing, Problem> {
    let text = |name: &str| query.text(name).map(str::to_owned);
    let label = |text: &str| {
        let (name, value) = text.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    let labels = query.all("label").map(|text| {
        label(text)
            .ok_or_else(|| bad_query("`label` is a name and a value: label=tier%3Dgold for `tier=gold`"))
    });
    let states = ["active", "suspended", "maintenance", "past_due"].map(|word| (word, word));
    let sources = [("configuration", SourceFilter::Configuration), ("store", SourceFilter::Store)];
    Ok(Listing {
        after: query.parsed("cursor", "what `next_cursor` said", |text| TenantId::parse(text).ok())?,
        limit: query.limit()?,
        plan: text("plan"),
        state: query.word("state", &states)?.map(str::to_owned),
        labels: labels.collect::<Result<_, _>>()?,
        domain: text("domain"),
        text: text("q"),
        source: query.word("source", &sources)?.unwrap_or_default(),
    })
}

/// The id in a path.
pub(super) fn id_of(id: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    id.map(|Path(id)| id).map_err(|_| Refusal::UnknownTenant("?".to_owned()).into())
}

async fn list(State(state): State<AdminState>, uri: Uri) -> Result<Response, Problem> {
    let known: Vec<&str> = ["limit", "cursor"].into_iter().chain(FILTERS).collect();
    let listing = listing(&Query::of(&uri, &known, &["label"])?)?;
    let page = state.control.registry().tenants(&listing).await?;
    let next = page.next.as_ref().map(TenantId::as_str);
    Ok(json(&json!({ "tenants": page.tenants, "next_cursor": next })))
}

async fn create(
    State(state): State<AdminState>,
    Asker(actor): Asker,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let document = json_body(&headers, body)?;
    let change = state.control.registry().create(&document, actor).await?;
    Ok(answer(&change))
}

async fn show(
    State(state): State<AdminState>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let tenant = state.control.registry().tenant(&id_of(id)?).await?;
    let response = match is_known(&headers, tenant.revision) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => json(&tenant.document),
    };
    Ok(tagged(response, tenant.revision))
}

async fn put(
    State(state): State<AdminState>,
    Asker(actor): Asker,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let (id, expected) = (id_of(id)?, precondition(&headers)?);
    let document = json_body(&headers, body)?;
    let change = state.control.registry().put(&id, &document, expected, actor).await?;
    Ok(answer(&change))
}

async fn patch(
    State(state): State<AdminState>,
    Asker(actor): Asker,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let (id, expected) = (id_of(id)?, precondition(&headers)?);
    let document = json_body(&headers, body)?;
    let change = state.control.registry().patch(&id, &document, expected, actor).await?;
    Ok(answer(&change))
}

async fn delete(
    State(state): State<AdminState>,
    Asker(actor): Asker,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (id, expected) = (id_of(id)?, precondition(&headers)?);
    state.control.registry().delete(&id, expected, actor).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn suspend(
    state: State<AdminState>,
    asker: Asker,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    set_state(state, asker, id, headers, body, ("suspended", "tenant.suspend")).await
}

async fn resume(
    state: State<AdminState>,
    asker: Asker,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    set_state(state, asker, id, headers, body, ("active", "tenant.resume")).await
}

async fn set_state(
    State(state): State<AdminState>,
    Asker(actor): Asker,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
    (word, action): (&'static str, &'static str),
) -> Result<Response, Problem> {
    let (id, expected) = (id_of(id)?, precondition(&headers)?);
    let reason = reason(optional_json_body(&headers, body)?)?;
    let registry = state.control.registry();
    let change = registry.set_state(&id, word, action, reason, expected, actor).await?;
    Ok(answer(&change))
}

async fn limits(
    State(state): State<AdminState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let id = id_of(id)?;
    let limits = state.control.tenant_limits(&id).await.map_err(|fault| {
        let code = if fault == SourceFault::Busy { "store_busy" } else { "store_failed" };
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, code).detail(&fault.to_string())
    })?;
    limits.map(|document| json(&document)).ok_or_else(|| Refusal::UnknownTenant(id).into())
}

/// A reason for the audit log, where one is given: nothing, or `{"reason": "…"}`.
fn reason(body: Option<Value>) -> Result<Option<Box<str>>, Problem> {
    let wrong = || {
        Problem::new(StatusCode::BAD_REQUEST, "bad_body")
            .detail(r#"send nothing, or why, in up to 1000 characters: {"reason": "unpaid since May"}"#)
    };
    let Some(body) = body else { return Ok(None) };
    let members = body.as_object().ok_or_else(wrong)?;
    if members.keys().any(|key| key != "reason") {
        return Err(wrong());
    }
    match members.get("reason") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.chars().count() <= REASON_MAX => Ok(Some(text.as_str().into())),
        Some(_) => Err(wrong()),
    }
}

/// The tenant as it is now; one that was made, with its place.
fn answer(change: &Change) -> Response {
    let mut response = json(&change.tenant.document);
    if change.created {
        *response.status_mut() = StatusCode::CREATED;
        let id = change.tenant.document.get("id").and_then(Value::as_str).unwrap_or_default();
        if let Ok(place) = HeaderValue::try_from(format!("/api/v1/tenants/{id}")) {
            response.headers_mut().insert(LOCATION, place);
        }
    }
    tagged(response, change.tenant.revision)
}
