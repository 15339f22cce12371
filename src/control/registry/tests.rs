//! What is forgotten, and when.

use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::*;
use crate::config::load_str;
use crate::store::{Actor, PAGE_BYTES};
use crate::telemetry::Metrics;

type Told = Arc<Mutex<Vec<(Vec<String>, Vec<String>)>>>;

/// A registry over a store, and what its cache was told.
struct World {
    _folder: tempfile::TempDir,
    registry: Arc<Registry>,
    told: Told,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = "{ listeners: [{ bind: 127.0.0.1:0 }], tenants: [{ id: acme }], plans: { free: {}, pro: {} }, \
                    pools: { all: { endpoints: ['http://127.0.0.1:1'] } }, default_pool: all }";
        let document = load_str(text, "test.yaml").unwrap().document;
        let told = Told::default();
        let telling = Arc::clone(&told);
        let forget = move |tenants: &[TenantId], hosts: &[Box<str>], _: &[KeyHash]| {
            let mut hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
            hosts.sort();
            let tenants = tenants.iter().map(ToString::to_string).collect();
            telling.lock().unwrap_or_else(PoisonError::into_inner).push((tenants, hosts));
        };
        let registry = Registry::new(Arc::new(document), Arc::new(forget));
        let metrics = Metrics::new(1).unwrap();
        registry.connect(Arc::new(Store::open(&folder.path().join("t.db"), metrics.store()).unwrap()));
        Self { _folder: folder, registry: Arc::new(registry), told }
    }

    /// What was told since it was asked last.
    fn told(&self) -> Vec<(Vec<String>, Vec<String>)> {
        std::mem::take(&mut *self.told.lock().unwrap())
    }

    async fn put(&self, id: &str, document: Value) -> Change {
        self.registry.put(id, &document, Precondition::None, actor()).await.unwrap()
    }
}

fn actor() -> Actor {
    Actor("token".into())
}

fn one(id: &str, hosts: &[&str]) -> Vec<(Vec<String>, Vec<String>)> {
    vec![(vec![id.to_owned()], hosts.iter().map(|host| (*host).to_owned()).collect())]
}

#[tokio::test]
async fn what_a_tenant_was_and_is_is_forgotten_before_the_answer() {
    let world = World::new();
    world.put("one", json!({ "plan": "free", "domains": ["a.test", "*.b.test"] })).await;
    assert_eq!(world.told(), one("one", &["*.b.test", "a.test"]));
    world.put("one", json!({ "plan": "free", "domains": ["*.b.test", "c.test"] })).await;
    assert_eq!(world.told(), one("one", &["*.b.test", "a.test", "c.test"]));
    world.put("one", json!({ "domains": ["c.test", "*.b.test"], "plan": "free" })).await;
    assert_eq!(world.told(), [], "nothing has changed");
    let registry = &world.registry;
    let reason = Some("unpaid".into());
    let suspended =
        registry.set_state("one", "suspended", "tenant.suspend", reason, Precondition::None, actor());
    suspended.await.unwrap();
    assert_eq!(world.told(), one("one", &["*.b.test", "c.test"]));
    registry.claim_domain("one", "d.test", false, actor()).await.unwrap();
    assert_eq!(world.told(), [], "a claim leads nobody anywhere");
    registry.claim_domain("one", "d.test", true, actor()).await.unwrap();
    assert_eq!(world.told(), one("one", &["d.test"]));
    registry.release_domain("one", "c.test", actor()).await.unwrap();
    assert_eq!(world.told(), one("one", &["c.test"]));
    registry.delete("one", Precondition::None, actor()).await.unwrap();
    assert_eq!(world.told(), one("one", &["*.b.test", "d.test"]));
}

