//! What becomes of pools that are written, also where the gateway can't do it yet.

use std::time::Duration;

use http::{HeaderName, Method};
use proptest::prelude::*;

use super::*;
use crate::config::decode::Decoder;
use crate::config::document::{
    Backoff, CircuitBreaker, CircuitLimits, EndpointHost, HashKey, HealthCheck, HttpProbe, OutlierDetection,
    Probe, Protocol, Retries, RetryOn, SuccessRate,
};
use crate::config::findings::Findings;
use crate::config::written::Config;
use crate::config::yaml;

/// Builds the pools of a text, relative to a folder. What is reported comes as `code: message`, but for what is not
/// supported yet.
fn built(pools: &str, folder: &std::path::Path) -> (BTreeMap<String, Pool>, Vec<String>) {
    let text = format!("listeners: [{{ bind: 0.0.0.0:8080 }}]\npools:\n{pools}");
    let mut findings = Findings::default();
    let file = findings.sources.add("test.yaml", &text);
    let root = yaml::parse(&text, file, &mut 0).ok().unwrap().root;
    let config: Config = Decoder::new(&findings).decode(&root).unwrap();
    let pools = Builder::new(&findings, folder, &config).pools(&config.pools);
    let mut found = findings.take(|_| true);
    found.retain(|finding| finding.code != "not-supported-yet");
    (pools, found.into_iter().map(|finding| format!("{}: {}", finding.code, finding.message)).collect())
}

/// The one pool `a` with these keys, which must be right.
#[track_caller]
fn pool(keys: &str) -> Pool {
    let (pools, found) = built(&format!("  a: {{ endpoints: [http://a], {keys} }}\n"), "".as_ref());
    assert!(found.is_empty(), "{found:#?}");
    pools["a"].clone()
}

