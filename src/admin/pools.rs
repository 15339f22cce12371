//! `/api/v1/pools`: how pools stand, and their endpoints drained.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use super::AdminState;
use super::paths::Paths;
use super::problem::Problem;
use super::routes::json;
use crate::control::EndpointChange;

/// The largest weight, as in the configuration.
const WEIGHT_MAX: u32 = 1000;

/// The routes below `/pools`.
pub(super) fn paths() -> Paths {
    Paths::default()
        .get("/pools", pools)
        .get("/pools/{pool}", pool)
        .post("/pools/{pool}/drain", drain)
        .post("/pools/{pool}/undrain", undrain)
        .post("/pools/{pool}/weight", weight)
}

async fn pools(State(state): State<AdminState>) -> Response {
    json(&state.control.pools())
}

async fn pool(
    State(state): State<AdminState>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    answer(state.control.pool(&name_of(name)?))
}

async fn drain(
    State(state): State<AdminState>,
    name: Result<Path<String>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    change(&state, name, body, |_| Some(EndpointChange::Drain))
}

async fn undrain(
    State(state): State<AdminState>,
    name: Result<Path<String>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    change(&state, name, body, |_| Some(EndpointChange::Undrain))
}

async fn weight(
    State(state): State<AdminState>,
    name: Result<Path<String>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    change(&state, name, body, |document| {
        let weight = document.get("weight").and_then(Value::as_u64)?;
        u32::try_from(weight).ok().filter(|weight| *weight <= WEIGHT_MAX).map(EndpointChange::Weight)
    })
}

fn change(
    state: &AdminState,
    name: Result<Path<String>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
    change: impl FnOnce(&Value) -> Option<EndpointChange>,
) -> Result<Response, Problem> {
    let name = name_of(name)?;
    let body = body.map_err(|rejection| wrong_body(rejection.status()))?;
    let document: Value = serde_json::from_slice(&body).map_err(|_| wrong_body(StatusCode::BAD_REQUEST))?;
    let endpoint = document.get("endpoint").and_then(Value::as_str);
    let endpoint = endpoint.ok_or_else(|| wrong_body(StatusCode::BAD_REQUEST))?;
    let change = change(&document).ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "bad_body")
            .detail(r#"say its weight too, from 0 to 1000: {"endpoint": "127.0.0.1:9001", "weight": 10}"#)
    })?;
    answer(state.control.change_endpoint(&name, endpoint, change))
}

fn name_of(name: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    let unknown =
        |_| Problem::new(StatusCode::NOT_FOUND, "unknown_pool").detail("there is no pool of this name");
    name.map(|Path(name)| name).map_err(unknown)
}

fn wrong_body(status: StatusCode) -> Problem {
    Problem::new(status, "bad_body")
        .detail(r#"say which endpoint, by its name in the pool: {"endpoint": "127.0.0.1:9001"}"#)
}

fn answer(answered: Result<Value, Value>) -> Result<Response, Problem> {
    let refused = |document| Problem::from_document(document, StatusCode::NOT_FOUND, "not_found");
    answered.map(|document| json(&document)).map_err(refused)
}
