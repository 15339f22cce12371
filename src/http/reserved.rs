//! Names of fields that say whose a request is, in any spelling.

use http::HeaderName;

/// Field names that clients may not use, in any spelling that an application could take for them: CGI,
/// WSGI and Rack read `_` and `-` alike.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reserved {
    /// What the gateway itself says: nobody else may.
    own: Vec<HeaderName>,
    /// What identifies a tenant: only trusted proxies may.
    claims: Vec<HeaderName>,
    /// What has an API key: everybody may, in this spelling.
    keys: Vec<HeaderName>,
}

impl Reserved {
    /// The names that a configuration reserves, besides those that always are.
    #[must_use]
    pub fn new(own: Vec<HeaderName>, claims: Vec<HeaderName>) -> Self {
        Self { own, claims, keys: Vec::new() }
    }

    /// The same, and these have API keys.
    #[must_use]
    pub fn with_keys(self, keys: Vec<HeaderName>) -> Self {
        Self { keys, ..self }
    }

    pub(super) fn is_own(&self, name: &str) -> bool {
        [TENANT, CONTEXT, MIRROR].iter().any(|own| alike(name, own))
            || self.own.iter().any(|own| alike(name, own.as_str()))
    }

    /// Whether an application could take it for an API key that was looked at, and it was not.
    pub(super) fn is_disguised_key(&self, name: &str) -> bool {
        self.keys.iter().any(|key| alike(name, key.as_str()) && name != key.as_str())
    }

    pub(super) fn is_key(&self, name: &str) -> bool {
        self.keys.iter().any(|key| alike(name, key.as_str()))
    }

    pub(super) fn is_claim(&self, name: &str) -> bool {
        self.claims.iter().any(|claim| alike(name, claim.as_str()))
    }
}

/// Whether two names are the same to who takes `_`, or all that is no letter and no digit, for `-`: CGI in some servers has `_` for
/// each of them.
fn alike(a: &str, b: &str) -> bool {
    let dashed = |byte: u8| if byte.is_ascii_alphanumeric() { byte } else { b'-' };
    a.len() == b.len() && a.bytes().zip(b.bytes()).all(|(a, b)| dashed(a) == dashed(b))
}

/// The name under which the signed context goes to the application, reserved from the first day.
const CONTEXT: &str = "x-tollgate-context";
/// What tells a copy of a request from a request.
const MIRROR: &str = "x-tollgate-mirror";
/// The usual tenant header: reserved even when another name is configured.
const TENANT: &str = "x-tenant-id";
