//! What telemetry costs a request: held to about 100 ns for the metrics of a tenant.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime};

use criterion::{Criterion, criterion_group, criterion_main};
use http::{Method, Uri};
use tollgate::telemetry::access_log::{AccessLog, AccessLogSettings, Entry};
use tollgate::telemetry::{Metrics, RequestRecord, TenantMeter};
use tollgate::tenant::Accounts;
use tollgate::types::TenantId;

fn record_a_request(c: &mut Criterion) {
    let Ok(metrics) = Metrics::new(1) else { return };
    let (Ok(own), Ok(other)) = (TenantId::parse("own"), TenantId::parse("other")) else { return };
    let record = RequestRecord {
        status: 200,
        refusal: None,
        duration: Duration::from_micros(730),
        queue_wait: None,
        request_bytes: 0,
        response_bytes: 1_024,
    };
    let limited = RequestRecord { status: 429, refusal: Some("rate_limited"), ..record };
    let mut group = c.benchmark_group("telemetry/record");
    for (name, id) in [("own series", own), ("shared series", other)] {
        let account = Accounts::default().open(&id, &metrics);
        group.bench_function(name, |b| {
            b.iter(|| {
                TenantMeter::started(&account);
                account.meter.finished(black_box(&record));
            });
        });
        group.bench_function(format!("{name}, refused"), |b| {
            b.iter(|| TenantMeter::refused(&account, black_box(&limited)));
        });
    }
    let pool = metrics.pool("shared");
    group.bench_function("upstream and overhead", |b| {
        b.iter(|| {
            pool.upstream_observe(black_box(Duration::from_micros(700)));
            metrics.overhead_observe(black_box(Duration::from_micros(21)));
        });
    });
    group.finish();
}

fn push_an_entry(c: &mut Criterion) {
    let Ok(metrics) = Metrics::new(1) else { return };
    let settings = AccessLogSettings { path: "/dev/null".to_owned(), sample: 1.0 };
    let Ok(log) = AccessLog::start(&settings, metrics.access_log()) else { return };
    let sender = log.sender();
    let Ok(tenant) = TenantId::parse("acme") else { return };
    let uri = Uri::from_static("/api/reports?from=2026-01-01&to=2026-02-01");
    let started = SystemTime::now();
    c.bench_function("telemetry/access log push", |b| {
        b.iter(|| {
            sender.push(black_box(&Entry {
                started,
                request_id: b"0190a5e2-7c1e-7b3a-9f4e-2f1d3c4b5a69",
                tenant: Some(&tenant),
                route: Some("reports"),
                pool: Some("shared"),
                endpoint: Some("http://127.0.0.1:9001"),
                method: &Method::GET,
                host: Some(b"acme.app.example.com"),
                uri: &uri,
                protocol: "HTTP/1.1",
                status: 200,
                tls: None,
                sni: None,
                client_cert: None,
                tripped: None,
                code: None,
                request_bytes: 0,
                response_bytes: 1_024,
                total: Duration::from_micros(730),
                queue: Duration::ZERO,
                upstream: Some(Duration::from_micros(700)),
                client: IpAddr::V4(Ipv4Addr::LOCALHOST),
                retries: 0,
            }));
        });
    });
    log.close();
}

fn render(c: &mut Criterion) {
    let Ok(metrics) = Metrics::new(1_000) else { return };
    let accounts = Accounts::default();
    for n in 0..1_000 {
        if let Ok(id) = TenantId::parse(&format!("tenant-{n}")) {
            TenantMeter::started(&accounts.open(&id, &metrics));
        }
    }
    c.bench_function("telemetry/render 1000 tenants", |b| b.iter(|| metrics.render().len()));
}

criterion_group!(benches, record_a_request, push_an_entry, render);
criterion_main!(benches);
