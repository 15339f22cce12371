//! Who may use the control API: whoever has the token.

use std::fmt;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderName, StatusCode};
use subtle::ConstantTimeEq;

use super::AdminState;
use super::problem::Problem;

/// The admin token. It can be compared, but neither printed nor read back.
#[derive(Clone)]
pub struct Token(Box<str>);

impl Token {
    /// A token from a file or the environment, without the white space around it. An empty one is
    /// none: it would let everybody in.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.into()))
    }

    /// Takes the same time wherever the difference lies; only the length can be told from it.
    fn is(&self, presented: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(presented).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Lets a request with the token pass.
pub(super) async fn require_token(
    State(state): State<AdminState>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let Some(token) = &state.token else {
        return Err(Problem::new(StatusCode::FORBIDDEN, "no_admin_token").detail(
            "the API is off because no admin token is configured: write one into a file and name it in \
             `admin.token_file`",
        ));
    };
    match bearer(request.headers()) {
        Some(presented) if token.is(presented) => Ok(next.run(request).await),
        // RFC 6750 §3: no error code where no credentials came.
        None => Err(unauthorized(
            "Bearer realm=\"tollgate\"",
            "send the admin token as `Authorization: Bearer TOKEN`",
        )),
        Some(_) => Err(unauthorized(
            "Bearer realm=\"tollgate\", error=\"invalid_token\"",
            "this is not the admin token",
        )),
    }
}

fn unauthorized(challenge: &'static str, detail: &str) -> Problem {
    const CHALLENGE: HeaderName = WWW_AUTHENTICATE;
    Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated")
        .detail(detail)
        .header(CHALLENGE, HeaderValue::from_static(challenge))
}

/// The one bearer token that a request presents.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (only, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = only.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}
