//! API keys of tenants: issued, rotated, revoked. A key is shown when it is made, and never again.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::documents::time;
use super::random;
use super::tenants::{known_id, not_configured};
use super::{Refusal, Registry};
use crate::store::{Actor, KeyRecord, NewKey, WriteError};
use crate::types::{KeyHash, TenantId};

/// What every key begins with, so that a leaked one is recognised for what it is.
const PREFIX: &str = "tg_";
/// How much of a key its hint shows.
const HINT_CHARS: usize = 8;

impl Registry {
    /// The keys of a tenant, without what they are. Tenants of the configuration have none.
    ///
    /// # Errors
    /// [`Refusal`]: there is no such tenant, or no answer of the store.
    pub async fn keys(&self, id: &str) -> Result<Value, Refusal> {
        self.tenant(id).await?;
        let keys = self.store()?.keys_of(known_id(id)?).await?;
        Ok(json!({ "keys": keys.iter().map(shown).collect::<Vec<_>>() }))
    }

    /// Issues a key to a tenant of the store; it is in the answer.
    ///
    /// # Errors
    /// [`Refusal`]: there is no such tenant in the store.
    pub async fn issue_key(
        &self,
        id: &str,
        name: &str,
        expires_in: Option<Duration>,
        actor: Actor,
    ) -> Result<Value, Refusal> {
        let id = known_id(id)?;
        not_configured(&self.in_force(), &id)?;
        let (key, new) = make(expires_in)?;
        let issued = self.store()?.issue_key(id.clone(), name, new, actor).await;
        let issued = issued.map_err(|error| Refusal::of_write(error, &id))?;
        self.forget_key(&id, &issued);
        Ok(with_key(&issued, &key))
    }

    /// Issues a key in the place of another, which can be used for the overlap; it is in the answer.
    ///
    /// # Errors
    /// [`Refusal`]: the tenant has no such key.
    pub async fn rotate_key(
        &self,
        id: &str,
        key: &str,
        overlap: Duration,
        expires_in: Option<Duration>,
        actor: Actor,
    ) -> Result<Value, Refusal> {
        let id = known_id(id)?;
        let (secret, new) = make(expires_in)?;
        let issued = self.store()?.rotate_key(id.clone(), key, new, overlap, actor).await;
        let issued = issued.map_err(|error| refused(error, key))?;
        self.forget_key(&id, &issued);
        Ok(with_key(&issued, &secret))
    }

    /// Revokes a key of a tenant.
    ///
    /// # Errors
    /// [`Refusal`]: the tenant has no such key.
    pub async fn revoke_key(&self, id: &str, key: &str, actor: Actor) -> Result<(), Refusal> {
        let id = known_id(id)?;
        let revoked = self.store()?.revoke_key(id.clone(), key, actor).await;
        let revoked = revoked.map_err(|error| refused(error, key))?;
        self.forget_key(&id, &revoked);
        Ok(())
    }

    /// A key has come to a tenant, or gone from it, and others of its keys may not be what they were.
    fn forget_key(&self, tenant: &TenantId, key: &KeyRecord) {
        self.cache.forget(std::slice::from_ref(tenant), &[], std::slice::from_ref(&key.hash));
    }
}

/// A key, and what is kept of it.
fn make(expires_in: Option<Duration>) -> Result<(String, NewKey), Refusal> {
    let token = random::token().map_err(|_| Refusal::NoRandomness)?;
    let key = format!("{PREFIX}{token}");
    let expires_ms = expires_in.map(|span| {
        let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Timestamp::now().as_millisecond().saturating_add(span)
    });
    let hint: String = key.chars().take(HINT_CHARS).chain("…".chars()).collect();
    let id = random::id().map_err(|_| Refusal::NoRandomness)?;
    let new =
        NewKey { id: format!("key_{id}").into(), hash: KeyHash::of(&key), hint: hint.into(), expires_ms };
    Ok((key, new))
}

fn refused(error: WriteError, key: &str) -> Refusal {
    match error {
        WriteError::Fault(fault) => Refusal::Store(fault),
        WriteError::TooMany { what, max } => Refusal::TooMany { what, max },
        WriteError::Exists => Refusal::KeyEnded(key.to_owned()),
        _ => Refusal::UnknownKey(key.to_owned()),
    }
}

fn shown(record: &KeyRecord) -> Value {
    let state = match record.has_expired(Timestamp::now().as_millisecond()) {
        true => "expired",
        false if record.replaced_by.is_some() => "replaced",
        false => "active",
    };
    json!({
        "id": record.id,
        "name": record.name,
        "hint": record.hint,
        "created_at": time(record.created_ms),
        "expires_at": record.expires_ms.map(time),
        "replaced_by": record.replaced_by,
        "state": state,
    })
}

fn with_key(record: &KeyRecord, key: &str) -> Value {
    let mut document = shown(record);
    if let Value::Object(members) = &mut document {
        members.insert("key".to_owned(), key.into());
    }
    document
}
