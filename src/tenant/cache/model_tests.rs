//! The cache against a model that has none: whatever is under way, a request that comes after a change finds what is there.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    /// A tenant gets these domains, at the source and here.
    Put(usize, Vec<usize>),
    Delete(usize),
    Ask(usize),
    AskId(usize),
    /// A lookup that waits begins.
    Begin(usize),
    LetGo,
    /// The source answers at once from now on, or it doesn't.
    AtHand(bool),
    Advance(u64),
}

const NAMES: [&str; 8] =
    ["a.test", "b.test", "x.a.test", "y.a.test", "z.x.a.test", "*.a.test", "*.x.a.test", "*.test"];
const IDS: [&str; 4] = ["one", "two", "three", "four"];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..IDS.len(), proptest::collection::vec(0..NAMES.len(), 0..3))
            .prop_map(|(id, names)| Step::Put(id, names)),
        (0..IDS.len()).prop_map(Step::Delete),
        (0..5usize).prop_map(Step::Ask),
        (0..IDS.len()).prop_map(Step::AskId),
        (0..5usize).prop_map(Step::Begin),
        Just(Step::LetGo),
        any::<bool>().prop_map(Step::AtHand),
        (1..100u64).prop_map(Step::Advance),
    ]
}

proptest! {
    /// Whatever is under way, a request that comes after a change finds what is there.
    #[test]
    fn a_change_is_seen_by_whoever_comes_later(steps in proptest::collection::vec(step(), 1..60)) {
        let bench = Bench::new(TERMS);
        let mut revision = 0;
        let changed = |before: Option<Record>, after: Option<Record>, id: &str| {
            let hosts: Vec<_> = before.iter().chain(&after).flat_map(|record| record.texts.domains()).collect();
            bench.cache.forget([&TenantId::parse(id).unwrap()], hosts.iter().copied());
        };
        for step in steps {
            match step {
                Step::Put(id, names) => {
                    revision += 1;
                    let taken = |name: &str| {
                        let tenants = bench.shelf.tenants.lock().unwrap();
                        tenants.iter().any(|(other, record)| {
                            *other != IDS[id] && record.texts.domains().any(|own| own == name)
                        })
                    };
                    let mut names: Vec<_> = names.iter().map(|at| NAMES[*at]).filter(|name| !taken(name)).collect();
                    names.dedup();
                    let before = bench.shelf.put(IDS[id], revision, &names);
                    changed(before, bench.shelf.read(&Key::Id(TenantId::parse(IDS[id]).unwrap())), IDS[id]);
                }
                Step::Delete(id) => {
                    let before = bench.shelf.tenants.lock().unwrap().remove(IDS[id]);
                    changed(before, None, IDS[id]);
                }
                Step::Ask(at) => {
                    let key = host(NAMES[at]);
                    let model = bench.shelf.read(&key).map(|record| (record.id.as_str().to_owned(), record.revision));
                    prop_assert_eq!(bench.ask(&key), Ok(model));
                }
                Step::AskId(at) => {
                    let key = id(IDS[at]);
                    let model = bench.shelf.read(&key).map(|record| (record.id.as_str().to_owned(), record.revision));
                    prop_assert_eq!(bench.ask(&key), Ok(model));
                }
                Step::Begin(at) => {
                    bench.shelf.holds.store(true, Ordering::SeqCst);
                    let _ = bench.cache.depart(&host(NAMES[at]));
                    bench.shelf.holds.store(false, Ordering::SeqCst);
                }
                Step::LetGo => bench.shelf.let_go(),
                Step::AtHand(is) => bench.shelf.is_at_hand.store(is, Ordering::SeqCst),
                Step::Advance(seconds) => {
                    // Nothing but what is told changes here, so nothing grows old.
                    bench.hand.advance(Duration::from_secs(seconds));
                    bench.cache.confirm(bench.cache.clock.now_ns());
                }
            }
        }
    }
}
