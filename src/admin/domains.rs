//! `/api/v1/tenants/{id}/domains` and `/api/v1/domains`: whose domains are.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::HeaderMap;
use serde_json::Value;

use super::AdminState;
use super::body::{Asker, json_body, optional_json_body};
use super::paths::Paths;
use super::problem::Problem;
use super::routes::json;
use super::tenants::id_of;
use crate::control::registry::{Method, Refusal};

/// The routes.
pub(super) fn paths() -> Paths {
    Paths::default()
        .get("/tenants/{id}/domains", list)
        .post("/tenants/{id}/domains", claim)
        .delete("/tenants/{id}/domains/{domain}", release)
        .post("/tenants/{id}/domains/{domain}/verify", verify)
        .get("/domains/{domain}", whose)
        .post("/domains/{domain}/certificate", order)
}

async fn list(
    State(state): State<AdminState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    Ok(json(&state.control.registry().domains(&id_of(id)?).await?))
}

async fn claim(
    State(state): State<AdminState>,
    Asker(actor): Asker,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let id = id_of(id)?;
    let document = json_body(&headers, body)?;
    let (domain, vouched) = wanted(&document).ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "bad_body").detail(
            r#"say which domain, and whether you vouch for it: {"domain": "www.example.com", "verified": false}"#,
        )
    })?;
    let claimed = state.control.registry().claim_domain(&id, domain, vouched, actor).await?;
    let mut response = json(&claimed);
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

async fn release(
    State(state): State<AdminState>,
    Asker(actor): Asker,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Problem> {
    let Path((id, domain)) = path.map_err(|_| unknown())?;
    state.control.registry().release_domain(&id, &domain, actor).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn verify(
    State(state): State<AdminState>,
    Asker(actor): Asker,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let Path((id, domain)) = path.map_err(|_| unknown())?;
    let document = optional_json_body(&headers, body)?;
    let method = way(document.as_ref()).ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "bad_body")
            .detail(r#"say where to look, or nothing for both: {"method": "dns"} or {"method": "http"}"#)
    })?;
    let verified = state.control.registry().verify_domain(&id, &domain, method, actor).await?;
    Ok(json(&verified))
}

async fn whose(
    State(state): State<AdminState>,
    domain: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(domain) = domain.map_err(|_| unknown())?;
    Ok(json(&state.control.registry().domain(&domain).await?))
}

async fn order(
    State(state): State<AdminState>,
    domain: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(domain) = domain.map_err(|_| unknown())?;
    let mut response = json(&state.control.registry().order_certificate(&domain).await?);
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

/// The domain of a claim, and whether the operator vouches for it.
fn wanted(document: &Value) -> Option<(&str, bool)> {
    let members = document.as_object()?;
    let known = members.keys().all(|key| matches!(key.as_str(), "domain" | "verified"));
    let vouched = match members.get("verified") {
        None => Some(false),
        Some(value) => value.as_bool(),
    };
    members.get("domain").and_then(Value::as_str).zip(vouched).filter(|_| known)
}

/// How a domain is to be verified: `None` in the inside for any way.
fn way(document: Option<&Value>) -> Option<Option<Method>> {
    let Some(document) = document else { return Some(None) };
    let members = document.as_object()?;
    match (members.len(), members.get("method").map(Value::as_str)) {
        (0, _) => Some(None),
        (1, Some(Some("dns"))) => Some(Some(Method::Dns)),
        (1, Some(Some("http"))) => Some(Some(Method::Http)),
        _ => None,
    }
}

fn unknown() -> Problem {
    Refusal::UnknownDomain("?".to_owned()).into()
}
