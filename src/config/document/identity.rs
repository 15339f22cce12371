//! What the application is told about a request's tenant.

use std::time::Duration;

use http::HeaderName;

use crate::types::SigningKey;

/// What the application is told about a request's tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The field that carries the tenant's id.
    pub header: HeaderName,
    /// The field that carries its features, if any does.
    pub features_header: Option<HeaderName>,
    /// A signed token about it, if it is to be sent.
    pub signed: Option<Signed>,
}

/// A short-lived signed token about the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The field that carries it.
    pub header: HeaderName,
    /// The first signs, all are published; at least one.
    pub keys: Vec<SigningKey>,
    /// For how long a token is valid.
    pub ttl: Duration,
    /// Who issues it.
    pub issuer: String,
    /// Whom it is for, if that is said.
    pub audience: Option<String>,
}

impl Signed {
    /// How large a tenant's labels may be as JSON, in bytes: they are sent with every request.
    pub const LABELS_MAX: usize = 4 << 10;
}

impl Identity {
    /// Every field that nobody but the gateway may send to the application.
    pub fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        let signed = self.signed.as_ref().map(|signed| &signed.header);
        [&self.header].into_iter().chain(&self.features_header).chain(signed)
    }

    /// Whether every tenant fits the other where it fits this.
    #[must_use]
    pub fn suits_like(&self, other: &Self) -> bool {
        self.headers().eq(other.headers()) && self.signed.is_some() == other.signed.is_some()
    }
}
