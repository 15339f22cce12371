//! The tenants of the configuration that run: made from a document, and from those that ran before where they still fit.

use std::sync::Arc;

use hashbrown::HashMap;

use super::mold::Mold;
use crate::config::{self, Document, Domain, TenantList};
use crate::tenant::{Configured, Tenant};
use crate::types::TenantId;

/// The tenants of a configuration, and what each was made from.
#[derive(Debug, Default)]
pub struct TenantSet {
    mold: Option<Arc<Mold>>,
    written: TenantList,
    configured: Configured,
}

/// How the tenants of a configuration differ from those before.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct TenantDifference {
    /// How many are new.
    pub added: usize,
    /// How many are not what they were.
    pub changed: usize,
    /// Those that are gone.
    pub removed: Vec<TenantId>,
}

impl TenantSet {
    /// The tenants of the next document. Those that have not changed are these.
    pub(super) fn next(&self, document: &Document, mold: &Arc<Mold>) -> (Self, TenantDifference) {
        let same_mold = self.mold.as_ref().is_some_and(|own| Arc::ptr_eq(own, mold));
        // Where tenants are cast in another mold, every one of them is another.
        let (before, after) = match same_mold {
            true => self.written.apart(&document.tenants),
            false => (self.written.iter().collect(), document.tenants.iter().collect()),
        };
        let old: HashMap<&TenantId, &Arc<config::Tenant>> =
            before.iter().map(|one| (&one.id, *one)).collect();
        let mut difference = TenantDifference::default();
        let mut new: Vec<&Arc<config::Tenant>> = Vec::with_capacity(after.len());
        let mut stays: HashMap<&TenantId, bool> = HashMap::with_capacity(after.len());
        for written in after {
            let known = old.get(&written.id);
            let same = known.is_some_and(|known| Arc::ptr_eq(known, written) || *known == written);
            stays.insert(&written.id, same);
            match known {
                None => difference.added += 1,
                Some(_) if !same => difference.changed += 1,
                Some(_) if same_mold => continue,
                Some(_) => {}
            }
            new.push(written);
        }
        let mut configured = self.configured.clone();
        for written in before {
            let stays = stays.get(&written.id);
            if stays.is_none() {
                configured.remove(&written.id);
                difference.removed.push(written.id.clone());
            }
            if stays != Some(&true) {
                release(&mut configured, written);
            }
        }
        // Only then: a domain may have gone from one tenant to another.
        for written in new {
            enter(&mut configured, written, Arc::new(mold.cast(written)));
        }
        let (mold, written) = (Some(Arc::clone(mold)), document.tenants.clone());
        (Self { mold, written, configured }, difference)
    }

    /// The mold that they were cast in, once there was a document.
    pub(super) fn mold(&self) -> Option<&Arc<Mold>> {
        self.mold.as_ref()
    }

    /// As requests find them.
    pub(super) fn configured(&self) -> &Configured {
        &self.configured
    }
}

fn enter(configured: &mut Configured, written: &config::Tenant, tenant: Arc<Tenant>) {
    for domain in &written.domains {
        match domain {
            Domain::Exact(name) => configured.claim(name, Arc::clone(&tenant)),
            Domain::Wildcard(name) => configured.claim_below(name, Arc::clone(&tenant)),
        }
    }
    configured.insert(tenant);
}

fn release(configured: &mut Configured, written: &config::Tenant) {
    for domain in &written.domains {
        match domain {
            Domain::Exact(name) => configured.release(name, &written.id),
            Domain::Wildcard(name) => configured.release_below(name, &written.id),
        }
    }
}
