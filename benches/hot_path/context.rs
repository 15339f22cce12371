//! What the application is told of the tenant, signed: made once for many requests.

use std::sync::Arc;

use criterion::Criterion;
use rcgen::{KeyPair, PKCS_ED25519};
use tollgate::tenant::{LookedUp, Tenant};

use super::compiled;

#[allow(clippy::expect_used, reason = "a benchmark of nothing must not look like a fast one")]
pub fn tell_of_the_tenant(c: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("context.key");
    let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
    std::fs::write(&file, key.serialize_pem()).expect("a file");
    let signed = format!("identity: {{ signed: {{ key_file: '{}', ttl: 60s }} }}\n", file.display());
    let tenant_of = |more: &str| {
        let snapshot = compiled(more, 1, 1, "");
        let found = snapshot.directory.by_id("t0", &LookedUp::default());
        found.ok().flatten().expect("a tenant")
    };
    let told = |tenant: &Arc<Tenant>| tenant.context(&tenant.terms.features.now()).line().len();
    let mut group = c.benchmark_group("context");
    for (name, tenant) in [("none", tenant_of("")), ("kept", tenant_of(&signed))] {
        assert_eq!(told(&tenant) > 0, name == "kept");
        group.bench_function(name, |b| b.iter(|| told(&tenant)));
    }
}
