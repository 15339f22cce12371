//! Routes that lead to several pools.

use http::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use super::pools::CookieName;
use super::text::Text;
use crate::config::decode::Spanned;
use crate::config::document;

/// One of several pools.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Split {
    /// The pool's name, or "{tenant.pool}".
    pub pool: Spanned<String>,
    /// Its part of the sum of all weights; 0: none.
    pub weight: Spanned<u32>,
    /// What keeps going to the same pool. It holds for the whole split, on whichever of its pools it stands. Default: each request goes
    /// to any of them.
    pub sticky: Option<Spanned<Sticky>>,
}

/// What keeps going to the same pool: `tenant`, { cookie: NAME } or { header: NAME }.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Sticky {
    /// All requests of a tenant.
    Tenant,
    /// What has the same value of this cookie. The gateway sets it where there is none.
    Cookie(Text<CookieName>),
    /// What has the same value of this header; without it, all requests of a tenant.
    Header(Text<HeaderName>),
}

impl From<&Sticky> for document::Sticky {
    fn from(written: &Sticky) -> Self {
        match written {
            Sticky::Tenant => Self::Tenant,
            Sticky::Cookie(name) => Self::Cookie(name.0.0.clone()),
            Sticky::Header(name) => Self::Header(name.0.clone()),
        }
    }
}
