//! API keys in the cache: found with their tenant, forgotten with it, and never longer than they last.

use super::*;

fn key(text: &str) -> Key {
    Key::ApiKey(KeyHash::of(text))
}

impl Bench {
    fn issue(&self, text: &str, id: &str, ends_ms: Option<i64>) {
        self.shelf.keys.lock().unwrap().insert(KeyHash::of(text), (id.to_owned(), ends_ms));
    }

    fn revoke(&self, text: &str) {
        self.shelf.keys.lock().unwrap().remove(&KeyHash::of(text));
    }
}

fn forget(bench: &Bench, id: &str) {
    bench.cache.forget([&TenantId::parse(id).unwrap()], []);
}

#[test]
fn a_key_finds_its_tenant_and_brings_it_with_it() {
    let bench = Bench::new(TERMS);
    bench.shelf.put("acme", 1, &["acme.test"]);
    bench.issue("one", "acme", None);
    bench.issue("two", "acme", None);
    for key in [key("one"), host("acme.test"), id("acme"), key("one")] {
        assert_eq!(bench.ask(&key), some("acme", 1), "{key:?}");
    }
    assert_eq!(bench.shelf.asked(), 1);
    assert_eq!((bench.ask(&key("two")), bench.ask(&key("two"))), (some("acme", 1), some("acme", 1)));
    assert_eq!((bench.shelf.asked(), bench.cast.casts.load(Ordering::SeqCst)), (2, 1));
}

#[test]
fn a_key_that_was_revoked_or_issued_is_so_at_once() {
    let bench = Bench::new(TERMS);
    bench.shelf.put("acme", 1, &["acme.test"]);
    assert_eq!(bench.ask(&key("one")), Ok(None));
    bench.issue("one", "acme", None);
    bench.cache.forget_keys([&KeyHash::of("one")]);
    assert_eq!(bench.ask(&key("one")), some("acme", 1));
    bench.revoke("one");
    forget(&bench, "acme");
    assert_eq!((bench.ask(&key("one")), bench.ask(&host("acme.test"))), (Ok(None), some("acme", 1)));
    // As others tell of it: they know whose it is, not which.
    bench.issue("one", "acme", None);
    forget(&bench, "acme");
    bench.cache.forget_absent_keys();
    assert_eq!(bench.ask(&key("one")), some("acme", 1));
}

#[test]
fn a_lookup_that_was_under_way_brings_no_revoked_key_back_and_hides_no_new_one() {
    let bench = Bench::new(TERMS);
    bench.shelf.put("acme", 1, &["acme.test"]);
    bench.issue("old", "acme", None);
    bench.shelf.holds.store(true, Ordering::SeqCst);
    let (of_old, of_new) = (bench.cache.depart(&key("old")), bench.cache.depart(&key("new")));
    bench.revoke("old");
    bench.issue("new", "acme", None);
    forget(&bench, "acme");
    bench.cache.forget_keys([&KeyHash::of("new")]);
    let after = bench.cache.depart(&key("old"));
    assert!(!Arc::ptr_eq(&of_old, &after), "who comes later shares no lookup that began before");
    bench.shelf.let_go();
    bench.shelf.holds.store(false, Ordering::SeqCst);
    let outcomes = bench.runtime.block_on(async { (of_old.outcome().await, of_new.outcome().await) });
    assert!(matches!(outcomes, (Outcome::Found(..), Outcome::Nobody)));
    assert_eq!((bench.ask(&key("old")), bench.ask(&key("new"))), (Ok(None), some("acme", 1)));
    assert_eq!(bench.cache.flights.len(), 0);
}

#[test]
fn a_cached_key_ends_when_it_ends() {
    let bench = Bench::new(TERMS);
    bench.shelf.put("acme", 1, &["acme.test"]);
    bench.issue("old", "acme", Some(bench.now_ms() + 1_000));
    assert_eq!(bench.ask(&key("old")), some("acme", 1));
    bench.hand.advance(Duration::from_millis(999));
    assert_eq!(bench.ask(&key("old")), some("acme", 1));
    bench.hand.advance(Duration::from_millis(1));
    assert_eq!((bench.ask(&key("old")), bench.shelf.asked()), (Ok(None), 1));
    bench.issue("past", "acme", Some(bench.now_ms()));
    assert_eq!((bench.ask(&key("past")), bench.ask(&key("past"))), (Ok(None), Ok(None)));
    assert_eq!(bench.shelf.asked(), 2, "what has ended is remembered as nobody's");
    // It was brought back, and lasts longer.
    bench.issue("old", "acme", Some(bench.now_ms() + 5_000));
    forget(&bench, "acme");
    assert_eq!(bench.ask(&key("old")), some("acme", 1));
}

