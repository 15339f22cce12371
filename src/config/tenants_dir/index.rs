//! Which files claim what, so that a changed one is held against those alone that have to do with it.

use hashbrown::HashMap;

use super::entry::Held;
use crate::config::document::{Domain, HostPattern};
use crate::types::TenantId;

/// The number of a file for as long as it is there.
pub(super) type Slot = usize;

/// The claims of files by what they claim.
#[derive(Debug, Default)]
pub(super) struct Index {
    ids: HashMap<TenantId, Holders>,
    domains: HashMap<Domain, Holders>,
    /// Files with a domain that a pattern gives to this tenant, who is another.
    captured: HashMap<Box<str>, Holders>,
}

/// Nearly always one.
#[derive(Debug)]
enum Holders {
    One(Slot),
    Many(Vec<Slot>),
}

impl Index {
    /// The files whose tenant has this id, in no order.
    pub fn id(&self, id: &str) -> &[Slot] {
        self.ids.get(id).map_or(&[], Holders::slots)
    }

    /// The files that claim a domain, in no order.
    pub fn domain(&self, domain: &Domain) -> &[Slot] {
        self.domains.get(domain).map_or(&[], Holders::slots)
    }

    /// Enters what a file claims.
    pub fn enter(&mut self, slot: Slot, held: &Held, patterns: &[HostPattern]) {
        let tenant = &held.tenant;
        add(&mut self.ids, tenant.id.clone(), slot);
        for domain in &tenant.domains {
            add(&mut self.domains, domain.clone(), slot);
            for (_, label) in captures(patterns, &tenant.id, domain) {
                add(&mut self.captured, label.into(), slot);
            }
        }
    }

    /// Takes out what a file has claimed.
    pub fn remove(&mut self, slot: Slot, held: &Held, patterns: &[HostPattern]) {
        let tenant = &held.tenant;
        take(&mut self.ids, tenant.id.as_str(), slot);
        for domain in &tenant.domains {
            take(&mut self.domains, domain, slot);
            for (_, label) in captures(patterns, &tenant.id, domain) {
                take(&mut self.captured, label, slot);
            }
        }
    }

    /// Calls `with` for every file that has to do with what a file claims, perhaps more than once; also for that one.
    pub fn neighbours(&self, held: &Held, patterns: &[HostPattern], mut with: impl FnMut(Slot)) {
        let tenant = &held.tenant;
        self.id(tenant.id.as_str()).iter().for_each(|slot| with(*slot));
        for domain in &tenant.domains {
            self.domain(domain).iter().for_each(|slot| with(*slot));
        }
        if !patterns.is_empty() {
            let captured = self.captured.get(tenant.id.as_str());
            captured.map_or(&[][..], Holders::slots).iter().for_each(|slot| with(*slot));
        }
    }

    /// Forgets which domains patterns give to others: there are other patterns now.
    pub fn forget_patterns(&mut self) {
        self.captured.clear();
    }
}

/// The patterns that give a domain to another tenant than its own, and that one's id if it is one.
pub(super) fn captures<'p, 'd>(
    patterns: &'p [HostPattern],
    owner: &'d TenantId,
    domain: &'d Domain,
) -> impl Iterator<Item = (&'p HostPattern, &'d str)> {
    let name = match domain {
        Domain::Exact(name) => Some(name.as_str()),
        Domain::Wildcard(_) => None,
    };
    let captured = patterns.iter().filter_map(move |pattern| Some((pattern, pattern.capture(name?)?)));
    captured.filter(move |(_, label)| *label != owner.as_str())
}

fn add<K: std::hash::Hash + Eq>(map: &mut HashMap<K, Holders>, key: K, slot: Slot) {
    map.entry(key).and_modify(|holders| holders.add(slot)).or_insert(Holders::One(slot));
}

fn take<K, Q>(map: &mut HashMap<K, Holders>, key: &Q, slot: Slot)
where
    K: std::hash::Hash + Eq,
    Q: std::hash::Hash + hashbrown::Equivalent<K> + ?Sized,
{
    let Some(holders) = map.get_mut(key) else { return };
    if holders.remove(slot) {
        map.remove(key);
    }
}

impl Holders {
    fn slots(&self) -> &[Slot] {
        match self {
            Self::One(slot) => std::slice::from_ref(slot),
            Self::Many(slots) => slots,
        }
    }

    /// Adds a file that may be there already: one may claim a domain twice.
    fn add(&mut self, slot: Slot) {
        match self {
            Self::One(one) if *one == slot => {}
            Self::One(one) => *self = Self::Many(vec![*one, slot]),
            Self::Many(slots) if slots.contains(&slot) => {}
            Self::Many(slots) => slots.push(slot),
        }
    }

    /// Takes a file out, and tells whether none is left.
    fn remove(&mut self, slot: Slot) -> bool {
        match self {
            Self::One(one) => *one == slot,
            Self::Many(slots) => {
                slots.retain(|other| *other != slot);
                if let [one] = slots[..] {
                    *self = Self::One(one);
                }
                matches!(self, Self::Many(slots) if slots.is_empty())
            }
        }
    }
}