#[tokio::test]
async fn an_import_forgets_what_it_changed_and_a_dry_run_nothing() {
    let world = World::new();
    world.put("same", json!({ "plan": "free" })).await;
    world.told();
    let lines =
        [r#"{"id":"same","plan":"free"}"#, r#"{"id":"new","domains":["n.test"]}"#, "{", r#"{"id":"acme"}"#];
    let lines = || (1..).zip(lines).map(|(number, text)| Line { number, text: text.into() }).collect();
    let import = |dry_run| world.registry.import(lines(), ImportMode::Upsert, dry_run, actor());
    let dry = import(true).await.unwrap();
    assert_eq!((dry.created, dry.updated, dry.unchanged, dry.errors.len()), (1, 0, 1, 2));
    assert_eq!(world.told(), []);
    assert_eq!(import(false).await.unwrap(), dry);
    assert_eq!(world.told(), one("new", &["n.test"]));
}

#[tokio::test]
async fn a_tenant_whose_plan_is_gone_can_be_suspended_and_deleted_but_not_be_put_back() {
    let world = World::new();
    let stored = world.put("one", json!({ "plan": "pro" })).await.tenant.document;
    let text = "{ listeners: [{ bind: 127.0.0.1:0 }], plans: { free: {} }, tenants: [{ id: two }], \
                pools: { all: { endpoints: ['http://127.0.0.1:1'] } }, default_pool: all }";
    world.registry.adopt(Arc::new(load_str(text, "test.yaml").unwrap().document));
    let refused = world.registry.put("one", &stored, Precondition::None, actor()).await.unwrap_err();
    assert!(matches!(refused, Refusal::Invalid(_)), "{refused:?}");
    let registry = &world.registry;
    registry
        .set_state("one", "suspended", "tenant.suspend", None, Precondition::None, actor())
        .await
        .unwrap();
    assert_eq!(registry.tenant("one").await.unwrap().document["state"], "suspended");
    registry.delete("one", Precondition::None, actor()).await.unwrap();
    // And what was the configuration's is free.
    assert!(
        registry
            .put("acme", &json!({ "plan": "free" }), Precondition::Absent, actor())
            .await
            .unwrap()
            .created
    );
    let page = registry.tenants(&Listing { limit: 10, ..Listing::default() }).await.unwrap();
    let ids: Vec<&Value> = page.tenants.iter().map(|tenant| &tenant["id"]).collect();
    assert_eq!(ids, ["acme", "two"]);
}

#[tokio::test]
async fn a_tenant_of_both_is_the_configurations_and_hides_nobody_behind_it() {
    let world = World::new();
    for id in ["a", "b", "c"] {
        world.put(id, json!({ "plan": "free" })).await;
    }
    let text = "{ listeners: [{ bind: 127.0.0.1:0 }], plans: { free: {} }, tenants: [{ id: a }, { id: b, domains: [b.test] }, { id: z }], \
                pools: { all: { endpoints: ['http://127.0.0.1:1'] } }, default_pool: all }";
    world.registry.adopt(Arc::new(load_str(text, "test.yaml").unwrap().document));
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = world.registry.tenants(&Listing { limit: 1, after, ..Listing::default() }).await.unwrap();
        found.extend(page.tenants.iter().map(|t| (t["id"].clone(), t["source"].clone())));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let configured = |id: &str| (json!(id), json!("configuration"));
    assert_eq!(found, [configured("a"), configured("b"), (json!("c"), json!("store")), configured("z")]);
    let taken = world.registry.claim_domain("c", "b.test", true, actor()).await.unwrap_err();
    assert!(matches!(taken, Refusal::DomainTaken { .. }), "{taken:?}");
    assert_eq!(
        world.registry.exported(&Listing { limit: 10, ..Listing::default() }).await.unwrap().tenants.len(),
        3
    );
}

#[tokio::test]
async fn a_page_ends_before_it_is_too_large_and_the_next_goes_on() {
    let world = World::new();
    let large = "x".repeat(PAGE_BYTES / 5);
    for number in 0..12 {
        let document = json!({ "plan": "free", "labels": { "note": large } });
        world.put(&format!("t{number:02}"), document).await;
    }
    let of_the_configuration: Vec<String> = ["a", "t05x", "z"]
        .iter()
        .map(|id| format!("{{ id: {id}, labels: {{ note: {} }} }}", "x".repeat(PAGE_BYTES * 2 / 5)))
        .collect();
    let text = format!(
        "{{ listeners: [{{ bind: 127.0.0.1:0 }}], plans: {{ free: {{}} }}, tenants: [{}], \
          pools: {{ all: {{ endpoints: ['http://127.0.0.1:1'] }} }}, default_pool: all }}",
        of_the_configuration.join(", ")
    );
    world.registry.adopt(Arc::new(load_str(&text, "test.yaml").unwrap().document));
    let mut found = Vec::new();
    let mut listing = Listing { limit: 1_000, ..Listing::default() };
    loop {
        let page = world.registry.tenants(&listing).await.unwrap();
        assert!((1..=4).contains(&page.tenants.len()), "{}", page.tenants.len());
        found.extend(page.tenants.iter().map(|tenant| tenant["id"].as_str().unwrap().to_owned()));
        listing.after = page.next;
        if listing.after.is_none() {
            break;
        }
    }
    let mut all: Vec<String> = (0..12).map(|number| format!("t{number:02}")).collect();
    all.extend(["a", "t05x", "z"].map(str::to_owned));
    all.sort();
    assert_eq!(found, all);

    let mut filter = AuditFilter { limit: 1_000, ..AuditFilter::default() };
    let mut entries = 0;
    loop {
        let page = world.registry.audit(&filter).await.unwrap();
        assert!((1..=4).contains(&page.entries.len()));
        entries += page.entries.len();
        filter.before = page.next;
        if filter.before.is_none() {
            break;
        }
    }
    assert_eq!(entries, 12);
}

#[tokio::test]
async fn imports_take_turns() {
    let world = World::new();
    let first = world.registry.begin_import().unwrap();
    let _second = world.registry.begin_import().unwrap();
    assert!(matches!(world.registry.begin_import(), Err(Refusal::TooManyImports)));
    drop(first);
    assert!(world.registry.begin_import().is_ok());
}
