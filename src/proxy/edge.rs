//! What the gateway answers itself: what routes say (redirects, fixed responses), and how every answer of its own ends.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, Response, StatusCode};

use super::exchange::Exchange;
use super::response::{ResponseBody, name_request};
use super::snapshot::RouteTarget;
use crate::routing::{Facts, Redirect, Route, Target};
use crate::tenant::Tenant;

/// Answers a request that is let in.
pub(super) fn answer_for(
    tenant: &Tenant,
    route: &Route<RouteTarget>,
    mut books: Box<Exchange>,
) -> Response<ResponseBody> {
    books.admit_here();
    let response = said(tenant, route, &books.facts(tenant, route));
    answer(response, books)
}

/// What its route says to a request.
pub(super) fn said(tenant: &Tenant, route: &Route<RouteTarget>, facts: &Facts<'_>) -> Response<Bytes> {
    let mut response = match &route.target {
        Target::Redirect(redirect) => redirected(redirect, facts),
        Target::Respond(respond) => {
            let mut response = Response::new(respond.body.clone());
            *response.status_mut() = respond.status;
            let fields = response.headers_mut();
            if !respond.body.is_empty() {
                fields.insert(CONTENT_TYPE, HeaderValue::from_static(respond.media_type));
            }
            respond.headers.apply(fields, facts);
            response
        }
        // They lead to a pool.
        Target::Tenant | Target::Pool(_) | Target::Split(_) => Response::default(),
    };
    let fields = response.headers_mut();
    tenant.terms.response_headers.iter().for_each(|rules| rules.apply(fields, facts));
    route.response_headers.apply(fields, facts);
    response
}

/// What an authority finds that looks whether a name leads here (RFC 8555 §8.3).
pub(super) fn page_for_authority(page: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::copy_from_slice(page.as_bytes()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response
}

/// An answer of the gateway's own that is no refusal.
pub(super) fn answer(response: Response<Bytes>, mut books: Box<Exchange>) -> Response<ResponseBody> {
    books.answered(response.status().as_u16());
    complete(response, books)
}

/// What every answer of the gateway's own says, and its body, if the client wants one.
pub(super) fn complete(response: Response<Bytes>, books: Box<Exchange>) -> Response<ResponseBody> {
    let (mut head, body) = response.into_parts();
    if let Some(told) = &books.cors {
        told.tell(&mut head.headers);
    }
    name_request(&mut head.headers, &books);
    // RFC 9110 §9.3.2: as for GET, without the body.
    let body = if *books.method() == Method::HEAD && head.status != StatusCode::NOT_MODIFIED {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        Bytes::new()
    } else {
        body
    };
    Response::from_parts(head, ResponseBody::whole(body, books))
}

fn redirected(redirect: &Redirect, facts: &Facts<'_>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    match location(redirect, facts) {
        Some(to) => {
            *response.status_mut() = redirect.status;
            response.headers_mut().insert(LOCATION, to);
        }
        // What was filled in can't stand in a field.
        None => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    response
}

/// Whether a URL's host still is the one that was written, whatever was filled into it: it ends as that does, has no empty label, and
/// no user stands before it.
fn keeps_its_host(written: &str, filled: &[u8]) -> bool {
    let Some((_, written)) = written.split_once("://") else { return true };
    let filled = std::str::from_utf8(filled).ok().and_then(|filled| filled.split_once("://"));
    let Some((_, filled)) = filled else { return false };
    let begins_path = |rest: &str| {
        ["/", "?", "#", "\\", "{path", "{?query", "{query"].iter().any(|end| rest.starts_with(end))
    };
    let end = (0..written.len()).find(|at| written.get(*at..).is_some_and(begins_path));
    let written = written.get(..end.unwrap_or(written.len())).unwrap_or_default();
    let authority = filled.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let tail = written.rsplit('}').next().unwrap_or_default();
    let host = authority.split(':').next().unwrap_or_default();
    authority.ends_with(tail) && host.split('.').all(|label| !label.is_empty()) && !authority.contains('@')
}

/// Where to. A path stays one of this host: two slashes or a backslash would name another (RFC 3986 §4.2, and what browsers
/// make of it).
fn location(redirect: &Redirect, facts: &Facts<'_>) -> Option<HeaderValue> {
    let mut to = facts.fill(&redirect.to);
    if !redirect.to.as_str().starts_with('/') && !keeps_its_host(redirect.to.as_str(), &to) {
        return None;
    }
    if to.first() == Some(&b'/') {
        let slashes = to.iter().take_while(|byte| matches!(byte, b'/' | b'\\')).count();
        to.drain(1..slashes);
    }
    HeaderValue::try_from(to).ok()
}
