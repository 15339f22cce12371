//! The life of a domain's certificate, as operators are told of it, and orders that they want now.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use super::documents::time;
use super::{Refusal, Registry, pages};
use crate::acme::{Kind, Step};
use crate::certificates::{Forecast, Hindrance, InForce, by_file};
use crate::config::Domain;
use crate::store::NameFound;
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
        let text = domain.to_string();
        if let Some(file) = force.owners.file_for(&text) {
            let mut document = json!({ "state": "file", "file": &*file, "detail": by_file(&file) });
            if let (Domain::Exact(name), Value::Object(members)) = (domain, &mut document) {
                members.insert("dns".to_owned(), self.dns_of(name, &force.terms.addresses).await);
            }
            return Ok(Some(document));
        }
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

    /// Has the certificate of a name ordered now, also where it is not time yet; how it stands, and what will become of it.
    ///
    /// # Errors
    /// [`Refusal`]: it is nobody's, no certificates are ordered, or not for this one now: why.
    pub async fn order_certificate(&self, text: &str) -> Result<Value, Refusal> {
        let asked = pages::domain(text)?;
        let Domain::Exact(name) = &asked else { return Err(Refusal::NoCertificateFor(text.to_owned())) };
        let certificates = self.certificates.as_ref().ok_or(Refusal::NoAuthority)?;
        let force = certificates.in_force().ok_or(Refusal::NoAuthority)?;
        let not = |hindrance: Hindrance| {
            let until = hindrance.until_ms.map(time).unwrap_or_default();
            Refusal::NotOrdered { domain: name.clone(), hindrance, until }
        };
        let (ordered, detail) = match certificates.forecast(&force, name).await? {
            Forecast::Nobodys => {
                // Nobody's at all; or it is claimed alone, or below somebody's wildcard.
                let whose = self.domain(text).await?;
                return Err(match whose.get("state").and_then(Value::as_str) {
                    Some("verified") => Refusal::NoCertificateFor(text.to_owned()),
                    _ => not(unproven(name)),
                });
            }
            Forecast::Not(hindrance) => return Err(not(hindrance)),
            Forecast::UnderWay => {
                ("under_way", format!("an order for the certificate of {name} is under way already"))
            }
            Forecast::Now { tenant, failures, next_ms } => {
                if !certificates.order_now(name, tenant) {
                    return Err(Refusal::TooManyOrders);
                }
                ("now", told_now(name, failures, next_ms))
            }
        };
        let mut document = self.domain(text).await?;
        if let Value::Object(members) = &mut document {
            members.insert("ordered".to_owned(), ordered.into());
            members.insert("detail".to_owned(), detail.into());
        }
        Ok(document)
    }
}

/// Why nothing is ordered for a name that is only claimed.
fn unproven(name: &str) -> Hindrance {
    let words =
        format!("it is claimed, and not proven yet: `tollgate domain status {name}` says what is awaited");
    Hindrance { kind: "not_verified", words, until_ms: None }
}

fn told_now(name: &str, failures: u32, next_ms: Option<i64>) -> String {
    let next = next_ms.map(time).and_then(|at| at.as_str().map(ToOwned::to_owned));
    match (failures, next) {
        (0, _) | (_, None) => format!("the certificate of {name} is ordered"),
        (failures, Some(next)) => {
            let times = if failures == 1 { "one failure".to_owned() } else { format!("{failures} failures") };
            format!("the certificate of {name} is ordered, after {times} and without waiting until {next}")
        }
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
    if let Some(why) = &unreadable {
        members.insert("detail".to_owned(), why.as_str().into());
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
        if let Some(words) = work.error.as_ref().filter(|_| unreadable.is_none()) {
            let at = work.error_ms.map(time);
            let error = json!({ "kind": work.error_kind, "detail": words, "at": at });
            members.insert("last_error".to_owned(), error);
        }
        members.insert("next_try".to_owned(), time(work.next_ms));
    }
    if let Some(why) = unreadable {
        // Of all that may have gone wrong this is what clients see.
        let error = json!({ "kind": Kind::EncryptionKey.name(), "detail": why, "at": null });
        members.insert("last_error".to_owned(), error);
    }
    document
}
