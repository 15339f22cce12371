//! One tenant: shown, made, replaced, changed, deleted.

use serde_json::Value;

use super::documents::{self, Shown, content};
use super::in_force::InForce;
use super::merge_patch::merge;
use super::{Refusal, Registry};
use crate::config::{read_tenant, split_tenant};
use crate::store::{Actor, Expect, Put, TenantContent, Written};
use crate::types::{KeyHash, TenantId};

/// How often a change is decided anew because somebody else was faster.
const TRIES: usize = 3;

/// What a change takes for granted, as the client says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    #[default]
    None,
    /// That the tenant is not there (`If-None-Match: *`).
    Absent,
    /// That it is there (`If-Match: *`).
    Present,
    /// That it is at this revision (`If-Match: "7"`).
    Revision(u64),
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The tenant now.
    pub tenant: Shown,
    /// Whether it was not there before.
    pub created: bool,
}

impl Registry {
    /// A tenant of the configuration, else of the store.
    ///
    /// # Errors
    /// [`Refusal`]: there is none.
    pub async fn tenant(&self, id: &str) -> Result<Shown, Refusal> {
        if let Some(tenant) = self.in_force().tenant(id) {
            return Ok(Shown::configured(tenant));
        }
        let unknown = || Refusal::UnknownTenant(id.to_owned());
        let (key, store) = TenantId::parse(id).ok().zip(self.readable()).ok_or_else(unknown)?;
        store.tenant(key).await?.map(|record| Shown::stored(&record)).ok_or_else(unknown)
    }

    /// Makes a tenant, whose id its document names.
    ///
    /// # Errors
    /// [`Refusal`]: it is not valid, or there is such a tenant already.
    pub async fn create(&self, document: &Value, actor: Actor) -> Result<Change, Refusal> {
        let id = id_in(document)?;
        let put = self.checked(&id, document)?;
        let put = Put { expect: Expect::Absent, actor, action: "tenant.create", ..put };
        self.carry_out(put).await
    }

    /// Makes or replaces a tenant. One that is so already is left at its revision.
    ///
    /// # Errors
    /// [`Refusal`]: it is not valid, or the precondition does not hold.
    pub async fn put(
        &self,
        id: &str,
        document: &Value,
        precondition: Precondition,
        actor: Actor,
    ) -> Result<Change, Refusal> {
        let id = id_of(id)?;
        let put = self.checked(&id, document)?;
        // Only for the audit log's words: what is expected is looked at when it is written.
        let is_there = self.store()?.tenant(id).await?.is_some();
        let action = if is_there { "tenant.update" } else { "tenant.create" };
        let put = Put { expect: precondition.expect(), actor, action, ..put };
        self.carry_out(put).await.map_err(|refusal| precondition.failed(refusal))
    }

    /// Merges a patch (RFC 7396) into a tenant.
    ///
    /// # Errors
    /// [`Refusal`]: there is none, what results is not valid, or the precondition does not hold.
    pub async fn patch(
        &self,
        id: &str,
        patch: &Value,
        precondition: Precondition,
        actor: Actor,
    ) -> Result<Change, Refusal> {
        let change = |registry: &Self, document: Value, _: &TenantContent| {
            let mut document = document;
            merge(&mut document, patch.clone());
            let id = known_id(id)?;
            registry.checked(&id, &document).map(|put| put.content)
        };
        self.change(id, precondition, actor, "tenant.update", None, change).await
    }

    /// Gives a tenant a state: `active`, `suspended`. It is not checked anew: a tenant whose plan is gone can be suspended.
    ///
    /// # Errors
    /// [`Refusal`]: there is none, or the precondition does not hold.
    pub async fn set_state(
        &self,
        id: &str,
        state: &'static str,
        action: &'static str,
        reason: Option<Box<str>>,
        precondition: Precondition,
        actor: Actor,
    ) -> Result<Change, Refusal> {
        let change = |_: &Self, _: Value, now: &TenantContent| {
            Ok(TenantContent { state: state.into(), ..now.clone() })
        };
        self.change(id, precondition, actor, action, reason, change).await
    }

    /// Deletes a tenant with its domains and keys.
    ///
    /// # Errors
    /// [`Refusal`]: there is none, or the precondition does not hold.
    pub async fn delete(&self, id: &str, precondition: Precondition, actor: Actor) -> Result<(), Refusal> {
        let id = known_id(id)?;
        not_configured(&self.in_force(), &id)?;
        let expect = match precondition {
            Precondition::None => Expect::Present,
            other => other.expect(),
        };
        let store = self.store()?;
        let deleted = store.delete(id.clone(), expect, actor).await;
        let refused = |error| precondition.failed(Refusal::of_write(error, &id));
        let record = deleted.map_err(refused)?;
        self.cache.forget(std::slice::from_ref(&record.id), &record.content.domains, &[]);
        Ok(())
    }

