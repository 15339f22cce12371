//! The application's paths: a request in, its response out.

use std::sync::Arc;
use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};

use super::Shared;
use super::accept::prefers_html;
use super::body::AppBody;
use super::home;
use super::view::View;

/// The longest that `/slow` waits, in milliseconds.
const SLOW_MS_MAX: u64 = 30_000;
/// The most events of one `/stream`.
const EVENTS_MAX: u16 = 60;
/// The most bytes that `/echo` sends back.
const ECHO_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// The longest that `/echo` takes.
const ECHO_TIME_MAX: Duration = Duration::from_secs(300);
/// The most bytes of a body that other paths read, and count, before they answer.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The longest that they read it.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);

const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

pub(super) async fn answer(shared: &Shared, request: Request<Incoming>) -> Response<AppBody> {
    // The path is borrowed from a cheap, reference-counted copy: the request is moved on.
    let uri = request.uri().clone();
    let query = uri.query();
    match uri.path() {
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/echo" => echo(request),
        "/stream" => stream(shared, number(query, "count").unwrap_or(Some(EVENTS_MAX.into()))),
        "/slow" => match number(query, "ms") {
            Some(Some(ms)) if ms <= SLOW_MS_MAX => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                seen(shared, request, StatusCode::OK).await
            }
            _ => text(StatusCode::BAD_REQUEST, format!("ask for /slow?ms=N, N from 0 to {SLOW_MS_MAX}\n")),
        },
        path => match path.strip_prefix("/status/") {
            None => seen(shared, request, StatusCode::OK).await,
            Some(code) => match code.parse().ok().and_then(final_status) {
                Some(status) => seen(shared, request, status).await,
                None => text(StatusCode::BAD_REQUEST, "ask for /status/NNN, NNN from 200 to 599\n"),
            },
        },
    }
}

/// What this application saw, once the request's body has been read.
async fn seen(shared: &Shared, request: Request<Incoming>, status: StatusCode) -> Response<AppBody> {
    let (parts, body) = request.into_parts();
    let Some(body_bytes) = length(body).await else {
        return text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long, too slow or broken off\n");
    };
    let view = View::new(&shared.identity, &parts, body_bytes);
    // RFC 9110 §15.3.5, §15.3.6, §15.4.5: these have no content.
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED) {
        return respond(status, None, AppBody::whole(""));
    }
    if shared.identity.branded && prefers_html(&parts.headers) {
        let mut response = respond(status, Some(HTML), AppBody::whole(home::page(&view, parts.uri.path())));
        if let Ok(policy) = HeaderValue::from_str(&home::POLICY) {
            response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        }
        response
    } else if prefers_html(&parts.headers) {
        respond(status, Some(HTML), AppBody::whole(view.html()))
    } else {
        respond(status, Some(JSON), AppBody::whole(view.json()))
    }
}

/// How many bytes a body had, unless it broke a bound or broke off.
async fn length(body: Incoming) -> Option<usize> {
    if body.is_end_stream() {
        return Some(0);
    }
    let mut body = Limited::new(body, BODY_BYTES_MAX);
    let count = async {
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            bytes += frame.ok()?.data_ref().map_or(0, |data| data.len());
        }
        Some(bytes)
    };
    tokio::time::timeout(BODY_TIME_MAX, count).await.ok().flatten()
}

fn echo(request: Request<Incoming>) -> Response<AppBody> {
    if !matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH) {
        let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "send a body with POST, PUT or PATCH\n");
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("POST, PUT, PATCH"));
        return refusal;
    }
    let kind = request.headers().get(CONTENT_TYPE).cloned();
    let body = request.into_body();
    if body.size_hint().lower() > ECHO_BYTES_MAX as u64 {
        return text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long\n");
    }
    let mut response = respond(StatusCode::OK, None, AppBody::echo(body, ECHO_BYTES_MAX, ECHO_TIME_MAX));
    let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn stream(shared: &Shared, count: Option<u64>) -> Response<AppBody> {
    let count = count.and_then(|count| u16::try_from(count).ok()).filter(|count| *count <= EVENTS_MAX);
    let Some(count) = count else {
        return text(StatusCode::BAD_REQUEST, format!("ask for at most {EVENTS_MAX} events\n"));
    };
    let Ok(place) = Arc::clone(&shared.streams).try_acquire_owned() else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "too many streams\n");
    };
    let body = AppBody::events(count, shared.identity.name.clone(), place);
    respond(StatusCode::OK, Some("text/event-stream"), body)
}

fn text(status: StatusCode, text: impl Into<bytes::Bytes>) -> Response<AppBody> {
    respond(status, Some(TEXT), AppBody::whole(text))
}

fn respond(status: StatusCode, kind: Option<&'static str>, body: AppBody) -> Response<AppBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    // Each answer tells of one request: none may stand for another.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(kind) = kind {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    response
}

/// A status that can end an exchange: 1xx can't.
fn final_status(code: u16) -> Option<StatusCode> {
    (200..600).contains(&code).then(|| StatusCode::from_u16(code).ok())?
}

/// The number under `key` in a query: `None` without the key, `Some(None)` where it is no number.
fn number(query: Option<&str>, key: &str) -> Option<Option<u64>> {
    let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.into_iter().find(|(name, _)| *name == key)?;
    Some(value.parse().ok())
}
