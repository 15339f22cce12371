//! The admin listener's routes.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::error_handling::HandleErrorLayer;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{Method, StatusCode};
use serde_json::Value;
use tower::ServiceBuilder;
use tower::timeout::TimeoutLayer;

use super::AdminState;
use super::auth::require_token;
use super::body::DOCUMENT_MAX;
use super::paths::Paths;
use super::problem::Problem;
use super::{audit, backup, domains, explain, export, import, keys, openapi, plans, pools, restore, tenants};

/// How long an answer may take: reading a large configuration anew takes seconds.
const ANSWER: Duration = Duration::from_secs(30);

/// How large a request's body may be, in bytes; a tenant's document may be larger.
const BODY_MAX: usize = 64 << 10;

/// The prometheus text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A set of keys (RFC 7517 §8.5.2).
const KEY_SET_TYPE: &str = "application/jwk-set+json";

/// For how long whoever has read the keys needs not read them again; the new one is to be published for longer before it signs.
const KEY_SET_CACHED: &str = "public, max-age=300";

/// All routes.
pub(super) fn router(state: AdminState) -> Router {
    let api = Router::new()
        .merge(bounded(quick().into_router()))
        .merge(streams().into_router().layer(middleware::from_fn(to_the_end)))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(state.clone(), require_token));
    let open = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/.well-known/jwks.json", get(key_set))
        .fallback(not_found);
    bounded(open)
        .nest("/api/v1", api)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(state)
}

/// What is answered in little time; below `/api/v1`.
pub(super) fn quick() -> Paths {
    Paths::default()
        .get("/status", status)
        .post("/reload", reload)
        .and(openapi::paths())
        .and(pools::paths())
        .and(tenants::paths().with_bodies(DOCUMENT_MAX))
        .and(domains::paths())
        .and(keys::paths())
        .and(plans::paths())
        .and(audit::paths())
        .and(explain::paths())
}

/// What takes as long as the client does; below `/api/v1`.
pub(super) fn streams() -> Paths {
    import::paths().and(export::paths()).and(backup::paths()).and(restore::paths())
}

/// What may change something goes on when its client goes away, or no longer waits: between the store's having written and the
/// cache's being told lies an await, and a handler that is dropped there would leave the cache with what was. It ends by its
/// own deadlines; of a body that no longer comes it hears at once.
async fn to_the_end(request: Request, next: Next) -> Result<Response, Problem> {
    if request.method().is_safe() {
        return Ok(next.run(request).await);
    }
    tokio::spawn(next.run(request)).await.map_err(|error| {
        tracing::error!(%error, "a call of the admin API panicked");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error").detail("the log says more")
    })
}

fn bounded(router: Router<AdminState>) -> Router<AdminState> {
    let bounds = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(|_| async { too_slow() }))
        .layer(TimeoutLayer::new(ANSWER));
    router.layer(middleware::from_fn(to_the_end)).layer(bounds)
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

async fn key_set(State(state): State<AdminState>) -> Result<Response, Problem> {
    let detail = "nothing is signed: `identity.signed` is not configured";
    let keys = state
        .control
        .key_set()
        .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "not_found").detail(detail))?;
    Ok(([(CONTENT_TYPE, KEY_SET_TYPE), (CACHE_CONTROL, KEY_SET_CACHED)], keys.to_string()).into_response())
}

async fn status(State(state): State<AdminState>) -> Response {
    json(&state.control.status())
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
