//! What applications are told of tenants, as far as it is the same for all of them.

use std::sync::Arc;

use serde_json::json;

use crate::config::{Identity, Signed};
use crate::tenant::Signer;
use crate::time::Clock;
use crate::types::SigningKey;

/// Who signs what they are told: the first of the keys.
pub(super) fn signer(signed: &Signed, clock: &Clock) -> Option<Arc<Signer>> {
    let Signed { header, keys, ttl, issuer, audience } = signed;
    let key = keys.first()?.clone();
    Some(Arc::new(Signer::new(key, header.as_str(), *ttl, issuer, audience.as_deref(), clock.clone())))
}

/// The public keys that tokens are checked with, as a JSON Web Key Set (RFC 7517 §5): all that are believed. `None` where nothing is
/// signed.
pub(super) fn key_set(identity: &Identity) -> Option<Arc<str>> {
    let signed = identity.signed.as_ref()?;
    let keys: Vec<_> = signed.keys.iter().filter_map(SigningKey::public).collect();
    Some(json!({ "keys": keys }).to_string().into())
}
