//! How an endpoint is chosen.

use http::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::document;
use crate::config::written::text::{FromText, Text};

/// How an endpoint is chosen.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum LoadBalancing {
    /// In turn.
    RoundRobin,
    /// Of two at random, the one with fewer requests in flight.
    LeastRequest,
    /// Of two at random, the one with the lower recent latency times requests in flight.
    PeakEwma,
    /// By a hash of the request: what has the same hash goes to the same endpoint, unless that has far more than its part.
    ConsistentHash(HashKey),
}

/// What a consistent hash is of. A request without it goes where `least_request` sends it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum HashKey {
    /// A header.
    Header(Text<HeaderName>),
    /// A cookie.
    Cookie(Text<CookieName>),
    /// The client's address.
    ClientIp,
    /// The tenant.
    Tenant,
}

/// The name of a cookie.
#[derive(Clone, Debug)]
pub(in crate::config) struct CookieName(pub String);

impl FromText for CookieName {
    const WHAT: &'static str = "the name of a cookie";

    /// A cookie's name is a token (RFC 6265 §4.1.1), as a header's is; but its case counts.
    fn from_text(text: &str) -> Result<Self, String> {
        match HeaderName::from_bytes(text.as_bytes()) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err(format!("`{text}` is no name of a cookie\nwrite the name alone, like session_id")),
        }
    }
}

impl From<&LoadBalancing> for document::LoadBalancing {
    fn from(written: &LoadBalancing) -> Self {
        match written {
            LoadBalancing::RoundRobin => Self::RoundRobin,
            LoadBalancing::LeastRequest => Self::LeastRequest,
            LoadBalancing::PeakEwma => Self::PeakEwma,
            LoadBalancing::ConsistentHash(key) => Self::ConsistentHash(match key {
                HashKey::Header(name) => document::HashKey::Header(name.0.clone()),
                HashKey::Cookie(name) => document::HashKey::Cookie(name.0.0.clone()),
                HashKey::ClientIp => document::HashKey::ClientIp,
                HashKey::Tenant => document::HashKey::Tenant,
            }),
        }
    }
}
