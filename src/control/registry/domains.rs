//! Domains of tenants: claimed, given, taken away, asked for.

use serde_json::{Value, json};

use super::documents::time;
use super::random::token;
use super::tenants::{known_id, not_configured};
use super::{Refusal, Registry, pages, verification};
use crate::config::{Domain, Fault, read_domain};
use crate::control::proof::Challenge;
use crate::store::{Actor, Claim, ClaimTerms, DomainRecord, WriteError};
use crate::types::TenantId;

impl Registry {
    /// The domains of a tenant, those that it only claims among them.
    ///
    /// # Errors
    /// [`Refusal`]: there is no such tenant, or no answer of the store.
    pub async fn domains(&self, id: &str) -> Result<Value, Refusal> {
        if let Some(tenant) = self.in_force().tenant(id) {
            let domains = tenant.domains.iter().map(|domain| shown_configured(domain, None));
            return Ok(json!({ "domains": domains.collect::<Vec<_>>() }));
        }
        // Whether there is such a tenant.
        self.tenant(id).await?;
        let domains = self.store()?.domains_of(known_id(id)?).await?;
        let since_ms = self.claims_since_ms();
        Ok(json!({ "domains": domains.iter().map(|domain| shown(domain, since_ms)).collect::<Vec<_>>() }))
    }

    /// Claims a domain for a tenant, or gives it to the tenant where the operator vouches.
    ///
    /// # Errors
    /// [`Refusal`]: it is no domain that the tenant could have, or another's.
    pub async fn claim_domain(
        &self,
        id: &str,
        domain: &str,
        vouched: bool,
        actor: Actor,
    ) -> Result<Value, Refusal> {
        let id = known_id(id)?;
        let in_force = self.in_force();
        not_configured(&in_force, &id)?;
        let store = self.store()?;
        let domain = read_domain(in_force.document(), &id, domain).map_err(|fault| {
            Refusal::InvalidDomain(vec![Fault { pointer: "#/domain".to_owned(), ..fault }])
        })?;
        if let Some(owner) = in_force.owner(&domain) {
            return Err(Refusal::DomainTaken { domain: domain.to_string(), owner: owner.id.clone() });
        }
        if !vouched {
            verification::provable(&domain)?;
        }
        let token = match vouched {
            true => None,
            false => Some(token().map_err(|_| Refusal::NoRandomness)?.into()),
        };
        let max = in_force.document().tenancy.verification.max_claims as usize;
        let terms = ClaimTerms { since_ms: self.claims_since_ms(), max };
        let claim = Claim { tenant: id.clone(), domain: domain.to_string().into(), token, terms, actor };
        let claimed = store.claim_domain(claim).await.map_err(|error| Refusal::of_write(error, &id))?;
        if claimed.verified {
            self.forget_domain(&claimed);
        }
        Ok(shown(&claimed, terms.since_ms))
    }

    /// Takes a domain, or a claim on it, from a tenant.
    ///
    /// # Errors
    /// [`Refusal`]: the tenant has no such domain.
    pub async fn release_domain(&self, id: &str, domain: &str, actor: Actor) -> Result<(), Refusal> {
        let id = known_id(id)?;
        not_configured(&self.in_force(), &id)?;
        let unknown = || Refusal::UnknownDomain(domain.to_owned());
        let name = domain.parse::<Domain>().map_err(|_| unknown())?.to_string();
        let released = self.store()?.release_domain(id.clone(), &name, actor).await;
        let released = released.map_err(|error| match error {
            WriteError::Absent => unknown(),
            error => Refusal::of_write(error, &id),
        })?;
        self.forget_domain(&released);
        Ok(())
    }

