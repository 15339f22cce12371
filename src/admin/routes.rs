//! The admin listener's routes.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::error_handling::HandleErrorLayer;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{Method, StatusCode};
use serde_json::Value;
use tower::ServiceBuilder;
use tower::timeout::TimeoutLayer;

use super::AdminState;
use super::auth::require_token;
use super::pools;
use super::problem::Problem;

/// How long an answer may take: reading a large configuration anew takes seconds.
const ANSWER: Duration = Duration::from_secs(30);

/// How large a request's body may be.
const BODY_MAX: usize = 64 << 10;

/// The prometheus text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All routes.
pub(super) fn router(state: AdminState) -> Router {
    let api = Router::new()
        .route("/status", get(status))
        .route("/tenants/{id}/limits", get(tenant_limits))
        .nest("/pools", pools::router())
        .route("/reload", post(reload))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(state.clone(), require_token));
    let bounds = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(|_| async { too_slow() }))
        .layer(TimeoutLayer::new(ANSWER));
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .nest("/api/v1", api)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(bounds)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(state)
}

async fn livez() -> Response {
    plain(StatusCode::OK, "ok\n".to_owned())
}

async fn readyz(State(state): State<AdminState>) -> Response {
    match state.control.ready() {
        Ok(()) => plain(StatusCode::OK, "ready\n".to_owned()),
        Err(why) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn metrics(State(state): State<AdminState>) -> Response {
    ([(CONTENT_TYPE, METRICS_TYPE)], state.metrics.render()).into_response()
}

async fn status(State(state): State<AdminState>) -> Response {
    json(&state.control.status())
}

async fn tenant_limits(
    State(state): State<AdminState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let unknown =
        || Problem::new(StatusCode::NOT_FOUND, "unknown_tenant").detail("there is no tenant of this id");
    let Path(id) = id.map_err(|_| unknown())?;
    state.control.tenant_limits(&id).map(|document| json(&document)).ok_or_else(unknown)
}

async fn reload(
    State(state): State<AdminState>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    // The request has nothing to say but its method; its body is read so that it stays bounded.
    body.map_err(|rejection| {
        Problem::new(rejection.status(), "bad_body").detail("a reload takes no body, and no large one at all")
    })?;
    match state.control.reload().await {
        Ok(document) => Ok(json(&document)),
        Err(document) => {
            Err(Problem::from_document(document, StatusCode::UNPROCESSABLE_ENTITY, "invalid_config"))
        }
    }
}

async fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found").detail("nothing is served at this path")
}

async fn method_not_allowed(method: Method) -> Problem {
    let detail = format!("{method} can't be used here; `Allow` lists what can");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed").detail(&detail)
}

fn too_slow() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "admin_timeout")
        .detail("the gateway did not come to an answer in time")
}

pub(super) fn json(document: &Value) -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    (headers, document.to_string()).into_response()
}

fn plain(status: StatusCode, text: String) -> Response {
    (status, [(CACHE_CONTROL, "no-store")], text).into_response()
}
