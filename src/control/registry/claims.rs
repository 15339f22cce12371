//! Claims on a domain that nobody owns, as operators are told of them: who, what is awaited, and what is there now.

use serde_json::{Value, json};

use super::documents::time;
use super::domains::shown;
use super::{Refusal, Registry};
use crate::config::Domain;
use crate::control::proof::Challenge;

impl Registry {
    /// Who claims exactly this domain, where it is not a tenant's already. DNS is asked what it has now.
    ///
    /// # Errors
    /// [`Refusal::Store`].
    pub(super) async fn claims_on(&self, domain: &Domain) -> Result<Vec<Value>, Refusal> {
        let Some(store) = self.readable() else { return Ok(Vec::new()) };
        let name = domain.to_string();
        let mut records = store.claims_on(&name).await?;
        records.retain(|record| !record.verified);
        let tokens: Vec<_> =
            records.iter().map(|record| record.token.as_deref().unwrap_or_default()).collect();
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        let seen = self.prover.seen_in_dns(&name, &tokens).await;
        let since_ms = self.claims_since_ms();
        let ttl_ms = jiff::Timestamp::now().as_millisecond().saturating_sub(since_ms);
        let at = Challenge { domain: &name, token: "" }.dns_name();
        let told = records.iter().zip(seen).map(|(record, sign)| {
            let mut document = shown(record, since_ms);
            let Value::Object(members) = &mut document else { return document };
            let is_there = sign.is_none();
            let found = sign.map_or_else(|| "the token is there".to_owned(), |sign| sign.to_string());
            for name in ["domain", "method", "verified_at"] {
                members.remove(name);
            }
            members.insert("tenant".to_owned(), record.tenant.as_str().into());
            members.insert("lapses_at".to_owned(), time(record.created_ms.saturating_add(ttl_ms)));
            members.insert("token_seen".to_owned(), is_there.into());
            members.insert("looked".to_owned(), json!([{ "method": "dns", "at": at, "found": found }]));
            // Nothing looks by itself.
            members.insert("next_try".to_owned(), Value::Null);
            document
        });
        Ok(told.collect())
    }
}
