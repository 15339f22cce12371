//! Cross-origin requests: preflights, which are answered here, and what browsers are told with every other answer.

use std::sync::Arc;

use bytes::Bytes;
use http::header::ORIGIN;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::routing::Cors;

/// What a browser is to be told with the answer.
#[derive(Debug)]
pub(super) struct Told {
    cors: Arc<Cors>,
    origin: Option<HeaderValue>,
}

/// What the browser is to be told that sent these fields; `None`: nothing.
pub(super) fn told(cors: Option<&Arc<Cors>>, fields: &HeaderMap) -> Option<Box<Told>> {
    let cors = Arc::clone(cors?);
    Some(Box::new(Told { cors, origin: fields.get(ORIGIN).cloned() }))
}

impl Told {
    /// Says it.
    pub(super) fn tell(&self, fields: &mut HeaderMap) {
        self.cors.tell(fields, self.origin.as_ref());
    }
}

/// The answer to a preflight with these fields.
pub(super) fn answer(cors: &Cors, fields: &HeaderMap) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.headers_mut() = cors.answer(fields);
    response
}
