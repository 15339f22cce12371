use std::io::Write;
use std::process::{Command, Stdio};

use super::*;
use crate::telemetry::tenants::tests::Plain;
use crate::telemetry::{CertificateReading, EndpointFailure};
use crate::telemetry::{CircuitLevel, CircuitReading, Mirroring, Protocol, RequestRecord, SeatReading};
use crate::types::TenantId;

/// A pool of two seats, for one of which acme waits, and globex too.
#[derive(Debug)]
struct Waiting;

impl SeatReading for Waiting {
    fn limit(&self) -> Option<u32> {
        Some(2)
    }

    fn in_use(&self) -> u32 {
        1
    }

    fn streams(&self) -> u32 {
        3
    }

    fn fairness(&self) -> f64 {
        0.5
    }

    fn depths(&self, tell: &mut dyn FnMut(&TenantId, u32)) {
        for tenant in ["acme", "globex", "initech"] {
            tell(&TenantId::parse(tenant).expect("an id"), 2);
        }
    }
}

impl CircuitReading for Waiting {
    fn levels(&self, tell: &mut dyn FnMut(CircuitLevel)) {
        let level = CircuitLevel {
            resource: "requests",
            in_use: 2,
            limit: Some(2),
            trips: 7,
            tenant_limit: Some(1),
            tenant_trips: 4,
        };
        tell(level);
        tell(CircuitLevel { resource: "pending", in_use: 9, limit: None, ..level });
        tell(CircuitLevel { resource: "retries", in_use: 1, tenant_limit: None, ..level });
    }
}

/// Metrics with a value in every family, for as long as the seats live; and a tenant with series of its own.
fn busy() -> (Metrics, (Arc<Waiting>, Arc<Plain>)) {
    let metrics = Metrics::new(1).expect("metrics");
    let id = |text| TenantId::parse(text).expect("an id");
    let record = RequestRecord {
        status: 200,
        refusal: None,
        duration: Duration::from_micros(700),
        queue_wait: None,
        request_bytes: 10,
        response_bytes: 2_000,
    };
    let limited = RequestRecord { status: 429, refusal: Some("rate_limited"), ..record };
    let [acme, globex] = ["acme", "globex"].map(|name| Plain::new(&id(name), metrics.tenant()));
    for tenant in [&acme, &globex] {
        TenantMeter::started(tenant);
        tenant.meter().finished(&record);
        TenantMeter::refused(tenant, &limited);
    }
    acme.meter().shadow_rejected(metrics.limit("per-key"));
    metrics.quotas().decided_without("deny");
    metrics.store().committed(Duration::from_micros(300));
    metrics.store().failed();
    metrics.store().read(Duration::from_micros(20));
    metrics.store().read_failed();
    metrics.unknown_tenant().refused(&limited);
    let pool = metrics.pool("shared");
    pool.upstream_observe(Duration::from_micros(500));
    pool.retried();
    Mirroring::refused(&pool);
    let endpoint = pool.endpoint("http://127.0.0.1:9001");
    endpoint.started();
    endpoint.answered(Duration::from_micros(500));
    endpoint.failed(EndpointFailure::Status);
    endpoint.set_draining(true);
    assert!(pool.endpoint("unix:/run/\"odd\"\\name.sock").set_up(false));
    drop(pool.connection_opened());
    let seats = Arc::new(Waiting);
    pool.show_seats(Arc::downgrade(&seats) as _);
    pool.show_circuit(Arc::downgrade(&seats) as _);
    metrics.worker_started(0, || 3);
    metrics.listener("0.0.0.0:8080").accepted();
    let listener = metrics.listener("0.0.0.0:8443");
    listener.shaken("TLSv1.3", false, Duration::from_millis(1));
    listener.not_shaken("closed");
    listener.set_certificates(vec![("acme.test".into(), 2_000_000_000)]);
    listener.set_revocations(vec![("CN=clients".into(), 2_000_000_000)]);
    metrics.overhead_observe(Duration::from_micros(20));
    metrics.acme().kept(CertificateReading { valid: 1, soonest_ms: Some(1_000), ..Default::default() });
    metrics.connection_refused("limit");
    metrics.connection_cut("idle");
    metrics.accept_paused();
    metrics.http2_abused("ping");
    metrics.malformed_request("host");
    metrics.reload_succeeded(UNIX_EPOCH + Duration::from_millis(1_700_000_000_500));
    (metrics, (seats, acme))
}

