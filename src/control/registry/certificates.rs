//! The life of a domain's certificate, as operators are told of it, and orders that they want now.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use super::documents::time;
use super::{Refusal, Registry, pages};
use crate::acme::Step;
use crate::certificates::InForce;
use crate::config::Domain;
use crate::store::{NameFound, Store};
use crate::types::TenantId;

/// How long DNS is waited for: it is told beside the rest.
const DNS_MAX: Duration = Duration::from_secs(2);

impl Registry {
    /// How it stands with the certificate of a name that is this tenant's; `None` where none are ordered.
    ///
    /// # Errors
    /// [`Refusal::Store`].
    pub(super) async fn certificate_of(
        &self,
        domain: &Domain,
        tenant: &TenantId,
    ) -> Result<Option<Value>, Refusal> {
        let Some(certificates) = self.certificates.as_ref() else { return Ok(None) };
        let (Some(force), Some(store)) = (certificates.in_force(), self.readable()) else { return Ok(None) };
        let Domain::Exact(name) = domain else {
            let detail = "certificates are ordered for single names, not for wildcards: `tls.certificates` may have one";
            return Ok(Some(json!({ "state": "none", "detail": detail })));
        };
        let found = store.name(name, true).await?;
        let mut document = shown(&force, &found, tenant, certificates.step(name));
        if let Value::Object(members) = &mut document {
            members.insert("dns".to_owned(), self.dns_of(name, &force.terms.addresses).await);
        }
        Ok(Some(document))
    }

    /// Where a name leads, and whether that is here, if it is known what "here" is.
    async fn dns_of(&self, name: &str, own: &[IpAddr]) -> Value {
        let found = timeout(DNS_MAX, self.prover.addresses(name)).await;
        let Ok(Some(addresses)) = found else {
            return json!({ "addresses": [], "leads_here": if own.is_empty() { Value::Null } else { false.into() } });
        };
        let leads_here = (!own.is_empty()).then(|| addresses.iter().any(|address| own.contains(address)));
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        json!({ "addresses": addresses, "leads_here": leads_here })
    }

    /// Has the certificate of a name ordered now, also where it is not time yet; how it stands.
    ///
    /// # Errors
    /// [`Refusal`]: it is nobody's, no certificates are ordered, or not for this one.
    pub async fn order_certificate(&self, text: &str) -> Result<Value, Refusal> {
        let asked = pages::domain(text)?;
        let Domain::Exact(name) = &asked else { return Err(Refusal::NoCertificateFor(text.to_owned())) };
        let certificates = self.certificates.as_ref().ok_or(Refusal::NoAuthority)?;
        certificates.in_force().ok_or(Refusal::NoAuthority)?;
        let store: std::sync::Arc<Store> = self.store()?;
        let owner = match self.in_force().owner(&asked) {
            Some(owner) => owner.id.clone(),
            None => {
                let owned = store.domain(name).await?;
                owned.ok_or_else(|| Refusal::UnknownDomain(text.to_owned()))?.tenant
            }
        };
        if !certificates.order_now(name, owner) {
            return Err(Refusal::TooManyOrders);
        }
        self.domain(text).await
    }
}

fn shown(force: &InForce, found: &NameFound, tenant: &TenantId, step: Option<Step>) -> Value {
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let kept = found.certificate.as_ref().filter(|kept| kept.tenant == *tenant);
    let work = found.work.as_ref();
    let unreadable = kept.and_then(|kept| crate::certificates::unreadable(force, kept));
    let failures = work.map_or(0, |work| work.failures);
    let is_ordered = step.is_some() || work.is_some_and(|work| work.held_until_ms > now_ms);
    let state = match kept {
        Some(_) if unreadable.is_some() => "unreadable",
        Some(kept) if kept.not_after_ms > now_ms => "valid",
        Some(_) => "expired",
        None if is_ordered => "ordering",
        None if work.is_some_and(|work| work.error.is_some()) => "failing",
        None => "waiting",
    };
    let mut document = json!({ "state": state, "failures": failures });
    let Value::Object(members) = &mut document else { return document };
    if let Some(kept) = kept {
        members.insert("issuer".to_owned(), kept.issuer.as_ref().into());
        members.insert("serial".to_owned(), kept.serial.as_ref().into());
        for (name, at_ms) in [
            ("issued_at", kept.issued_ms),
            ("not_before", kept.not_before_ms),
            ("not_after", kept.not_after_ms),
            ("renew_at", kept.renew_ms),
        ] {
            members.insert(name.to_owned(), time(at_ms));
        }
    }
    if let Some(why) = unreadable {
        members.insert("detail".to_owned(), why.into());
    }
    if let Some(step) = step.filter(|_| is_ordered) {
        let (step, challenge) = match step {
            Step::Ordered => ("ordered", None),
            Step::Challenged(challenge) => ("challenged", Some(challenge.name())),
            Step::Issuing => ("issuing", None),
        };
        members.insert("order".to_owned(), json!({ "step": step, "challenge": challenge }));
    }
    if let Some(work) = work {
        if let Some(words) = &work.error {
            let at = work.error_ms.map(time);
            let error = json!({ "kind": work.error_kind, "detail": words, "at": at });
            members.insert("last_error".to_owned(), error);
        }
        members.insert("next_try".to_owned(), time(work.next_ms));
    }
    document
}
