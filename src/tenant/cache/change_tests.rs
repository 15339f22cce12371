//! Changes while lookups are under way: whoever comes after one is served what it made.

use super::*;

#[test]
fn who_comes_after_a_change_shares_no_lookup_that_began_before() {
    let bench = Bench::new(TERMS);
    let key = host("acme.test");
    bench.shelf.holds.store(true, Ordering::SeqCst);
    bench.runtime.block_on(async {
        let before = bench.load(&key);
        tokio::pin!(before);
        assert!(futures_util::poll!(&mut before).is_pending());
        bench.shelf.put("acme", 1, &["acme.test"]);
        bench.cache.forget([&TenantId::parse("acme").unwrap()], ["acme.test"]);
        let after = bench.load(&key);
        tokio::pin!(after);
        assert!(futures_util::poll!(&mut after).is_pending());
        bench.shelf.let_go();
        assert!(before.await.unwrap().is_none());
        assert_eq!(said(&after.await.unwrap().unwrap()), ("acme".to_owned(), 1));
    });
    bench.shelf.holds.store(false, Ordering::SeqCst);
    assert_eq!(bench.ask(&key), some("acme", 1), "and what was read before was not kept");
}

/// Also not for the moment between its being kept and its being found to be old.
#[test]
fn nobody_who_comes_after_a_change_is_served_what_was_while_others_look_up() {
    let bench = Bench::new(TERMS);
    bench.shelf.is_at_hand.store(true, Ordering::SeqCst);
    let (id, told) = (TenantId::parse("acme").unwrap(), AtomicU64::new(0));
    let (shelf, cache, cast) = (&bench.shelf, &bench.cache, &bench.cast);
    let revision = |lookup: Lookup| match lookup {
        Lookup::Found(tenant) => said(&tenant).1,
        Lookup::Nobody => 0,
        other => panic!("{other:?}"),
    };
    std::thread::scope(|scope| {
        for by_host in [true, false, true] {
            let told = &told;
            scope.spawn(move || {
                while told.load(Ordering::SeqCst) < 5_000 {
                    let least = told.load(Ordering::SeqCst);
                    let lookup =
                        if by_host { cache.by_host("acme.test", cast) } else { cache.by_id("acme", cast) };
                    let found = revision(lookup);
                    assert!(found >= least, "{found} after {least}");
                }
            });
        }
        for next in 1..=5_000 {
            shelf.put("acme", next, &["acme.test"]);
            cache.forget([&id], ["acme.test"]);
            told.store(next, Ordering::SeqCst);
        }
    });
}

/// As for a moment, when it is evicted while it is looked up again.
#[test]
fn who_is_gone_is_served_to_nobody_wherever_it_still_stands() {
    let bench = Bench::new(TERMS);
    bench.shelf.put("acme", 1, &["acme.test"]);
    assert_eq!(
        (bench.ask(&host("acme.test")), bench.ask(&host("acme.test"))),
        (some("acme", 1), some("acme", 1))
    );
    let gone = bench.cache.entry("acme").unwrap();
    bench.shelf.put("acme", 2, &["acme.test"]);
    bench.cache.forget([&TenantId::parse("acme").unwrap()], ["acme.test"]);
    bench.cache.hosts.enter(&gone);
    gone.settle(bench.cache.clock.now_ns());
    assert_eq!(bench.ask(&host("acme.test")), some("acme", 2));
    bench.cache.forget_all();
    bench.shelf.put("acme", 3, &["acme.test"]);
    assert_eq!(bench.ask(&host("acme.test")), some("acme", 3));
}