#[test]
fn the_exposition_has_every_family_and_what_was_recorded() {
    let (metrics, _seats) = busy();
    let text = metrics.render();
    for family in families::ALL {
        assert!(text.contains(&format!("# TYPE {} ", family.name)), "{} is missing", family.name);
        assert!(text.contains(&format!("# HELP {} {}\n", family.name, family.help)), "{}", family.name);
    }
    let tripped = "tollgate_circuit_breaker_tripped_total{pool=\"shared\",resource";
    assert!(
        !text.contains(&format!("{tripped}=\"pending\",scope=\"pool\"")),
        "what has no bound is not shown"
    );
    assert!(!text.contains(&format!("{tripped}=\"retries\",scope=\"tenant\"")));
    for line in [
        "tollgate_circuit_breaker_open{pool=\"shared\",resource=\"requests\"} 1",
        "tollgate_circuit_breaker_open{pool=\"shared\",resource=\"retries\"} 0",
        "tollgate_circuit_breaker_tripped_total{pool=\"shared\",resource=\"requests\",scope=\"pool\"} 7",
        "tollgate_circuit_breaker_tripped_total{pool=\"shared\",resource=\"pending\",scope=\"tenant\"} 4",
        "tollgate_requests_total{code=\"2xx\",tenant=\"acme\"} 1",
        "tollgate_requests_total{code=\"4xx\",tenant=\"_other\"} 1",
        "tollgate_rejected_total{reason=\"rate_limited\",tenant=\"_unknown\"} 1",
        "tollgate_quota_used_ratio{tenant=\"acme\",quota=\"monthly\"} 0.5",
        "tollgate_quota_soft_exceeded{tenant=\"acme\",quota=\"monthly\"} 0",
        "tollgate_quota_outages_total{policy=\"local\"} 0",
        "tollgate_quota_outages_total{policy=\"deny\"} 1",
        "tollgate_store_commit_duration_seconds_count 1",
        "tollgate_store_errors_total 1",
        "tollgate_store_read_duration_seconds_count 1",
        "tollgate_store_read_errors_total 1",
        "tollgate_shadow_rejected_total{limit=\"per-key\",tenant=\"acme\"} 1",
        "tollgate_request_duration_seconds_bucket{tenant=\"acme\",le=\"0.0005\"} 0",
        "tollgate_request_duration_seconds_bucket{tenant=\"acme\",le=\"0.001\"} 2",
        "tollgate_request_duration_seconds_sum{tenant=\"acme\"} 0.0014",
        "tollgate_upstream_duration_seconds_count{pool=\"shared\"} 1",
        "tollgate_pool_seats{pool=\"shared\"} 2",
        "tollgate_pool_seats_in_use{pool=\"shared\"} 1",
        "tollgate_pool_streams{pool=\"shared\"} 3",
        "tollgate_pool_fairness_ratio{pool=\"shared\"} 0.5",
        "tollgate_queue_depth{pool=\"shared\",tenant=\"acme\"} 2",
        "tollgate_queue_depth{pool=\"shared\",tenant=\"_other\"} 4",
        "tollgate_overhead_duration_seconds_bucket{le=\"0.00002\"} 1",
        "tollgate_endpoint_up{endpoint=\"http://127.0.0.1:9001\",pool=\"shared\"} 1",
        "tollgate_config_last_reload_successful 1",
        "tollgate_config_last_reload_success_timestamp_seconds 1700000000.5",
    ] {
        let (labels, value) = line.rsplit_once(' ').expect("a value");
        let found = text.lines().find(|found| same_series(found, labels));
        let found = found.unwrap_or_else(|| panic!("{labels} is missing in\n{text}"));
        assert!(found.ends_with(&format!(" {value}")), "{found} should be {value}");
    }
}

/// Whether a line is of this series, whatever the order of its labels.
fn same_series(line: &str, series: &str) -> bool {
    let parts = |text: &str| {
        let mut parts: Vec<String> =
            text.split(['{', '}', ',']).filter(|part| !part.is_empty()).map(str::to_owned).collect();
        parts.sort();
        parts
    };
    line.rsplit_once(' ').is_some_and(|(found, _)| parts(found) == parts(series))
}

#[test]
fn what_is_gone_is_no_longer_shown() {
    let (metrics, (_seats, acme)) = busy();
    metrics.pool("shared").retain_endpoints(|endpoint| endpoint.starts_with("http:"));
    assert!(!metrics.render().contains("unix:"));
    metrics.retain_pools(|_| false);
    assert!(!metrics.render().contains("pool=\"shared\""));
    metrics.forget_tenant(&*acme);
    assert!(!metrics.render().contains("tenant=\"acme\""));
    metrics.reload_failed();
    assert!(metrics.render().contains("tollgate_config_last_reload_successful 0\n"));
}

#[test]
fn an_open_connection_counts_as_long_as_it_lives() {
    let metrics = Metrics::new(1).expect("metrics");
    let (listener, pool) = (metrics.listener("a"), metrics.pool("p"));
    let open = (listener.opened(Protocol::Http2), pool.connection_opened());
    let text = metrics.render();
    assert!(text.contains("tollgate_connections{listener=\"a\",protocol=\"http2\"} 1\n"), "{text}");
    assert!(text.contains("tollgate_upstream_connections{pool=\"p\"} 1\n"), "{text}");
    drop(open);
    let text = metrics.render();
    assert!(text.contains("tollgate_connections{listener=\"a\",protocol=\"http2\"} 0\n"), "{text}");
    assert!(text.contains("tollgate_upstream_connections{pool=\"p\"} 0\n"), "{text}");
    assert!(text.contains("tollgate_upstream_connections_total{pool=\"p\"} 1\n"), "{text}");
}

#[test]
fn several_gateways_share_a_process() {
    let (one, two) = (busy(), Metrics::new(1).expect("metrics"));
    assert!(one.0.render().contains("tenant=\"acme\""));
    assert!(!two.render().contains("tenant=\"acme\""));
}

#[test]
fn promtool_finds_nothing_to_say() {
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    // The package `prometheus` brings it; without it the other tests still hold.
    let Ok(mut promtool) = promtool else { return };
    let mut stdin = promtool.stdin.take().expect("a pipe");
    stdin.write_all(busy().0.render().as_bytes()).expect("promtool reads");
    drop(stdin);
    let output = promtool.wait_with_output().expect("promtool ends");
    let said = String::from_utf8([output.stdout, output.stderr].concat()).expect("text");
    // Two names are as they were promised.
    let promised = |line: &str| {
        ["cache_hits", "cache_misses"]
            .iter()
            .any(|name| line.starts_with(&format!("tollgate_tenant_{name} counter metrics should have")))
    };
    let said: Vec<_> = said.lines().filter(|line| !line.is_empty() && !promised(line)).collect();
    assert!(said.is_empty(), "{said:?}");
}
