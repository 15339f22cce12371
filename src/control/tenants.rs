//! The tenants of the configuration that run: made from a document, and from those that ran before where they still fit.

use std::sync::Arc;

use hashbrown::HashMap;

use super::mold::Mold;
use crate::config::{self, Document, Domain};
use crate::tenant::{Configured, Tenant};
use crate::types::TenantId;

/// The tenants of a configuration, and what each was made from.
#[derive(Debug, Default)]
pub struct TenantSet {
    mold: Option<Arc<Mold>>,
    written: Vec<Arc<config::Tenant>>,
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
            true => apart(&self.written, &document.tenants),
            false => (&*self.written, &*document.tenants),
        };
        let old: HashMap<&TenantId, &Arc<config::Tenant>> = before.iter().map(|one| (&one.id, one)).collect();
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

/// Two lists without what they have in common at the beginning and at the end: a change of one tenant in a long list is found by
/// comparing pointers.
pub(super) fn apart<'a, T>(
    mut before: &'a [Arc<T>],
    mut after: &'a [Arc<T>],
) -> (&'a [Arc<T>], &'a [Arc<T>]) {
    while let ([old, rest @ ..], [new, others @ ..]) = (before, after)
        && Arc::ptr_eq(old, new)
    {
        (before, after) = (rest, others);
    }
    while let ([rest @ .., old], [others @ .., new]) = (before, after)
        && Arc::ptr_eq(old, new)
    {
        (before, after) = (rest, others);
    }
    (before, after)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_lists_share_at_their_ends_is_passed_over() {
        let [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(|text| Arc::new(text.to_owned()));
        let list = |of: &[&Arc<String>]| of.iter().map(|one| Arc::clone(one)).collect::<Vec<_>>();
        let texts = |list: &[Arc<String>]| list.iter().map(|text| text.to_string()).collect::<String>();
        let differ = |before: &[&Arc<String>], after: &[&Arc<String>]| {
            let (before, after) = (list(before), list(after));
            let (old, new) = apart(&before, &after);
            (texts(old), texts(new))
        };
        let pair = |old: &str, new: &str| (old.to_owned(), new.to_owned());
        assert_eq!(differ(&[&a, &b, &c], &[&a, &b, &c]), pair("", ""));
        assert_eq!(differ(&[&a, &b, &c], &[&a, &d, &c]), pair("b", "d"));
        assert_eq!(differ(&[&a, &b, &c], &[&a, &b, &d, &c]), pair("", "d"));
        assert_eq!(differ(&[&a, &b, &c], &[&a, &c]), pair("b", ""));
        assert_eq!(differ(&[&a, &b, &c, &d], &[&e, &b, &c, &a]), pair("abcd", "ebca"));
        assert_eq!(differ(&[], &[&a]), pair("", "a"));
        assert_eq!(differ(&[&a, &a], &[&a]), pair("a", ""));
    }
}