/// What is reported of a pool `a` with these keys.
fn found(keys: &str) -> Vec<String> {
    built(&format!("  a: {{ endpoints: [http://a], {keys} }}\n"), "".as_ref()).1
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_pool_of_which_nothing_is_written_has_the_defaults() {
    let pool = pool("");
    assert_eq!(pool.endpoints.iter().map(|endpoint| endpoint.weight).collect::<Vec<_>>(), [1]);
    assert_eq!(pool.load_balancing, LoadBalancing::DEFAULT);
    assert_eq!((pool.slow_start, pool.drain, pool.protocol), (None, seconds(30), Protocol::Auto));
    assert_eq!((pool.health_check, pool.outlier_detection, pool.retries), (None, None, None));
    assert_eq!((pool.panic_threshold.get(), pool.circuit_breaker), (50, CircuitBreaker::default()));
    assert_eq!((pool.failover, pool.tls, pool.isolate_connections), (None, None, false));
    assert_eq!((pool.timeouts.tls, pool.timeouts.request), (seconds(5), None));
}

#[test]
fn endpoints_are_texts_or_have_a_weight() {
    let text = "  a: { endpoints: [http://a, { url: 'https://b', weight: 1000 }, { url: unix:/run/c }] }\n";
    let (pools, found) = built(text, "".as_ref());
    assert!(found.is_empty(), "{found:#?}");
    let shown: Vec<_> =
        pools["a"].endpoints.iter().map(|endpoint| (endpoint.to_string(), endpoint.weight)).collect();
    let expected = [("http://a:80", 1), ("https://b:443", 1_000), ("unix:/run/c", 1)];
    assert_eq!(shown, expected.map(|(url, weight)| (url.to_owned(), weight)));
}

#[test]
fn a_place_is_an_endpoint_once() {
    let found = |endpoints: &str| built(&format!("  a: {{ endpoints: [{endpoints}] }}\n"), "".as_ref()).1;
    assert!(found("http://a, https://a, http://b:443, unix:/run/a").is_empty(), "other ports");
    let twice = "duplicate-endpoint: `http://a:80` is there twice";
    assert_eq!(found("http://a, http://b, http://a:80"), [twice]);
    let both = "duplicate-endpoint: `https://a:443` is there with TLS and without";
    assert_eq!(found("http://a:443, https://a"), [both]);
}

#[test]
fn balancing_is_a_word_or_a_hash_of_something() {
    let hash = LoadBalancing::ConsistentHash;
    for (written, expected) in [
        ("round_robin", LoadBalancing::RoundRobin),
        ("least_request", LoadBalancing::LeastRequest),
        ("peak_ewma", LoadBalancing::PeakEwma),
        ("{ consistent_hash: { header: X-User } }", hash(HashKey::Header(HeaderName::from_static("x-user")))),
        ("{ consistent_hash: { cookie: Sid } }", hash(HashKey::Cookie("Sid".to_owned()))),
        ("{ consistent_hash: client_ip }", hash(HashKey::ClientIp)),
        ("{ consistent_hash: tenant }", hash(HashKey::Tenant)),
    ] {
        assert_eq!(pool(&format!("load_balancing: {written}")).load_balancing, expected, "{written}");
    }
    assert_eq!(pool("slow_start: 30s").slow_start, Some(seconds(30)));
}

#[test]
fn a_health_check_asks_for_a_path_or_for_a_connection() {
    let checks = |written: &str| pool(&format!("health_check: {written}")).health_check.unwrap();
    let least = HealthCheck {
        probe: Probe::Connect,
        interval: seconds(5),
        timeout: seconds(1),
        healthy: 2,
        unhealthy: 3,
    };
    assert_eq!(checks("{}"), least);
    let (method, path, host) = (Method::GET, "/healthz".to_owned(), None);
    let request = HttpProbe { method, path, host, expect: vec![200..=399] };
    assert_eq!(checks("{ path: /healthz }"), HealthCheck { probe: Probe::Http(request), ..least.clone() });
    let (method, path, host) = (Method::HEAD, "/a?b=c".to_owned(), Some("app.internal:81".to_owned()));
    let request = HttpProbe { method, path, host, expect: vec![200..=299, 404..=404] };
    let written = "{ path: '/a?b=c', method: HEAD, host: 'app.internal:81', expect: [200-299, 404], interval: 10s, \
                   timeout: 10s, healthy: 1, unhealthy: 1 }";
    let (probe, interval) = (Probe::Http(request), seconds(10));
    assert_eq!(checks(written), HealthCheck { probe, interval, timeout: interval, healthy: 1, unhealthy: 1 });
}

#[test]
fn outlier_detection_is_off_unless_written_and_compares_success_rates_only_when_asked_to() {
    let least = OutlierDetection {
        consecutive_failures: 5,
        interval: seconds(10),
        base_ejection: seconds(30),
        max_ejection: seconds(300),
        max_ejected: Percent::new(50),
        success_rate: None,
        min_tenants: 2,
    };
    let outliers = |written: &str| pool(&format!("outlier_detection: {written}")).outlier_detection;
    assert_eq!(outliers("{}"), Some(least.clone()));
    let rate = SuccessRate { min_hosts: 5, min_volume: 100, stdev_factor_milli: 1_900 };
    assert_eq!(outliers("{ success_rate: {} }").unwrap().success_rate, Some(rate));
    let rate = SuccessRate { stdev_factor_milli: 2_000, ..rate };
    assert_eq!(outliers("{ success_rate: { stdev_factor: 2 } }").unwrap().success_rate, Some(rate));
    let long = OutlierDetection { base_ejection: seconds(600), max_ejection: seconds(600), ..least };
    assert_eq!(outliers("{ base_ejection: 10m }"), Some(long));
}

#[test]
fn retries_have_a_budget_and_a_back_off() {
    let least = Retries {
        max: 2,
        on: RetryOn { connect_failure: true, reset: true, statuses: vec![502, 503, 504] },
        budget: Percent::new(20),
        tenant_budget: Percent::new(50),
        per_try_timeout: None,
        backoff: Backoff { base: Duration::from_millis(25), max: Duration::from_millis(250) },
        buffer_bytes: 64 << 10,
    };
    assert_eq!(pool("retries: {}").retries, Some(least.clone()));
    let written = "retries: { max: 10, on: [503, 500, 503, reset], budget: 5%, tenant_budget: 100%, per_try_timeout: 2s, \
                   backoff: { base: 1s }, buffer: 1MiB }";
    let expected = Retries {
        max: 10,
        on: RetryOn { connect_failure: false, reset: true, statuses: vec![500, 503] },
        budget: Percent::new(5),
        tenant_budget: Percent::new(100),
        per_try_timeout: Some(seconds(2)),
        backoff: Backoff { base: seconds(1), max: seconds(1) },
        buffer_bytes: 1 << 20,
    };
    assert_eq!(pool(written).retries, Some(expected));
}

#[test]
fn a_circuit_breaker_bounds_the_pool_and_each_tenant() {
    let written = "circuit_breaker: { max_connections: 100, max_pending: 0, per_tenant: { max_requests: 7, max_retries: 0 } }";
    let bounds =
        CircuitLimits { max_connections: Some(100), max_pending: Some(0), ..CircuitLimits::default() };
    let per_tenant =
        CircuitLimits { max_requests: Some(7), max_retries: Some(0), ..CircuitLimits::default() };
    assert_eq!(pool(written).circuit_breaker, CircuitBreaker { pool: bounds, per_tenant });
    let keys = "circuit_breaker: { max_requests: 5, per_tenant: { max_requests: 6 } }";
    assert_eq!(
        found(keys),
        ["bound-without-effect: a tenant may have more `max_requests` than the whole pool (5)"]
    );
}

#[test]
fn tls_is_read_with_its_files_and_shows_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let pem = |label: &str| format!("-----BEGIN {label}-----\nMIIBhidden\n-----END {label}-----\n");
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    let made = || rcgen::generate_simple_self_signed(vec!["gw.test".to_owned()]).unwrap();
    let (own, other) = (made(), made());
    let secret = own.signing_key.serialize_pem();
    write("ca.pem", own.cert.pem());
    write("broken.pem", own.cert.pem() + &pem("CERTIFICATE"));
    write("gw.pem", own.cert.pem());
    write("gw.key", secret.clone());
    write("other.key", other.signing_key.serialize_pem());
    write("locked.key", pem("ENCRYPTED PRIVATE KEY"));
    let old = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMIIBhidden";
    write("old.key", pem("RSA PRIVATE KEY").replace("MIIBhidden", old));
    let of = |tls: &str| {
        let text = format!("  a: {{ endpoints: ['https://a', http://b], tls: {tls} }}\n");
        let (pools, found) = built(&text, folder.path());
        (pools["a"].tls.clone().unwrap(), found)
    };
    let (tls, found) =
        of("{ ca: ca.pem, client_cert: gw.pem, client_key: gw.key, server_name: App.Internal }");
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(tls.ca.as_ref().unwrap().path, folder.path().join("ca.pem"));
    assert_eq!(&*tls.ca.as_ref().unwrap().text, own.cert.pem());
    assert_eq!(tls.client.as_ref().unwrap().key.expose(), secret);
    assert_eq!(tls.server_name, Some(EndpointHost::Name("app.internal".to_owned())));
    assert!(secret.lines().skip(1).all(|line| !format!("{tls:?}").contains(line)));

    let codes = |tls: &str| of(tls).1;
    for file in ["locked.key", "old.key"] {
        let found = codes(&format!("{{ client_cert: gw.pem, client_key: {file} }}"));
        assert_eq!(found, [format!("invalid-value: the file `{file}` is encrypted")]);
    }
    let path = "the file `gw.pem` has no private key in PEM";
    assert_eq!(codes("{ client_cert: gw.pem, client_key: gw.pem }"), [format!("invalid-value: {path}")]);
    let apart = "the file `other.key` can't be used: it is not the key of the certificate";
    assert_eq!(codes("{ client_cert: gw.pem, client_key: other.key }"), [format!("invalid-value: {apart}")]);
    let broken = codes("{ ca: broken.pem }").concat();
    assert!(
        broken.starts_with("invalid-value: the file `broken.pem` can't be used: its certificate 2"),
        "{broken}"
    );
    assert_eq!(
        codes("{ client_cert: gw.pem }"),
        ["missing-key: `client_cert` is there without `client_key`"]
    );
    assert_eq!(
        codes("{ insecure: true }"),
        ["insecure-tls: every certificate is believed: whoever is on the way can read and change all"]
    );
    assert!(codes("{ insecure: false, ca: ca.pem }").is_empty());
}

