//! From plain HTTP to https, where a listener says so, and that browsers stay there.

use bytes::Bytes;
use http::header::{LOCATION, STRICT_TRANSPORT_SECURITY};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response};

use super::rejection::Rejection;
use crate::http::client_addr::Client;
use crate::http::conn::ConnState;
use crate::http::forwarded;
use crate::types::HostName;

/// Tells browsers in Strict-Transport-Security what the listener is to tell them, where it speaks TLS. An application that says
/// something of it itself knows better.
pub(super) fn tell_hsts(conn: &ConnState, fields: &mut HeaderMap) {
    if let Some(hsts) = conn.secured.as_ref().and_then(|secured| secured.hsts.as_ref()) {
        fields.entry(STRICT_TRANSPORT_SECURITY).or_insert_with(|| hsts.clone());
    }
}

/// The answer that leads a client to https, unless it came by that. It is given to tenants' hosts alone: whoever names another is
/// refused before, so nobody is led anywhere else by it.
///
/// # Errors
/// The request names no host, or one that is no tenant's.
pub(super) fn answer(
    conn: &ConnState,
    client: Client,
    head: &Parts,
    host: Option<&HostName>,
    by_host: bool,
) -> Result<Option<Response<Bytes>>, Rejection> {
    let Some(redirect) = conn.https_redirect else { return Ok(None) };
    if forwarded::is_https(&head.headers, client.via_trusted, conn) {
        return Ok(None);
    }
    // A tenant that was found by something else says nothing of the host.
    let host = host.filter(|_| by_host).ok_or(Rejection::UnknownTenant)?.as_str();
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    // `OPTIONS *` asks for the server as a whole.
    let target = if target.starts_with('/') { target } else { "/" };
    let to = match redirect.port {
        443 => format!("https://{host}{target}"),
        port => format!("https://{host}:{port}{target}"),
    };
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = redirect.status;
    let to = HeaderValue::try_from(to).map_err(|_| Rejection::BadPath)?;
    response.headers_mut().insert(LOCATION, to);
    Ok(Some(response))
}
