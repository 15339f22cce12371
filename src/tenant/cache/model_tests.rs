//! The cache against a model that has none: whatever is under way, a request that comes after a change finds what is there.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    /// A tenant gets these domains, at the source and here.
    Put(usize, Vec<usize>),
    Delete(usize),
    /// A tenant gets a domain, or loses it if it has it: of its others nothing is said.
    Domain(usize, usize),
    Ask(usize),
    AskId(usize),
    AskKey(usize),
    /// A key is issued to a tenant, for so many seconds if not for ever, and with this ends whatever it was.
    Issue(usize, usize, Option<u64>),
    Revoke(usize),
    /// A lookup that waits begins.
    Begin(usize),
    BeginKey(usize),
    LetGo,
    /// The source answers at once from now on, or it doesn't.
    AtHand(bool),
    Advance(u64),
}

const NAMES: [&str; 8] =
    ["a.test", "b.test", "x.a.test", "y.a.test", "z.x.a.test", "*.a.test", "*.x.a.test", "*.test"];
const IDS: [&str; 4] = ["one", "two", "three", "four"];
const KEYS: usize = 4;

fn hash(at: usize) -> KeyHash {
    KeyHash::from([at as u8; 32])
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..IDS.len(), proptest::collection::vec(0..NAMES.len(), 0..3))
            .prop_map(|(id, names)| Step::Put(id, names)),
        (0..IDS.len()).prop_map(Step::Delete),
        (0..IDS.len(), 0..NAMES.len()).prop_map(|(id, name)| Step::Domain(id, name)),
        (0..5usize).prop_map(Step::Ask),
        (0..IDS.len()).prop_map(Step::AskId),
        (0..KEYS).prop_map(Step::AskKey),
        (0..KEYS, 0..IDS.len(), proptest::option::of(1..200u64))
            .prop_map(|(key, id, seconds)| Step::Issue(key, id, seconds)),
        (0..KEYS).prop_map(Step::Revoke),
        (0..KEYS).prop_map(Step::BeginKey),
        (0..5usize).prop_map(Step::Begin),
        Just(Step::LetGo),
        any::<bool>().prop_map(Step::AtHand),
        (1..100u64).prop_map(Step::Advance),
    ]
}

/// Asks, and has the model say the same.
fn asked(bench: &Bench, key: &Key) -> Result<(), TestCaseError> {
    let model = bench.shelf.read(key, bench.now_ms());
    let model = model.map(|record| (record.id.as_str().to_owned(), record.revision));
    prop_assert_eq!(bench.ask(key), Ok(model));
    Ok(())
}

fn begin(bench: &Bench, key: &Key) {
    bench.shelf.holds.store(true, Ordering::SeqCst);
    let _ = bench.cache.depart(key);
    bench.shelf.holds.store(false, Ordering::SeqCst);
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
                    changed(before, bench.shelf.read(&Key::Id(TenantId::parse(IDS[id]).unwrap()), 0), IDS[id]);
                }
                Step::Delete(id) => {
                    let before = bench.shelf.tenants.lock().unwrap().remove(IDS[id]);
                    bench.shelf.keys.lock().unwrap().retain(|_, (owner, _)| *owner != IDS[id]);
                    changed(before, None, IDS[id]);
                }
                Step::Domain(id, at) => {
                    let known = bench.shelf.tenants.lock().unwrap().get(IDS[id]).cloned();
                    let Some(known) = known else { continue };
                    let mut names: Vec<_> = known.texts.domains().collect();
                    if known.texts.has(NAMES[at]) {
                        names.retain(|name| *name != NAMES[at]);
                    } else if bench.shelf.tenants.lock().unwrap().values().any(|other| other.texts.has(NAMES[at])) {
                        continue;
                    } else {
                        names.push(NAMES[at]);
                    }
                    revision += 1;
                    bench.shelf.put(IDS[id], revision, &names);
                    bench.cache.forget([&TenantId::parse(IDS[id]).unwrap()], [NAMES[at]]);
                }
                Step::Ask(at) => asked(&bench, &host(NAMES[at]))?,
                Step::AskId(at) => asked(&bench, &id(IDS[at]))?,
                Step::AskKey(at) => asked(&bench, &Key::ApiKey(hash(at)))?,
                Step::Begin(at) => begin(&bench, &host(NAMES[at])),
                Step::BeginKey(at) => begin(&bench, &Key::ApiKey(hash(at))),
                // Only tenants that there are have keys.
                Step::Issue(_, id, _) if !bench.shelf.tenants.lock().unwrap().contains_key(IDS[id]) => {}
                Step::Issue(at, id, seconds) => {
                    let ends_ms = seconds.map(|seconds| bench.now_ms() + 1_000 * seconds as i64);
                    let before = bench.shelf.keys.lock().unwrap().insert(hash(at), (IDS[id].to_owned(), ends_ms));
                    let ids: Vec<_> = before.iter().map(|(id, _)| TenantId::parse(id).unwrap()).collect();
                    bench.cache.forget(&ids, []);
                    bench.cache.forget_keys([&hash(at)]);
                }
                Step::Revoke(at) => {
                    let before = bench.shelf.keys.lock().unwrap().remove(&hash(at));
                    // As another gateway is told of it: which key it was is not said.
                    let ids: Vec<_> = before.iter().map(|(id, _)| TenantId::parse(id).unwrap()).collect();
                    bench.cache.forget(&ids, []);
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
