//! What is loaded step by step is what would be loaded at once.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::config::{self, Document};
use crate::config::{Difference, Tenant, TenantList};
use crate::types::TenantId;

/// A step: what is done to files before the next load.
#[derive(Clone, Debug)]
enum Step {
    Write(&'static str, String),
    /// Under another name, then renamed, as deployments do.
    Replace(&'static str, String),
    /// As mounted configurations do.
    Link(&'static str, String),
    Remove(&'static str),
    Rename(&'static str, &'static str),
    Main(String),
    Load,
    LoadEverything,
    /// Without a sign, as after a start.
    Compare,
}

const NAMES: [&str; 7] = ["a.yaml", "a.yml", "b.yaml", "c.yaml", "d.yml", "Bad.yaml", ".hidden.yaml"];

fn tenant_text() -> impl Strategy<Value = String> {
    let plan = select(vec!["", "plan: p\n", "plan: q\n", "plan: r\n"]);
    let domains = subsequence(
        vec!["x.test", "y.test", "a.app.test", "b.app.test", "'*.app.test'", "'*.z.test'", "x.test"],
        0..4,
    );
    let rest = select(vec![
        "",
        "",
        "pool: one\n",
        "pool: two\n",
        "features: [f]\n",
        "limits: { rate_limit: { burst: 3 } }\n",
        "limits: { rate_limit: { rate: 9/s, burst: 2 } }\n",
        "limits: { rate_limits: [{ name: l, rate: 1/s, routes: [costly] }] }\n",
        "limits: { quotas: [{ name: q, meter: requests, limit: 3, per: day }] }\n",
        "limits: { concurrency: { reserved: 3 } }\n",
        "request_headers: { set: { x-own: '1' } }\n",
        "id: b\n",
        "colour: red\n",
        "state: [\n",
    ]);
    let text = (plan, domains, rest)
        .prop_map(|(plan, domains, rest)| format!("{plan}domains: [{}]\n{rest}", domains.join(", ")));
    prop_oneof![9 => text, 1 => Just(String::new())]
}

fn main_text() -> impl Strategy<Value = String> {
    let plans = select(vec![
        "{ p: { rate_limit: { rate: 5/s, burst: 4 }, features: [g] }, q: { pool: one } }",
        "{ p: {}, q: { pool: one, concurrency: { reserved: 2 } }, r: {} }",
        "{ p: { rate_limit: { rate: 5/s, burst: 9 } } }",
    ]);
    let pools = select(vec![
        "{ one: { endpoints: [http://a], concurrency: { limit: 4 } }, two: { endpoints: [http://b] } }",
        "{ one: { endpoints: [http://a] } }",
    ]);
    let routes = select(vec![
        "",
        "routes: [{ name: costly, match: { path: /c }, pool: one, cost: 5, requires_feature: f }, { match: { path: / }, pool: one }]\n",
        "routes: [{ match: { path: / }, pool: '{tenant.pool}' }]\n",
        "routes: [{ match: { path: /c }, pool: one, cost: 4 }]\n",
    ]);
    let rest = subsequence(
        vec![
            "default_pool: one\n",
            "identity: { header: X-Own }\n",
            "tenancy: { identify: [{ host: '{tenant}.app.test' }, domain], unknown: { tenant: a } }\n",
            "tenants: [{ id: m, domains: [x.test, b.app.test] }, { id: b, pool: one }]\n",
            "# moved down\n",
            "colour: red\n",
        ],
        0..5,
    );
    let dir =
        prop_oneof![8 => Just("tenants_dir: tenants\n"), 1 => Just("tenants_dir: others\n"), 1 => Just("")];
    (plans, pools, routes, rest, dir).prop_map(|(plans, pools, routes, rest, dir)| {
        let rest = rest.concat();
        format!("{rest}listeners: [{{ bind: 0.0.0.0:8080 }}]\n{dir}plans: {plans}\npools: {pools}\n{routes}")
    })
}

fn step() -> impl Strategy<Value = Step> {
    let name = || select(NAMES.to_vec());
    prop_oneof![
        6 => (name(), tenant_text()).prop_map(|(name, text)| Step::Write(name, text)),
        3 => (name(), tenant_text()).prop_map(|(name, text)| Step::Replace(name, text)),
        1 => (name(), tenant_text()).prop_map(|(name, text)| Step::Link(name, text)),
        2 => name().prop_map(Step::Remove),
        2 => (name(), name()).prop_map(|(from, to)| Step::Rename(from, to)),
        3 => main_text().prop_map(Step::Main),
        6 => Just(Step::Load),
        1 => Just(Step::LoadEverything),
        1 => Just(Step::Compare),
    ]
}

/// All that is to be the same, in words: origins compare equal whatever they say.
fn told(outcome: &Result<Loaded, Report>) -> String {
    match outcome {
        Ok(loaded) => {
            let quarantined = &loaded.quarantined;
            format!("{:#?}\n{:#?}\n{quarantined:#?}\n{:?}", loaded.document, loaded.warnings, loaded.watched)
        }
        Err(report) => format!("{:#?}", report.diagnostics),
    }
}

struct Folder {
    directory: tempfile::TempDir,
    /// Paths that the file system would have told of.
    signs: BTreeSet<PathBuf>,
    links: usize,
}

impl Folder {
    fn new(main: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for folder in ["tenants", "others", "elsewhere"] {
            fs::create_dir(directory.path().join(folder)).unwrap();
        }
        fs::write(directory.path().join("others/o.yaml"), "domains: [x.test]\n").unwrap();
        let folder = Self { directory, signs: BTreeSet::new(), links: 0 };
        fs::write(folder.main(), main).unwrap();
        folder
    }

    fn main(&self) -> PathBuf {
        self.directory.path().join("tollgate.yaml")
    }

    /// A tenant's file, of which there is a sign from now on.
    fn touch(&mut self, name: &str) -> PathBuf {
        let path = self.directory.path().join("tenants").join(name);
        self.signs.insert(path.clone());
        path
    }

    fn carry_out(&mut self, step: &Step) {
        match step {
            Step::Write(name, text) => fs::write(self.touch(name), text).unwrap(),
            Step::Replace(name, text) => {
                let draft = self.touch("draft.tmp");
                fs::write(&draft, text).unwrap();
                fs::rename(draft, self.touch(name)).unwrap();
            }
            Step::Link(name, text) => {
                // Another one each time: that a target changes is told by no sign.
                self.links += 1;
                let target = self.directory.path().join("elsewhere").join(self.links.to_string());
                fs::write(&target, text).unwrap();
                let path = self.touch(name);
                let _ = fs::remove_file(&path);
                symlink(target, path).unwrap();
            }
            Step::Remove(name) => drop(fs::remove_file(self.touch(name))),
            Step::Rename(from, to) => drop(fs::rename(self.touch(from), self.touch(to))),
            Step::Main(text) => {
                let draft = self.directory.path().join("draft");
                fs::write(&draft, text).unwrap();
                fs::rename(draft, self.main()).unwrap();
                self.signs.insert(self.main());
            }
            Step::Load | Step::LoadEverything | Step::Compare => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_loaded_step_by_step_is_what_would_be_loaded_at_once(
        main in main_text(),
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut folder = Folder::new(&main);
        let mut loader = Loader::of_file(&folder.main());
        let mut last = loader.load();
        let mut accepted: Option<Document> = None;
        for step in steps.iter().chain([&Step::Load]) {
            folder.carry_out(step);
            let outcome = match step {
                Step::Load => {
                    let look = Look::Paths(std::mem::take(&mut folder.signs));
                    loader.load_changed(&look)
                }
                Step::LoadEverything => {
                    folder.signs.clear();
                    Some(loader.load())
                }
                Step::Compare => {
                    folder.signs.clear();
                    let look = loader.inventory().compare();
                    loader.load_changed(&look)
                }
                _ => continue,
            };
            if let Some(outcome) = outcome {
                last = outcome;
            }
            let at_once = config::load(&folder.main());
            let (last_told, at_once) = (told(&last), told(&at_once));
            let differing = last_told.lines().zip(at_once.lines()).find(|(a, b)| a != b);
            prop_assert!(last_told == at_once, "step by step, and at once: {differing:#?}");
            let Ok(loaded) = &last else { continue };
            check_difference(&loaded.difference, accepted.as_ref(), &loaded.document)?;
            // Now and then something else keeps a document from coming into force.
            if loaded.document.tenants.len() % 3 != 2 {
                loader.accept();
                accepted = Some(loaded.document.clone());
                last.as_mut().unwrap().difference = Difference::default();
            }
        }
    }
}

/// A difference says how two documents' tenants differ, and what it does not name is the same `Arc`.
fn check_difference(
    difference: &Difference,
    before: Option<&Document>,
    now: &Document,
) -> Result<(), TestCaseError> {
    let none = TenantList::default();
    let before = before.map_or(&none, |document| &document.tenants);
    let of = |tenants: &TenantList, id: &TenantId| tenants.iter().find(|tenant| tenant.id == *id).cloned();
    if difference.is_empty() && before.len() == now.tenants.len() {
        return Ok(());
    }
    for tenant in &now.tenants {
        let named = |tenants: &[Arc<Tenant>]| tenants.iter().any(|named| Arc::ptr_eq(named, tenant));
        match of(before, &tenant.id) {
            None => prop_assert!(named(&difference.added), "{} is new", tenant.id),
            Some(old) => {
                prop_assert_eq!(named(&difference.changed), !Arc::ptr_eq(&old, tenant), "{}", tenant.id);
            }
        }
    }
    for tenant in before {
        let is_gone = of(&now.tenants, &tenant.id).is_none();
        prop_assert_eq!(difference.removed.contains(&tenant.id), is_gone, "{}", tenant.id);
    }
    Ok(())
}

#[test]
fn what_has_not_changed_is_the_same_and_what_has_is_told() {
    let mut folder = Folder::new(
        "listeners: [{ bind: 0.0.0.0:8080 }]\ntenants_dir: tenants\nroutes: []\ntenants: [{ id: m }]\n",
    );
    for name in ["a.yaml", "b.yaml", "c.yaml"] {
        folder.carry_out(&Step::Write(name, format!("domains: [{name}.test]\n")));
    }
    let mut loader = Loader::of_file(&folder.main());
    let first = loader.load().unwrap();
    assert!(first.difference.main);
    assert_eq!(first.difference.added.len(), 4);
    loader.accept();
    let look = |folder: &mut Folder| Look::Paths(std::mem::take(&mut folder.signs));
    // What was just read may have been written since, but was not.
    assert!(
        loader.load_changed(&look(&mut folder)).is_none_or(|loaded| loaded.unwrap().difference.is_empty())
    );

    folder.carry_out(&Step::Write("b.yaml", "labels: { a: b }\n".into()));
    folder.carry_out(&Step::Remove("c.yaml"));
    let second = loader.load_changed(&look(&mut folder)).unwrap().unwrap();
    assert!(!second.difference.main);
    fn ids<'t>(tenants: impl IntoIterator<Item = &'t Arc<Tenant>>) -> Vec<String> {
        tenants.into_iter().map(|tenant| tenant.id.to_string()).collect()
    }
    assert_eq!(ids(&second.difference.changed), ["b"]);
    assert_eq!(second.difference.removed, [TenantId::parse("c").unwrap()]);
    assert_eq!(ids(&second.document.tenants), ["m", "a", "b"]);
    let tenant = |loaded: &Loaded, place| Arc::as_ptr(loaded.document.tenants.get(place).unwrap());
    for same in [0, 1] {
        assert!(std::ptr::eq(tenant(&first, same), tenant(&second, same)));
    }
    // Nobody has accepted that: the next one tells it again.
    folder.carry_out(&Step::Rename("a.yaml", "a.yml"));
    let third = loader.load_changed(&look(&mut folder)).unwrap().unwrap();
    assert_eq!(ids(&third.difference.changed), ["a", "b"]);
    assert_eq!(third.difference.removed.len(), 1);
    loader.accept();
    let fourth = loader.load_changed(&Look::Everything);
    assert!(fourth.is_none_or(|loaded| loaded.unwrap().difference.is_empty()));
}

#[test]
fn what_has_failed_is_no_change_of_what_is_in_force() {
    let good = "listeners: [{ bind: 0.0.0.0:8080 }]\nroutes: []\nplans: { p: {} }\n\
                tenants: [{ id: m, plan: p }, { id: n, plan: p }]\n";
    let mut folder = Folder::new(good);
    let mut loader = Loader::of_file(&folder.main());
    loader.load().unwrap();
    loader.accept();
    folder.carry_out(&Step::Main(good.replace("id: n, plan: p", "id: n, plan: none")));
    assert!(loader.load().is_err());
    folder.carry_out(&Step::Main(good.to_owned()));
    let again = loader.load().unwrap().difference;
    assert!(again.added.is_empty() && again.changed.is_empty() && again.removed.is_empty(), "{again:?}");
}
