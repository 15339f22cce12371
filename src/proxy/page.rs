//! A refusal as somebody reads it: a page in the look of the tenant.

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response};

use super::problem::explain;
use super::rejection::Rejection;
use crate::brand::{Brand, Page, Refusal};

/// The response to a refused request of a client that would rather have HTML.
#[must_use]
pub(super) fn respond(
    rejection: &Rejection,
    brand: &Brand,
    languages: Option<&HeaderValue>,
    tenant: Option<&str>,
    request_id: &str,
) -> Response<Bytes> {
    let row = rejection.row();
    let detail = rejection.detail();
    let refusal = Refusal {
        status: row.status.as_u16(),
        code: row.code,
        detail: &detail,
        tenant,
        request_id,
        retry_after_s: rejection.retry_after_s(),
    };
    let Page { html, language, policy } = brand.page(&refusal, languages);
    let mut response = Response::new(html);
    *response.status_mut() = row.status;
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    fields.insert(CONTENT_LANGUAGE, language);
    fields.insert(CONTENT_SECURITY_POLICY, policy);
    fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // It has the request's id in it.
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(VARY, HeaderValue::from_static("Accept, Accept-Language"));
    explain(fields, rejection);
    response
}
