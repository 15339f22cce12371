//! Certificates of tenants' domains, as a document has them.

use std::sync::Arc;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hashbrown::{HashMap, HashSet};

use crate::acme::{AuthorityTerms, Challenge, ExternalAccount};
use crate::certificates::{CertificateTerms, InForce, Owners};
use crate::config::{Acme, AcmeChallenge, Document, Domain, TenantState};
use crate::store::{AcmeBudgets, DueName, Store};
use crate::types::TenantId;
use crate::upstream::{roots_from_pem, system_roots};

/// How certificates are ordered under a document; `None` where they aren't. May read the system's authorities.
///
/// # Errors
/// The authorities that vouch for the authority's server can't be read.
pub fn certificates_in_force(
    document: &Document,
    store: Option<Arc<Store>>,
) -> anyhow::Result<Option<InForce>> {
    let (Some(acme), Some(store)) = (&document.acme, store) else { return Ok(None) };
    let owners = Arc::new(ConfiguredOwners::of(document));
    Ok(Some(InForce { terms: terms(acme).context("tls.acme")?, owners, store }))
}

fn terms(acme: &Acme) -> anyhow::Result<CertificateTerms> {
    let roots = match &acme.ca {
        Some(file) => roots_from_pem(file.text.as_bytes())?,
        None => system_roots()?,
    };
    let external = acme.external_account.as_ref().map(|account| {
        let hmac_key = URL_SAFE_NO_PAD.decode(account.hmac_key.expose())?;
        anyhow::Ok(ExternalAccount { key_id: account.key_id.clone(), hmac_key })
    });
    let challenges = acme.challenges.iter().map(|challenge| match challenge {
        AcmeChallenge::Http01 => Challenge::Http01,
        AcmeChallenge::TlsAlpn01 => Challenge::TlsAlpn01,
    });
    Ok(CertificateTerms {
        authority: AuthorityTerms {
            directory: acme.directory.clone(),
            contact: acme.contact.iter().cloned().collect(),
            roots,
            external: external.transpose()?,
        },
        keys: acme.encryption.clone(),
        challenges: challenges.collect(),
        issue_timeout: acme.issue_timeout,
        on_demand: acme.on_demand,
        budgets: AcmeBudgets {
            tenant: acme.budgets.tenant,
            registered: acme.budgets.registered,
            account: acme.budgets.account,
        },
        addresses: acme.addresses.clone(),
    })
}

/// Whose names are by a document.
#[derive(Debug)]
struct ConfiguredOwners {
    by_name: HashMap<String, (TenantId, bool)>,
    ids: HashSet<TenantId>,
}

impl ConfiguredOwners {
    fn of(document: &Document) -> Self {
        let mut owners = Self { by_name: HashMap::new(), ids: HashSet::new() };
        for tenant in document.tenants.iter() {
            owners.ids.insert(tenant.id.clone());
            let may_order = tenant.state != TenantState::Suspended;
            for domain in &tenant.domains {
                if let Domain::Exact(name) = domain {
                    owners.by_name.insert(name.clone(), (tenant.id.clone(), may_order));
                }
            }
        }
        owners
    }
}

impl Owners for ConfiguredOwners {
    fn of(&self, name: &str) -> Option<(TenantId, bool)> {
        self.by_name.get(name).cloned()
    }

    fn has(&self, tenant: &TenantId) -> bool {
        self.ids.contains(tenant)
    }

    fn names(&self) -> Vec<DueName> {
        let names = self.by_name.iter();
        names
            .map(|(name, (tenant, _))| DueName { name: name.as_str().into(), tenant: tenant.clone() })
            .collect()
    }
}
