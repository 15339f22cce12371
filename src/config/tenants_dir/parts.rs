//! The tenants of the folder in the order of their files, in parts: of a hundred thousand, a changed file costs one part.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::ops::Bound;
use std::sync::Arc;

use super::index::Slot;
use crate::config::document::{Tenant, TenantList, TenantPart};

/// The parts as they were put together last, and what has happened since.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// By a name that none in the part comes before, and none in the parts before it after.
    parts: BTreeMap<Arc<OsStr>, TenantPart>,
    /// Files whose tenants may not be those in the parts.
    touched: BTreeSet<Arc<OsStr>>,
}

impl Parts {
    /// A file has come, gone or changed.
    pub fn touch(&mut self, name: &Arc<OsStr>) {
        self.touched.insert(Arc::clone(name));
    }

    /// The parts in order. Some may be empty.
    pub fn iter(&self) -> impl Iterator<Item = &TenantPart> {
        self.parts.values()
    }

    /// Puts the parts together anew that were touched.
    pub fn renew(
        &mut self,
        names: &BTreeMap<Arc<OsStr>, Slot>,
        tenant: impl Fn(Slot) -> Option<Arc<Tenant>>,
    ) {
        let touched = std::mem::take(&mut self.touched);
        if touched.is_empty() {
            return;
        }
        // The first part has whatever comes before the others, too.
        self.parts.entry(OsStr::new("").into()).or_default();
        let begins: BTreeSet<_> = touched.iter().filter_map(|name| self.begin_of(name)).collect();
        for begin in begins {
            let end = self.parts.range::<OsStr, _>((Bound::Excluded(&*begin), Bound::Unbounded)).next();
            let end = end.map(|(name, _)| Arc::clone(name));
            let end = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let files: Vec<_> = names.range::<OsStr, _>((Bound::Included(&*begin), end)).collect();
            let size = if files.len() > 2 * TenantList::PART { TenantList::PART } else { files.len() };
            self.parts.remove(&begin);
            for (nth, files) in files.chunks(size.max(1)).enumerate() {
                // Before the first file there is room for others.
                let begin = files.first().map_or(&begin, |(first, _)| if nth == 0 { &begin } else { first });
                self.parts.insert(Arc::clone(begin), part(files, &tenant));
            }
        }
    }

    fn begin_of(&self, name: &OsStr) -> Option<Arc<OsStr>> {
        let mut before = self.parts.range::<OsStr, _>((Bound::Unbounded, Bound::Included(name)));
        before.next_back().map(|(begin, _)| Arc::clone(begin))
    }
}

fn part(files: &[(&Arc<OsStr>, &Slot)], tenant: &impl Fn(Slot) -> Option<Arc<Tenant>>) -> TenantPart {
    files.iter().filter_map(|(_, slot)| tenant(**slot)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::document::Origin;
    use crate::types::TenantId;

    /// Files by number, each with a tenant of its own.
    #[derive(Default)]
    struct Folder {
        names: BTreeMap<Arc<OsStr>, Slot>,
        tenants: BTreeMap<Slot, Arc<Tenant>>,
        parts: Parts,
    }

    impl Folder {
        fn write(&mut self, number: Slot) {
            let id = TenantId::parse(&format!("t{number}")).unwrap();
            self.tenants
                .insert(number, Arc::new(Tenant::plain(id, None, Origin { file: "".into(), line: 1 })));
            self.names.insert(name(number), number);
            self.parts.touch(&name(number));
        }

        fn remove(&mut self, number: Slot) {
            self.tenants.remove(&number);
            self.names.remove(&name(number));
            self.parts.touch(&name(number));
        }

        fn renew(&mut self) -> Vec<TenantPart> {
            let tenants = &self.tenants;
            self.parts.renew(&self.names, |slot| tenants.get(&slot).cloned());
            self.parts.iter().cloned().collect()
        }
    }

    fn name(number: Slot) -> Arc<OsStr> {
        OsStr::new(&format!("{number:06}.yaml")).into()
    }

    #[test]
    fn a_changed_file_costs_one_part() {
        let mut folder = Folder::default();
        (0..10_000).for_each(|number| folder.write(number));
        let before = folder.renew();
        assert!(before.len() >= 10_000 / TenantList::PART);
        folder.write(5_000);
        let after = folder.renew();
        let others = before.iter().zip(&after).filter(|(a, b)| !Arc::ptr_eq(a, b)).count();
        assert_eq!((before.len(), others), (after.len(), 1));
    }

    #[test]
    fn nothing_stays_of_files_that_are_gone() {
        let mut folder = Folder::default();
        for round in 0..100 {
            (round * 1_000..round * 1_000 + 600).for_each(|number| folder.write(number));
            folder.renew();
            (round * 1_000..round * 1_000 + 600).for_each(|number| folder.remove(number));
            assert_eq!(folder.renew().iter().map(|part| part.len()).sum::<usize>(), 0);
        }
        assert!(folder.parts.parts.len() <= 1, "{}", folder.parts.parts.len());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn parts_are_what_there_is_in_order(
            steps in prop::collection::vec((any::<bool>(), 0..3_000_usize, 1..900_usize), 1..12),
        ) {
            let mut folder = Folder::default();
            for (is_written, start, count) in steps {
                for number in start..start + count {
                    if is_written { folder.write(number) } else { folder.remove(number) }
                }
                let parts = folder.renew();
                let listed: Vec<_> = parts.iter().flat_map(|part| part.iter()).map(Arc::as_ptr).collect();
                let expected: Vec<_> = folder.tenants.values().map(Arc::as_ptr).collect();
                prop_assert_eq!(listed, expected);
                prop_assert!(parts.iter().all(|part| part.len() <= 2 * TenantList::PART));
            }
        }
    }
}