#[test]
fn a_file_with_another_content_makes_another_pool() {
    let folder = tempfile::tempdir().unwrap();
    let built = |certificate: &str| {
        let text = format!("-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n");
        std::fs::write(folder.path().join("ca.pem"), text).unwrap();
        built("  a: { endpoints: ['https://a'], tls: { ca: ca.pem } }\n", folder.path()).0
    };
    assert_eq!(built("AAAA"), built("AAAA"));
    assert_ne!(built("AAAA"), built("BBBB"));
}

#[test]
fn failover_leads_to_a_pool_and_comes_to_an_end() {
    let chain = |links: &[(&str, &str)]| {
        let pool = |(name, to): &(&str, &str)| {
            let failover =
                if to.is_empty() { String::new() } else { format!(", health_check: {{}}, failover: {to}") };
            format!("  {name}: {{ endpoints: [http://{name}]{failover} }}\n")
        };
        built(&links.iter().map(pool).collect::<String>(), "".as_ref())
    };
    let (pools, found) = chain(&[("a", "c"), ("b", "c"), ("c", "")]);
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(pools["a"].failover.as_deref(), Some("c"));
    assert_eq!(chain(&[("a", "a")]).1, ["circular-failover: a pool can't stand in for itself"]);
    assert_eq!(chain(&[("a", "d"), ("b", "")]).1, ["unknown-pool: there is no pool `d`"]);
    let (pools, found) =
        built("  a: { endpoints: [http://a], failover: b }\n  b: { endpoints: [http://b] }\n", "".as_ref());
    assert_eq!(pools["a"].failover.as_deref(), Some("b"));
    assert_eq!(found, ["blind-failover: nothing finds out that this pool's endpoints can't serve"]);
    // Once for each circle, also where other pools lead into it.
    let found =
        chain(&[("x", "a"), ("a", "b"), ("b", "c"), ("c", "a"), ("y", "b"), ("p", "q"), ("q", "p")]).1;
    let circle = |shown: &str| format!("circular-failover: failover goes in a circle: {shown}");
    assert_eq!(found, [circle("`a` → `b` → `c` → `a`"), circle("`p` → `q` → `p`")]);
}

