//! Certificates of tenants' domains, as a document has them.

use std::sync::Arc;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hashbrown::{HashMap, HashSet};
use jiff::Timestamp;

use super::certificates::of_files;
use crate::acme::{AuthorityTerms, Challenge, ExternalAccount};
use crate::certificates::{CertificateTerms, InForce, Owners, Unreadable};
use crate::config::{Acme, AcmeChallenge, Document, Domain, Listener, TenantState};
use crate::store::{AcmeBudgets, DueName, Glance, Store};
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

/// Says that what the store keeps encrypted could be read under one document, and can't under the other: clients would lose
/// certificates that they are shown now. Reads the store.
///
/// # Errors
/// What can't be read, and what to do; nothing of it where the store has no answer, or it could not be read before either.
pub fn keeps_what_is_encrypted(before: &Document, after: &Document, store: &Store) -> Result<(), String> {
    let (Some(old), Some(new)) = (&before.acme, &after.acme) else { return Ok(()) };
    if old.encryption == new.encryption {
        return Ok(());
    }
    let uses = match store.key_uses_here(Timestamp::now().as_millisecond()) {
        Ok(uses) => uses,
        Err(fault) => {
            tracing::warn!(%fault, "whether certificates of the store can be read with the new key can't be told");
            return Ok(());
        }
    };
    match Unreadable::of(&uses, &new.encryption, &new.directory) {
        // What could not be read before either has done its harm.
        Some(lost) if lost.missing.iter().any(|id| old.encryption.has(id)) => Err(lost.to_string()),
        _ => Ok(()),
    }
}

/// What of a store on the disk can't be read under a document. Nothing of it where there is no such store, or none that can be looked into.
#[must_use]
pub fn unreadable_under(document: &Document) -> Option<Unreadable> {
    let acme = document.acme.as_ref()?;
    let glance = Glance::at(&document.store).ok()??;
    let uses = glance.key_uses(Timestamp::now().as_millisecond()).ok()?;
    Unreadable::of(&uses, &acme.encryption, &acme.directory)
}

/// Whose names are by a document.
#[derive(Debug)]
struct ConfiguredOwners {
    by_name: HashMap<String, (TenantId, bool)>,
    ids: HashSet<TenantId>,
    /// For each listener that orders certificates, the names that its files have some for, and the first of those files.
    files: Vec<HashMap<Box<str>, Arc<str>>>,
}

impl ConfiguredOwners {
    fn of(document: &Document) -> Self {
        let listeners = document.listeners.iter();
        let on_demand = listeners.filter(|listener| listener.tls.as_ref().is_some_and(|tls| tls.on_demand));
        let files = on_demand.map(names_of_files).collect();
        let mut owners = Self { by_name: HashMap::new(), ids: HashSet::new(), files };
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

    fn file_for(&self, name: &str) -> Option<Arc<str>> {
        // As a listener picks them: a wildcard stands for one whole label.
        let above = name.split_once('.').map(|(_, parent)| format!("*.{parent}"));
        let found = |names: &HashMap<Box<str>, Arc<str>>| {
            names.get(name).or_else(|| names.get(above.as_deref()?)).map(Arc::clone)
        };
        let mut files = self.files.iter().map(found);
        let first = files.next()??;
        files.all(|file| file.is_some()).then_some(first)
    }

    fn names(&self) -> Vec<DueName> {
        let names = self.by_name.iter();
        names
            .map(|(name, (tenant, _))| DueName { name: name.as_str().into(), tenant: tenant.clone() })
            .collect()
    }
}

/// The names that the files of a listener have certificates for, and which file.
fn names_of_files(listener: &Listener) -> HashMap<Box<str>, Arc<str>> {
    let mut names = HashMap::new();
    for (file, certificate) in of_files(listener) {
        let path: Arc<str> = file.chain.path.display().to_string().into();
        for name in certificate.dns {
            names.entry(name).or_insert_with(|| Arc::clone(&path));
        }
    }
    names
}
