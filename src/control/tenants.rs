//! The tenants of the configuration that run: made from a document, and from those that ran before where they still fit.

use std::sync::Arc;

use hashbrown::HashMap;

use super::mold::Mold;
use crate::config::{self, Document, Domain};
use crate::tenant::{Configured, Tenant};
use crate::types::TenantId;

/// How many tenants beside each other may differ before what follows is looked up by id.
const NEARBY: usize = 16;

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

/// Two lists without what they have in common: of long lists that differ in little, that is found by comparing pointers.
pub(super) fn apart<'a, T>(
    mut before: &'a [Arc<T>],
    mut after: &'a [Arc<T>],
) -> (Vec<&'a Arc<T>>, Vec<&'a Arc<T>>) {
    let (mut old, mut new) = (Vec::new(), Vec::new());
    while let ([rest @ .., a], [others @ .., b]) = (before, after)
        && Arc::ptr_eq(a, b)
    {
        (before, after) = (rest, others);
    }
    while !before.is_empty() || !after.is_empty() {
        while let ([a, rest @ ..], [b, others @ ..]) = (before, after)
            && Arc::ptr_eq(a, b)
        {
            (before, after) = (rest, others);
        }
        let (gone, come) = meeting(before, after).unwrap_or((before.len(), after.len()));
        let ((gone, rest), (come, others)) = (
            before.split_at_checked(gone).unwrap_or((before, &[])),
            after.split_at_checked(come).unwrap_or((after, &[])),
        );
        old.extend(gone);
        new.extend(come);
        (before, after) = (rest, others);
    }
    (old, new)
}

/// How many of each list are to be passed over until both go on with the same, if that is nearby.
fn meeting<T>(before: &[Arc<T>], after: &[Arc<T>]) -> Option<(usize, usize)> {
    let mut pairs = (1..=NEARBY).flat_map(|sum| (0..=sum).map(move |gone| (gone, sum - gone)));
    pairs.find(|(gone, come)| {
        let both = before.get(*gone).zip(after.get(*come));
        both.is_some_and(|(a, b)| Arc::ptr_eq(a, b))
    })
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_two_lists_share_is_passed_over() {
        let [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(|text| Arc::new(text.to_owned()));
        let list = |of: &[&Arc<String>]| of.iter().map(|one| Arc::clone(one)).collect::<Vec<_>>();
        let texts = |list: &[&Arc<String>]| list.iter().map(|text| text.to_string()).collect::<String>();
        let differ = |before: &[&Arc<String>], after: &[&Arc<String>]| {
            let (before, after) = (list(before), list(after));
            let (old, new) = apart(&before, &after);
            (texts(&old), texts(&new))
        };
        let pair = |old: &str, new: &str| (old.to_owned(), new.to_owned());
        assert_eq!(differ(&[&a, &b, &c], &[&a, &b, &c]), pair("", ""));
        assert_eq!(differ(&[&a, &b, &c], &[&a, &d, &c]), pair("b", "d"));
        assert_eq!(differ(&[&a, &b, &c], &[&a, &b, &d, &c]), pair("", "d"));
        assert_eq!(differ(&[&a, &b, &c], &[&a, &c]), pair("b", ""));
        assert_eq!(differ(&[&a, &b, &c, &d], &[&e, &b, &c, &a]), pair("ad", "ea"));
        assert_eq!(differ(&[&a, &b, &c, &d], &[&e, &b, &c]), pair("ad", "e"));
        assert_eq!(differ(&[], &[&a]), pair("", "a"));
        assert_eq!(differ(&[&a, &a], &[&a]), pair("a", ""));
    }

    #[test]
    fn changes_far_apart_leave_what_is_between_them_out() {
        let before: Vec<Arc<usize>> = (0..1_000).map(Arc::new).collect();
        let mut after = before.clone();
        for at in [3, 4, 5, 400, 990] {
            after[at] = Arc::new(at);
        }
        after.remove(700);
        after.insert(100, Arc::new(1_000));
        let (old, new) = apart(&before, &after);
        let numbers = |list: &[&Arc<usize>]| list.iter().map(|one| ***one).collect::<Vec<_>>();
        assert_eq!(numbers(&old), [3, 4, 5, 400, 700, 990]);
        assert_eq!(numbers(&new), [3, 4, 5, 1_000, 400, 990]);
    }

    proptest! {
        #[test]
        fn what_is_passed_over_is_the_same_in_both(
            before in proptest::sample::subsequence((0..60).collect::<Vec<usize>>(), 0..=60).prop_shuffle(),
            after in proptest::sample::subsequence((0..60).collect::<Vec<usize>>(), 0..=60),
        ) {
            let all: Vec<Arc<usize>> = (0..60).map(Arc::new).collect();
            let list = |of: &[usize]| of.iter().map(|at| Arc::clone(&all[*at])).collect::<Vec<_>>();
            let (before, after) = (list(&before), list(&after));
            let (old, new) = apart(&before, &after);
            let shared = |list: &[Arc<usize>], without: &[&Arc<usize>]| {
                let kept = list.iter().filter(|one| !without.iter().any(|other| Arc::ptr_eq(one, other)));
                kept.map(|one| **one).collect::<Vec<_>>()
            };
            prop_assert_eq!(shared(&before, &old), shared(&after, &new));
        }
    }
}