proptest! {
    #[test]
    fn circles_are_found_as_a_naive_walk_finds_them(next in proptest::collection::vec(0_usize..9, 1..9)) {
        let len = next.len();
        let text: String = next
            .iter()
            .enumerate()
            .map(|(at, to)| {
                let failover = if *to < len { format!(", health_check: {{}}, failover: p{to}") } else { String::new() };
                format!("  p{at}: {{ endpoints: [http://p{at}]{failover} }}\n")
            })
            .collect();
        // A pool is in a circle where as many steps as there are pools, or fewer, lead back to it.
        let comes_back = |start: usize| {
            let mut at = start;
            (0..len).any(|_| { at = *next.get(at).unwrap_or(&len); at == start })
        };
        let found = built(&text, "".as_ref()).1;
        prop_assert_eq!(found.is_empty(), !(0..len).any(comes_back), "{:?}", found);
    }

    #[test]
    fn what_is_written_of_retries_is_what_is_read(
        max in 0_u8..=10, budget in 0_u8..=100, base in 1_u64..1_000, more in 0_u64..1_000, bytes in 0_u64..=16 << 20,
    ) {
        let written = format!(
            "retries: {{ max: {max}, budget: {budget}%, backoff: {{ base: {base}ms, max: {}ms }}, buffer: {bytes} }}",
            base + more,
        );
        let retries = pool(&written).retries.unwrap();
        prop_assert_eq!((retries.max, retries.budget.get(), retries.buffer_bytes), (max, budget, bytes));
        prop_assert_eq!(retries.backoff.base, Duration::from_millis(base));
        prop_assert_eq!(retries.backoff.max, Duration::from_millis(base + more));
    }
}