    /// Whose a domain is: exactly this one, else the longest wildcard above it. Where exactly this one is nobody's, also who claims it,
    /// and what is awaited.
    ///
    /// # Errors
    /// [`Refusal`]: nobody's, and nobody claims it.
    pub async fn domain(&self, text: &str) -> Result<Value, Refusal> {
        let asked = pages::domain(text)?;
        let owned = self.owned(&asked).await?;
        if let Some((_, document)) = owned.as_ref().filter(|(domain, _)| *domain == asked) {
            return Ok(document.clone());
        }
        let claims = self.claims_on(&asked).await?;
        let document = match (owned, claims.is_empty()) {
            (owned, true) => owned.map(|(_, document)| document),
            (Some((_, mut document)), false) => {
                if let Value::Object(members) = &mut document {
                    members.insert("claims".to_owned(), claims.into());
                }
                Some(document)
            }
            (None, false) => {
                let waits = |claim: &Value| claim.get("state").is_some_and(|state| state == "pending");
                let state = if claims.iter().any(waits) { "pending" } else { "lapsed" };
                let domain = asked.to_string();
                Some(
                    json!({ "domain": domain, "state": state, "method": null, "tenant": null, "claims": claims }),
                )
            }
        };
        document.ok_or_else(|| Refusal::UnknownDomain(text.to_owned()))
    }

    /// The domain that is somebody's, exactly this one or the longest wildcard above it, as it is told.
    async fn owned(&self, asked: &Domain) -> Result<Option<(Domain, Value)>, Refusal> {
        let in_force = self.in_force();
        let store = self.readable();
        for domain in at_and_above(asked.clone()) {
            if let Some(owner) = in_force.owner(&domain) {
                let mut document = shown_configured(&domain, Some(&owner.id));
                self.add_certificate(&mut document, &domain, &owner.id).await?;
                return Ok(Some((domain, document)));
            }
            if let Some(store) = &store
                && let Some(record) = store.domain(&domain.to_string()).await?
            {
                let mut document = shown(&record, i64::MIN);
                if let Value::Object(members) = &mut document {
                    members.insert("tenant".to_owned(), record.tenant.as_str().into());
                }
                self.add_certificate(&mut document, &domain, &record.tenant).await?;
                return Ok(Some((domain, document)));
            }
        }
        Ok(None)
    }

    async fn add_certificate(
        &self,
        document: &mut Value,
        domain: &Domain,
        tenant: &TenantId,
    ) -> Result<(), Refusal> {
        let certificate = self.certificate_of(domain, tenant).await?;
        if let (Some(certificate), Value::Object(members)) = (certificate, document) {
            members.insert("certificate".to_owned(), certificate);
        }
        Ok(())
    }

    /// A domain has come to a tenant, or gone from it.
    pub(super) fn forget_domain(&self, domain: &DomainRecord) {
        self.cache.forget(std::slice::from_ref(&domain.tenant), std::slice::from_ref(&domain.name), &[]);
    }
}

/// A domain, and the wildcards that it is below, the longest first. There are no more labels than a host may have.
fn at_and_above(domain: Domain) -> Vec<Domain> {
    let name = match &domain {
        Domain::Exact(name) | Domain::Wildcard(name) => name.clone(),
    };
    let mut domains = vec![domain];
    let mut below = name.as_str();
    while let Some((_, parent)) = below.split_once('.') {
        if parent.contains('.') {
            domains.push(Domain::Wildcard(parent.to_owned()));
        }
        below = parent;
    }
    domains
}

fn shown_configured(domain: &Domain, owner: Option<&TenantId>) -> Value {
    let mut document =
        json!({ "domain": domain.to_string(), "state": "verified", "method": "configuration" });
    if let (Some(owner), Value::Object(members)) = (owner, &mut document) {
        members.insert("tenant".to_owned(), owner.as_str().into());
    }
    document
}

/// A domain as it is told; what was claimed before `since_ms` has lapsed.
pub(super) fn shown(record: &DomainRecord, since_ms: i64) -> Value {
    let has_lapsed = !record.verified && record.created_ms < since_ms;
    let state = match record.verified {
        true => "verified",
        false if has_lapsed => "lapsed",
        false => "pending",
    };
    let mut document = json!({
        "domain": record.name,
        "state": state,
        "method": record.method,
        "created_at": time(record.created_ms),
        "verified_at": record.verified_ms.map(time),
    });
    let token = record.token.as_deref().filter(|_| !has_lapsed);
    if let (Some(token), Value::Object(members)) = (token, &mut document) {
        members.insert("challenge".to_owned(), Challenge { domain: &record.name, token }.to_json());
    }
    document
}
