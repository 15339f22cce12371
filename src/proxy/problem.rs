//! A refusal as the client receives it: problem details (RFC 9457) and `Proxy-Status` (RFC 9209).

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER, VARY};
use http::{HeaderMap, HeaderValue, Response};
use serde::Serialize;

use super::rejection::Rejection;
use crate::http::names::PROXY_STATUS;

/// The members of the problem document, in the order in which a person reads them.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    feature: Option<&'a str>,
    #[serde(rename = "violated-policies", skip_serializing_if = "Vec::is_empty")]
    violated_policies: Vec<&'a str>,
}

/// The response to a refused request.
#[must_use]
pub(super) fn respond(rejection: &Rejection, tenant: Option<&str>, request_id: &str) -> Response<Bytes> {
    let row = rejection.row();
    let problem = Problem {
        r#type: rejection.problem_type(),
        title: row.title,
        status: row.status.as_u16(),
        detail: &rejection.detail(),
        code: row.code,
        tenant,
        request_id,
        feature: rejection.feature(),
        violated_policies: rejection.violated_policies().iter().map(|name| &**name).collect(),
    };
    // Writing strings and numbers into memory can't fail; an empty body would still be a refusal.
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = row.status;
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    // Another client is given a page.
    fields.insert(VARY, HeaderValue::from_static("Accept"));
    explain(fields, rejection);
    response
}

/// What a refusal says in its head, whatever the client speaks: why, when to try again, and whether to do so elsewhere.
pub(super) fn explain(fields: &mut HeaderMap, rejection: &Rejection) {
    let row = rejection.row();
    let why = match rejection {
        // No error of the hop: the application did answer (RFC 9209 §2.1.4).
        Rejection::Intercepted(status, _) => format!("received-status={}", status.as_u16()),
        _ => format!("error={}", row.proxy_status),
    };
    if let Rejection::Intercepted(_, Some(retry_after)) = rejection {
        fields.insert(RETRY_AFTER, retry_after.clone());
    }
    if let Ok(status) = HeaderValue::try_from(format!("tollgate; {why}; details=\"{}\"", row.code)) {
        fields.insert(PROXY_STATUS.clone(), status);
    }
    if let Some(seconds) = rejection.retry_after_s() {
        fields.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if rejection.closes() {
        fields.insert(CONNECTION, HeaderValue::from_static("close"));
    }
}
