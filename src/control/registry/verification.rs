//! Claims of domains become the tenants' own once that is proven.

use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::Value;

use super::domains::shown;
use super::tenants::{known_id, not_configured};
use super::{Method, Refusal, Registry};
use crate::config::{Domain, Fault, read_domain};
use crate::control::proof::{Challenge, Unproven};
use crate::store::{Actor, WriteError};

impl Registry {
    /// Looks for the proof that a domain is the tenant's that claims it, in one way or in both, and gives it to the tenant
    /// where there is one. One that is the tenant's already is left as it is.
    ///
    /// # Errors
    /// [`Refusal`]: `NotVerified` says what was found instead; the domain is another's; there is no such claim, or it has lapsed.
    pub async fn verify_domain(
        &self,
        id: &str,
        domain: &str,
        method: Option<Method>,
        actor: Actor,
    ) -> Result<Value, Refusal> {
        let id = known_id(id)?;
        let in_force = self.in_force();
        not_configured(&in_force, &id)?;
        let store = self.store()?;
        let unknown = || Refusal::UnknownDomain(domain.to_owned());
        let domain = domain.parse::<Domain>().map_err(|_| unknown())?;
        let name = domain.to_string();
        let since_ms = self.claims_since_ms();
        let Some(claim) = store.domain_of(id.clone(), &name).await? else {
            // Whether there is such a tenant.
            self.tenant(id.as_str()).await?;
            return Err(unknown());
        };
        if claim.verified {
            return Ok(shown(&claim, since_ms));
        }
        // Nobody is asked for what could not be the tenant's: a reload may have given it to others.
        read_domain(in_force.document(), &id, &name).map_err(invalid)?;
        let configured = in_force.owner(&domain).map(|owner| owner.id.clone());
        let owner = match configured {
            Some(owner) => Some(owner),
            None => store.domain(&name).await?.map(|owned| owned.tenant),
        };
        if let Some(owner) = owner {
            return Err(Refusal::DomainTaken { domain: name, owner });
        }
        let token = claim.token.filter(|_| claim.created_ms >= since_ms);
        let token = token.ok_or_else(|| Refusal::ClaimLapsed(name.clone()))?;
        if method == Some(Method::Http) && matches!(domain, Domain::Wildcard(_)) {
            return Err(of_dns_alone());
        }
        let challenge = Challenge { domain: &name, token: &token };
        let allow = &in_force.document().tenancy.verification.allow;
        let found = self.prover.prove(&challenge, method, allow).await.map_err(|why| match why {
            Unproven::NotFound(looks) => {
                Refusal::NotVerified { domain: name.clone(), looks, challenge: challenge.to_json() }
            }
            Unproven::Busy => Refusal::TooManyProofs,
            Unproven::NoResolver => Refusal::NoResolver,
        })?;
        let verified = store.verify_domain(id.clone(), &name, found.as_str(), actor).await;
        let verified = verified.map_err(|error| match error {
            WriteError::Absent => unknown(),
            error => Refusal::of_write(error, &id),
        })?;
        self.forget_domain(&verified);
        Ok(shown(&verified, since_ms))
    }

    /// Claims that were made before this have lapsed, in milliseconds since 1970.
    pub(super) fn claims_since_ms(&self) -> i64 {
        let ttl = self.in_force().document().tenancy.verification.claim_ttl;
        let ttl_ms = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        Timestamp::now().as_millisecond().saturating_sub(ttl_ms)
    }
}

/// Whether anybody could show that a domain is a tenant's: an address is nobody's for good, and has no name to publish below.
pub(super) fn provable(domain: &Domain) -> Result<(), Refusal> {
    let (Domain::Exact(name) | Domain::Wildcard(name)) = domain;
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Err(_) => Ok(()),
        Ok(_) => Err(invalid(fault(
            "#/domain",
            format!("`{name}` is an address: that it is the tenant's can't be proven"),
            "claim a name, or vouch for the address: {\"verified\": true}",
        ))),
    }
}

fn of_dns_alone() -> Refusal {
    let message = "a wildcard can't be proven over HTTP: no one host speaks for all below a domain";
    invalid(fault("#/method", message.to_owned(), "prove it in DNS: {\"method\": \"dns\"}"))
}

fn fault(pointer: &str, message: String, hint: &str) -> Fault {
    Fault { pointer: pointer.to_owned(), code: "invalid-value", message, hint: Some(hint.to_owned()) }
}

fn invalid(fault: Fault) -> Refusal {
    Refusal::InvalidDomain(vec![fault])
}
