//! What two lists share is passed over, and only that.

use proptest::prelude::*;

use super::*;
use crate::config::document::Origin;
use crate::types::TenantId;

fn all_of<T>(list: &[Arc<T>]) -> Vec<&Arc<T>> {
    list.iter().collect()
}

fn tenants(numbers: std::ops::Range<usize>) -> Vec<Arc<Tenant>> {
    let tenant = |number| {
        TenantId::parse(&format!("t{number}"))
            .map(|id| Tenant::plain(id, None, Origin { file: "".into(), line: 1 }))
    };
    numbers.map(|number| Arc::new(tenant(number).unwrap())).collect()
}

#[test]
fn a_list_has_its_tenants_in_their_places() {
    let all = tenants(0..1_000);
    let list: TenantList = all.iter().cloned().collect();
    assert_eq!((list.len(), list.is_empty()), (1_000, false));
    assert!(list.iter().eq(&all));
    assert!((0..1_000).all(|place| list.get(place).is_some_and(|tenant| Arc::ptr_eq(tenant, &all[place]))));
    assert!(list.get(1_000).is_none());
    let by_other_parts = TenantList::of_parts(all.chunks(7).map(Arc::from).chain([Arc::from([])]));
    assert_eq!(list, by_other_parts);
    assert!((0..1_000).all(|place| by_other_parts.get(place) == list.get(place)));
    assert_eq!(format!("{list:?}"), format!("{all:?}"));
    assert!(TenantList::default().is_empty() && TenantList::default().get(0).is_none());
}

#[test]
fn lists_are_told_apart_within_the_parts_that_they_do_not_share() {
    let mut all = tenants(0..10_000);
    let before: TenantList = all.iter().cloned().collect();
    let [other] = &tenants(10_000..10_001)[..] else { unreachable!() };
    all[4_000] = Arc::clone(other);
    let changed: TenantPart = all[3_840..4_096].into();
    let parts = before.parts.iter().enumerate();
    let parts = parts.map(|(nth, part)| if nth == 15 { Arc::clone(&changed) } else { Arc::clone(part) });
    let after = TenantList::of_parts(parts);
    assert!(after.iter().eq(&all));
    let (old, new) = before.apart(&after);
    assert!(old.into_iter().eq(before.get(4_000)) && new.into_iter().eq([other]));
}

#[test]
fn what_two_lists_share_is_passed_over() {
    let [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(|text| Arc::new(text.to_owned()));
    let list = |of: &[&Arc<String>]| of.iter().map(|one| Arc::clone(one)).collect::<Vec<_>>();
    let texts = |list: &[&Arc<String>]| list.iter().map(|text| text.to_string()).collect::<String>();
    let differ = |before: &[&Arc<String>], after: &[&Arc<String>]| {
        let (before, after) = (list(before), list(after));
        let (old, new) = apart(&all_of(&before), &all_of(&after));
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
    let (old, new) = apart(&all_of(&before), &all_of(&after));
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
        let (old, new) = apart(&all_of(&before), &all_of(&after));
        let shared = |list: &[Arc<usize>], without: &[&Arc<usize>]| {
            let kept = list.iter().filter(|one| !without.iter().any(|other| Arc::ptr_eq(one, other)));
            kept.map(|one| **one).collect::<Vec<_>>()
        };
        prop_assert_eq!(shared(&before, &old), shared(&after, &new));
    }
}