#[test]
fn cached_keys_are_served_while_the_source_is_down_and_looked_up_when_it_is_back() {
    let bench = Bench::new(TERMS);
    bench.shelf.put("acme", 1, &["acme.test"]);
    bench.issue("one", "acme", Some(bench.now_ms() + 86_400_000));
    assert_eq!(bench.ask(&key("one")), some("acme", 1));
    bench.shelf.is_down.store(true, Ordering::SeqCst);
    bench.hand.advance(Duration::from_secs(43_200));
    assert_eq!((bench.ask(&key("one")), bench.ask(&key("one"))), (some("acme", 1), some("acme", 1)));
    assert_eq!(bench.ask(&key("other")), Err(SourceFault::Failed));
    bench.hand.advance(Duration::from_secs(43_200));
    assert_eq!(bench.ask(&key("one")), Ok(None), "it has ended meanwhile");
    bench.issue("one", "acme", None);
    forget(&bench, "acme");
    assert_eq!(bench.ask(&key("one")), Err(SourceFault::Failed), "what may have changed is not known");
    bench.shelf.is_down.store(false, Ordering::SeqCst);
    assert_eq!(bench.ask(&key("one")), some("acme", 1));
    // Revoked where nobody tells of it: old, then waited for.
    bench.revoke("one");
    bench.hand.advance(Duration::from_secs(60));
    assert_eq!(bench.ask(&key("one")), some("acme", 1), "served as it was, and looked up");
    assert_eq!((bench.ask(&key("one")), bench.ask(&id("acme"))), (Ok(None), some("acme", 1)));
}

#[test]
fn a_scan_of_keys_pushes_nobody_out() {
    let bench = Bench::new(CacheTerms { capacity: 100, ..TERMS });
    for n in 0..100 {
        bench.shelf.put(&format!("t{n}"), 1, &[]);
        bench.issue(&format!("k{n}"), &format!("t{n}"), None);
        assert_eq!(bench.ask(&key(&format!("k{n}"))), some(&format!("t{n}"), 1));
    }
    bench.cache.tidy();
    let kept = (bench.cache.entries.entry_count(), bench.cache.keys.len());
    for n in 0..30_000 {
        assert_eq!(bench.ask(&key(&format!("scan{n}"))), Ok(None));
    }
    bench.cache.tidy();
    assert_eq!((bench.cache.entries.entry_count(), bench.cache.keys.len()), kept);
    // What is evicted with its tenant is looked up with it.
    bench.cache.entries.invalidate(&TenantId::parse("t7").unwrap());
    assert_eq!(bench.ask(&key("k7")), some("t7", 1));
}

#[test]
fn who_was_nobody_is_told_apart_from_who_is_while_the_source_is_down() {
    let bench = Bench::new(TERMS);
    let asked = [host("api.test"), id("api"), key("bad")];
    asked.iter().for_each(|key| assert_eq!(bench.ask(key), Ok(None)));
    bench.shelf.is_down.store(true, Ordering::SeqCst);
    assert!(matches!(bench.look(&asked[0]), Lookup::Nobody), "it is fresh");
    bench.hand.advance(TERMS.negative_ttl);
    assert!(matches!(bench.look(&asked[0]), Lookup::NotHere), "nobody has said yet that the source is down");
    assert_eq!(bench.ask(&asked[0]), Err(SourceFault::Failed));
    for key in &asked {
        assert!(matches!(bench.look(key), Lookup::NobodyThen) && bench.cache.was_nobodys(key), "{key:?}");
    }
    bench.cache.forget([&TenantId::parse("api").unwrap()], ["api.test"]);
    bench.cache.forget_keys([&KeyHash::of("bad")]);
    for key in &asked {
        assert!(matches!(bench.look(key), Lookup::NotHere) && !bench.cache.was_nobodys(key), "{key:?}");
    }
    bench.shelf.is_down.store(false, Ordering::SeqCst);
    asked.iter().for_each(|key| assert_eq!(bench.ask(key), Ok(None)));
}