    /// Reads, changes and writes a stored tenant, anew where somebody else was faster and nothing else was asked for.
    async fn change(
        &self,
        id: &str,
        precondition: Precondition,
        actor: Actor,
        action: &'static str,
        note: Option<Box<str>>,
        change: impl Fn(&Self, Value, &TenantContent) -> Result<TenantContent, Refusal>,
    ) -> Result<Change, Refusal> {
        let id = known_id(id)?;
        not_configured(&self.in_force(), &id)?;
        let store = self.store()?;
        for _ in 0..TRIES {
            let record = store.tenant(id.clone()).await?;
            let holds = match precondition {
                Precondition::None | Precondition::Present => true,
                Precondition::Absent => record.is_none(),
                Precondition::Revision(revision) => record.as_ref().is_some_and(|r| r.revision == revision),
            };
            let current = record.as_ref().map(|record| record.revision);
            let Some(record) = record.filter(|_| holds) else {
                return Err(match precondition {
                    Precondition::None => Refusal::UnknownTenant(id.to_string()),
                    _ => Refusal::Precondition { current },
                });
            };
            let content = change(self, documents::written_document(&record), &record.content)?;
            let expect = Expect::Revision(record.revision);
            let (actor, note) = (actor.clone(), note.clone());
            let put = Put { id: id.clone(), content, expect, actor, action, note };
            match self.carry_out(put).await {
                Err(Refusal::Precondition { .. }) if !matches!(precondition, Precondition::Revision(_)) => {}
                done => return done,
            }
        }
        Err(Refusal::Contended)
    }

    /// Writes a tenant, and has the cache forget what it was before the answer is given.
    async fn carry_out(&self, put: Put) -> Result<Change, Refusal> {
        let id = put.id.clone();
        let written = self.store()?.put(put).await.map_err(|error| Refusal::of_write(error, &id))?;
        self.forget(std::slice::from_ref(&written), &[]);
        Ok(Change { tenant: Shown::stored(&written.record), created: written.created })
    }

    /// Has the cache forget what was changed, and keys that are back.
    pub(super) fn forget(&self, written: &[Written], keys: &[KeyHash]) {
        let changed = || written.iter().filter(|written| written.changed);
        let ids: Vec<TenantId> = changed().map(|written| written.record.id.clone()).collect();
        let hosts = |written: &Written| {
            let now = written.record.content.domains.iter();
            now.chain(&written.released).cloned().collect::<Vec<_>>()
        };
        let hosts: Vec<Box<str>> = changed().flat_map(hosts).collect();
        if !ids.is_empty() {
            self.cache.forget(&ids, &hosts, keys);
        }
    }

    /// A write of this document, if it is valid and the tenant is not the configuration's. What is expected, and by whom it is
    /// made, is for the caller to fill in.
    fn checked(&self, id: &TenantId, document: &Value) -> Result<Put, Refusal> {
        self.store()?;
        checked(&self.in_force(), id, document)
    }
}

impl Precondition {
    fn expect(self) -> Expect {
        match self {
            Self::None => Expect::Any,
            Self::Absent => Expect::Absent,
            Self::Present => Expect::Present,
            Self::Revision(revision) => Expect::Revision(revision),
        }
    }

    /// A tenant that is not there, or is there, is what a precondition spoke of.
    fn failed(self, refusal: Refusal) -> Refusal {
        match (self, refusal) {
            (Self::Present | Self::Revision(_), Refusal::UnknownTenant(_)) => {
                Refusal::Precondition { current: None }
            }
            (Self::Absent, Refusal::Exists(_)) => Refusal::Precondition { current: None },
            (_, refusal) => refusal,
        }
    }
}

/// As [`Registry::checked`].
pub(super) fn checked(in_force: &InForce, id: &TenantId, document: &Value) -> Result<Put, Refusal> {
    not_configured(in_force, id)?;
    let read = read_tenant(in_force.document(), id, document).map_err(Refusal::Invalid)?;
    let configured =
        read.tenant.domains.iter().find_map(|domain| in_force.owner(domain).map(|owner| (domain, owner)));
    if let Some((domain, owner)) = configured {
        return Err(Refusal::DomainTaken { domain: domain.to_string(), owner: owner.id.clone() });
    }
    Ok(Put {
        id: id.clone(),
        content: content(split_tenant(&read.tenant, document)),
        expect: Expect::Any,
        actor: Actor("token".into()),
        action: "tenant.update",
        note: None,
    })
}

pub(super) fn not_configured(in_force: &InForce, id: &TenantId) -> Result<(), Refusal> {
    match in_force.tenant(id.as_str()) {
        Some(tenant) => Err(Refusal::InConfiguration { id: id.clone(), origin: tenant.origin.to_string() }),
        None => Ok(()),
    }
}

/// The id of a tenant that is to be there. What is no id names none.
pub(super) fn known_id(text: &str) -> Result<TenantId, Refusal> {
    TenantId::parse(text).map_err(|_| Refusal::UnknownTenant(text.to_owned()))
}

/// The id of a tenant that may come to be.
pub(super) fn id_of(text: &str) -> Result<TenantId, Refusal> {
    TenantId::parse(text).map_err(|error| {
        let hint = "1 to 63 lower-case letters, digits and inner '-' make an id";
        Refusal::member("#/id", "invalid-value", format!("`{text}` is no tenant id: {error}"), hint)
    })
}

/// The id that a document names.
pub(super) fn id_in(document: &Value) -> Result<TenantId, Refusal> {
    match document.get("id") {
        Some(Value::String(text)) => id_of(text),
        Some(Value::Null) | None => {
            let message = "the key `id` is missing".to_owned();
            Err(Refusal::member("#", "missing-key", message, "add `\"id\"`: it is the tenant's name"))
        }
        Some(_) => {
            let message = "expected a text".to_owned();
            Err(Refusal::member("#/id", "invalid-type", message, "write it like \"acme\""))
        }
    }
}
