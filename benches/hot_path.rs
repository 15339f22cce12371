//! What the pure parts of a request's way cost: all that is done between its bytes and the bytes that go
//! upstream, and what is done with the bytes that come back, without I/O. Each part is fed what it is usually fed.
//!
//! A seat, and a whole admission, are in `admission.rs`; an entry of the log, and the metrics of an end, in `telemetry.rs`; the choice of an
//! endpoint in `balance.rs`.

#[path = "hot_path/context.rs"]
mod context;
#[path = "hot_path/way_back.rs"]
mod way_back;

use std::fmt::Write as _;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use tollgate::admission::quota::{
    Backend, CalendarUnit, Grant, Lane, Meter, OnExceed, OnOutage, Order, Quota, QuotaCharges, QuotaSpec,
    QuotaState, Quotas, Roster, Used, Window,
};
use tollgate::admission::{
    Label, RateCharges, RateKey, RateLimits, RatePolicy, RateRequest, RateRule, RateRules, RateStates,
    StandingList,
};
use tollgate::config;
use tollgate::control::{
    FirstAddresses, Foundation, ListenerSet, PoolSet, PoolTls, Previous, TenantSet, compile,
};
use tollgate::http::body::RequestBody;
use tollgate::http::conn::ConnState;
use tollgate::http::forwarded;
use tollgate::http::hop_by_hop::{Reserved, Survey, strip_request};
use tollgate::http::wire::{Head, HeadLimits};
use tollgate::proxy::{Rejection, Snapshot};
use tollgate::routing::{Asked, normalise};
use tollgate::telemetry::Metrics;
use tollgate::tenant::{Clues, LookedUp};
use tollgate::time::Clock;
use tollgate::types::{HostName, TenantId, ValueRoom};
use tollgate::upstream::Outbox;

const IDENTITY: HeaderName = HeaderName::from_static("x-tenant-id");

/// What a browser sends, more or less.
const FIELDS: [(&str, &str); 9] = [
    ("host", "t500.app.example.com"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept-language", "en-GB,en;q=0.7,de;q=0.3"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("referer", "https://t500.app.example.com/reports"),
    ("cookie", "session=0190a5e27c1e7b3a9f4e2f1d3c4b5a69; theme=dark"),
    ("cache-control", "max-age=0"),
    ("priority", "u=0, i"),
];

fn parse_a_host(c: &mut Criterion) {
    let mut group = c.benchmark_group("host");
    for (name, host) in [
        ("name and port", &b"T500.app.example.com:8080"[..]),
        ("ipv6", b"[2001:DB8::1]:8080"),
        ("invalid", b"a..b"),
    ] {
        group.bench_function(name, |b| b.iter(|| HostName::parse(black_box(host))));
    }
}

fn scan_a_head(c: &mut Criterion) {
    let mut head = "GET /api/reports/2026?from=01-01 HTTP/1.1\r\n".to_owned();
    for (name, value) in FIELDS {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    let short = b"GET / HTTP/1.1\r\nHost: t500.app.example.com\r\n\r\n";
    let mut group = c.benchmark_group("wire");
    for (name, head) in [("short head", &short[..]), ("browser's head", head.as_bytes())] {
        let (mut reader, limits) = (Head::default(), HeadLimits::default());
        group.bench_function(name, |b| {
            b.iter(|| {
                reader.clear();
                reader.read(black_box(head), &limits)
            });
        });
    }
}

fn clean_the_fields(c: &mut Criterion) {
    let reserved = Reserved::new(vec![IDENTITY], Vec::new());
    let mut hop_by_hop = fields();
    for (name, value) in [("connection", "close, x-hop"), ("x-hop", "1"), ("x-forwarded-for", "192.0.2.1")] {
        hop_by_hop.insert(name, HeaderValue::from_static(value));
    }
    let mut group = c.benchmark_group("fields");
    for (name, fields) in [("nothing to strip", fields()), ("hop-by-hop and forged", hop_by_hop)] {
        group.bench_function(name, |b| {
            b.iter_batched_ref(
                || fields.clone(),
                |fields| {
                    let survey = Survey::of(fields, &reserved);
                    strip_request(fields, &survey, false, &reserved);
                    survey
                },
                BatchSize::SmallInput,
            );
        });
    }
}

fn clues<'r>(host: Option<&'r str>, fields: &'r HeaderMap) -> Clues<'r> {
    Clues { host, fields, via_trusted: false, certificate: None }
}

fn identify(c: &mut Criterion) {
    let snapshot = snapshot(1_000, 1);
    let fields = fields();
    let nothing = LookedUp::default();
    let mut group = c.benchmark_group("identify/1000 tenants");
    for (name, host) in [
        ("pattern", "t500.app.example.com"),
        ("pattern, unknown", "nobody.app.example.com"),
        ("domain", "www.t500.test"),
        ("domain below a wildcard", "a.shop.t500.test"),
        ("domain, unknown", "www.nobody.test"),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let host = Some(black_box(host));
                snapshot.identify.find(&snapshot.directory, &nothing, clues(host, &fields), &mut ()).is_ok()
            });
        });
    }
}

fn route(c: &mut Criterion) {
    let fields = fields();
    let mut group = c.benchmark_group("routing");
    for routes in [10, 1_000, 10_000] {
        let table = snapshot(1, routes).routes;
        for (name, path) in [("hit", "/api/v1/r5/items/17"), ("the catch-all", "/assets/css/main.css")] {
            group.bench_function(format!("{routes} routes, {name}"), |b| {
                b.iter(|| table.find(&asked(black_box(path), &fields)).is_some());
            });
        }
    }
    // Routes by hosts, templates and expressions among ten thousand prefixes.
    let table = with_shapes(10_000).routes;
    for (name, path) in [
        ("a template", "/users/17/posts/3"),
        ("an expression", "/v3/x/17"),
        ("a prefix", "/api/v1/r5/items/17"),
    ] {
        group.bench_function(format!("10000 routes of all kinds, {name}"), |b| {
            b.iter(|| table.find(&asked(black_box(path), &fields)).is_some());
        });
    }
    for (name, path) in
        [("normal path", "/api/v1/r5/items/17"), ("path to normalise", "/api/./v1//%72%35/../x")]
    {
        group.bench_function(name, |b| b.iter(|| normalise(black_box(path)).is_ok()));
    }
}

fn admit(c: &mut Criterion) {
    let mut group = c.benchmark_group("admission/rate limit");
    let room = ValueRoom::default();
    let fields = fields();
    let request = RateRequest {
        route: 0,
        cost: NonZeroU32::MIN,
        client: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        fields: &fields,
    };
    let charge = |limits: &Arc<RateLimits>| {
        let mut charges = limits.charge(&request, |_| {});
        charges.iter_mut().for_each(RateCharges::keep);
        charges
    };
    let keys = [RateKey::ClientIp, RateKey::Header(HeaderName::from_static("cookie"))];
    for (name, limits) in [
        ("one", limits(SECOND, 1, &[])),
        ("three", limits(SECOND, 3, &[])),
        ("one by address", limits(SECOND, 0, &keys[..1])),
        ("one by header", limits(SECOND, 0, &keys[1..])),
        ("one and both", limits(SECOND, 1, &keys)),
    ] {
        group.bench_function(format!("allowed by {name}"), |b| b.iter(|| charge(&limits)));
        group.bench_function(format!("given back by {name}"), |b| {
            b.iter(|| limits.charge(&request, |_| {}).map(drop));
        });
        let Some(charges) = charge(&limits) else { continue };
        group.bench_function(format!("the response's fields of {name}"), |b| {
            b.iter(|| {
                let left = room.value(|text| black_box(&charges).tell(&mut StandingList::new(text)));
                (charges.policy_field().cloned(), left)
            });
        });
    }
    for (name, limits) in
        [("at the same one", limits(SECOND, 1, &[])), ("at the same key", limits(SECOND, 0, &keys[..1]))]
    {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    black_box(charge(&limits));
                }
            });
            group.bench_function(format!("allowed, another thread {name}"), |b| b.iter(|| charge(&limits)));
            stop.store(true, Ordering::Relaxed);
        });
    }
    let spent = limits(HOUR, 1, &[]);
    drop(charge(&spent));
    group.bench_function("refused", |b| b.iter(|| charge(&spent)));
    let Some(violation) = charge(&spent).as_ref().and_then(RateCharges::violation) else { return };
    let rejection = Rejection::RateLimited(violation);
    group.bench_function("the refusal's words", |b| {
        b.iter(|| (black_box(&rejection).row(), rejection.detail(), rejection.retry_after_s()));
    });
}

/// Keys come and go: each new one looks for a place, and finds none in the end.
fn flood(c: &mut Criterion) {
    let limits = limits(HOUR, 0, &[RateKey::ClientIp]);
    let fields = HeaderMap::new();
    let mut next = 0_u32;
    c.bench_function("admission/rate limit/a flood of addresses", |b| {
        b.iter(|| {
            next = next.wrapping_add(1);
            let client = IpAddr::V4(Ipv4Addr::from_bits(next));
            let request = RateRequest { route: 0, cost: NonZeroU32::MIN, client, fields: &fields };
            limits.charge(&request, |_| {}).as_mut().map(RateCharges::keep)
        });
    });
}

/// A store that has as many units as are asked for, at once.
#[derive(Debug)]
struct Plenty;

impl Backend for Plenty {
    fn submit(&self, order: Order, _: Lane) {
        let granted = order.want;
        order.answer(Ok(Grant { granted, used: granted, oldest_ms: None }));
    }
}

/// Charges of quotas, from blocks: a block's order is in it, once in a block.
#[allow(clippy::expect_used, reason = "what is written here is valid")]
fn charge_quotas(c: &mut Criterion) {
    let mut group = c.benchmark_group("admission/quota charge");
    let room = ValueRoom::default();
    let metrics = Metrics::new(1).expect("metrics");
    let roster = Roster::new(Clock::system(), metrics.quotas());
    roster.connect(Arc::new(Plenty));
    let quotas = |meters: &[Meter]| {
        let quota = |(at, meter): (usize, &Meter)| {
            let window = Window::Calendar(CalendarUnit::Month, jiff::tz::TimeZone::UTC);
            let name = format!("quota-{at}");
            let spec = Arc::new(QuotaSpec {
                label: QuotaSpec::label(&name, *meter, 1 << 50, &window),
                name: name.into(),
                meter: *meter,
                limit: 1 << 50,
                window,
                on_exceed: OnExceed::Reject,
                soft: Some(1 << 49),
                on_outage: OnOutage::Local,
            });
            let tenant = TenantId::parse("acme").expect("an id");
            Quota::new(Arc::clone(&spec), QuotaState::new(tenant, spec, Arc::clone(&roster)))
        };
        Arc::new(Quotas::new(meters.iter().enumerate().map(quota).collect()))
    };
    let charge = |quotas: &Arc<Quotas>| {
        let mut charges = quotas.open(NonZeroU32::MIN);
        if let Some(charges) = &mut charges {
            while !matches!(charges.charge(), Ok(true)) {
                for quota in quotas.list() {
                    let _ = quota.state().ask(std::time::Instant::now());
                }
            }
        }
        charges
    };
    let kept = |mut charges: Option<QuotaCharges>| charges.iter_mut().for_each(QuotaCharges::keep);
    let (one, two) = (quotas(&[Meter::Requests]), quotas(&[Meter::Requests, Meter::ResponseBytes]));
    for (name, quotas) in [("one", &one), ("two", &two)] {
        group.bench_function(format!("kept, {name}"), |b| b.iter(|| kept(charge(quotas))));
        group.bench_function(format!("given back, {name}"), |b| b.iter(|| drop(charge(quotas))));
    }
    let charges = charge(&two);
    group.bench_function("the response's fields of two", |b| {
        b.iter(|| {
            let left = room.value(|text| {
                let left = &mut StandingList::new(text);
                black_box(&charges).iter().for_each(|charges| charges.tell(left));
            });
            (left, charges.as_ref().and_then(QuotaCharges::warning))
        });
    });
    let used = Used { response_bytes: 1_000, ..Used::default() };
    group.bench_function("counted in the end, two", |b| {
        let mut charges = charge(&two);
        charges.iter_mut().for_each(QuotaCharges::keep);
        b.iter(|| charges.iter().for_each(|charges| charges.count(black_box(used))));
    });
}

fn name_the_client(c: &mut Criterion) {
    let (Ok(peer), Ok(local)) = ("192.0.2.1:50000".parse::<std::net::SocketAddr>(), "192.0.2.9:80".parse())
    else {
        return;
    };
    let conn = ConnState::new(peer, local);
    let mut fields = fields();
    let survey = Survey::of(&fields, &Reserved::new(vec![IDENTITY], Vec::new()));
    let hosts = ["t500.app.example.com", "t501.app.example.com"].map(HeaderValue::from_static);
    let [one, other] = &hosts;
    let mut group = c.benchmark_group("forwarded");
    group.bench_function("the same host again", |b| {
        b.iter(|| forwarded::lines(&mut fields, &survey, false, &conn, one));
    });
    group.bench_function("two hosts in turn", |b| {
        b.iter(|| {
            forwarded::lines(&mut fields, &survey, false, &conn, one);
            forwarded::lines(&mut fields, &survey, false, &conn, other)
        });
    });
}

fn encode(c: &mut Criterion) {
    let mut request = Request::get("/api/reports/2026?from=01-01");
    if let Some(own) = request.headers_mut() {
        *own = fields();
    }
    let Ok(request) = request.body(()) else { return };
    let (head, ()) = request.into_parts();
    let forwarding = b"x-forwarded-for: 192.0.2.1\r\nx-forwarded-proto: http\r\nx-forwarded-host: t500.app.example.com\r\n\
        forwarded: for=192.0.2.1;host=t500.app.example.com;proto=http\r\n";
    let own: [&[u8]; 2] = [forwarding, b"x-tenant-id: t500\r\n"];
    c.bench_function("outbox/encode a head", |b| {
        b.iter_batched(
            || Vec::with_capacity(4 * 1024),
            |text| Outbox::new(black_box(&head), &own, RequestBody::empty(), text),
            // Few at a time: a worker's buffers are warm.
            BatchSize::NumIterations(16),
        );
    });
}

fn fields() -> HeaderMap {
    FIELDS
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect()
}

/// A thousand million units a second, which is more than can be asked for.
const SECOND: (u32, Duration) = (1_000_000_000, Duration::from_secs(1));
/// One unit an hour, which comes back too late for any run.
const HOUR: (u32, Duration) = (1, Duration::from_secs(3_600));

/// So many limits on all requests, and one for each of the keys.
fn limits((units, period): (u32, Duration), count: usize, keys: &[RateKey]) -> Arc<RateLimits> {
    let units = NonZeroU32::new(units).unwrap_or(NonZeroU32::MIN);
    let rule = |by: Option<RateKey>| {
        let rule = RateRule::new("a-limit", RatePolicy { units, period, burst: units });
        RateRule { by, keys_max: 10_000, ..rule }
    };
    let rules = (0..count).map(|_| rule(None)).chain(keys.iter().cloned().map(|by| rule(Some(by))));
    let named = rules
        .enumerate()
        .map(|(at, rule)| RateRule { label: Label::new(&format!("limit-{at}"), 1_000_000_000, 1), ..rule });
    let rules = Arc::new(RateRules::new(named.collect(), &[], Clock::system()));
    RateStates::default().open(&rules)
}

/// A request for a path.
fn asked<'r>(path: &'r str, fields: &'r HeaderMap) -> Asked<'r> {
    let host = Some("t500.app.example.com");
    Asked {
        method: &Method::GET,
        host,
        path,
        query: None,
        fields,
        client: None,
        has_feature: &|_| false,
        labels: &(),
    }
}

/// As [`snapshot`] of one tenant, with routes of other kinds before the others.
fn with_shapes(routes: usize) -> Snapshot {
    let mut shapes = String::new();
    for n in 0..100 {
        let _ = writeln!(shapes, "  - {{ match: {{ hosts: [h{n}.example.com], path: /x }}, pool: shared }}");
        let _ = writeln!(
            shapes,
            "  - {{ match: {{ path_template: \"/users/{{id}}/p{n}/{{x}}\" }}, pool: shared }}"
        );
    }
    shapes.push_str("  - { match: { path_template: \"/users/{id}/posts/{post}\" }, pool: shared }\n");
    for n in 0..10 {
        let _ = writeln!(shapes, "  - {{ match: {{ path_regex: \"/v{n}/[a-z]/[0-9]+\" }}, pool: shared }}");
    }
    compiled("", 1, routes, &shapes)
}

/// What a configuration of so many tenants and routes compiles to. The last route takes what is left.
fn snapshot(tenants: usize, routes: usize) -> Snapshot {
    compiled("", tenants, routes, "")
}

#[allow(clippy::expect_used, reason = "a benchmark of nothing must not look like a fast one")]
fn compiled(sections: &str, tenants: usize, routes: usize, more: &str) -> Snapshot {
    let mut text = sections.to_owned();
    text.push_str(
        "listeners: [{ bind: 127.0.0.1:8080 }]\n\
        tenancy: { identify: [{ host: \"{tenant}.app.example.com\" }, domain] }\n\
        plans: { free: { rate_limit: { rate: 100/s } } }\n\
        pools: { shared: { endpoints: [\"http://127.0.0.1:9001\"] } }\n\
        default_pool: shared\nroutes:\n",
    );
    text.push_str(more);
    for n in 1..routes {
        let _ = writeln!(text, "  - {{ match: {{ path_prefix: /api/v1/r{n} }}, pool: shared }}");
    }
    text.push_str("  - { match: { path_prefix: / }, pool: shared }\ntenants:\n");
    for n in 0..tenants {
        let _ =
            writeln!(text, "  - {{ id: t{n}, plan: free, domains: [www.t{n}.test, \"*.shop.t{n}.test\"] }}");
    }
    let loaded = config::load_str(&text, "hot_path.yaml").expect("a configuration that loads");
    let metrics = Arc::new(Metrics::new(1_000).expect("metrics"));
    let foundation = Arc::new(Foundation::new(metrics, Clock::system()));
    compile(
        &loaded.document,
        1,
        &Previous { pools: &PoolSet::default(), tenants: &TenantSet::default() },
        &PoolTls::default(),
        &ListenerSet::default(),
        &FirstAddresses::default(),
        &foundation,
    )
    .snapshot
}

criterion_group!(
    benches,
    parse_a_host,
    scan_a_head,
    clean_the_fields,
    identify,
    route,
    admit,
    flood,
    charge_quotas,
    name_the_client,
    context::tell_of_the_tenant,
    encode,
    way_back::read_a_head,
    way_back::clean_the_answer,
    way_back::show_a_facade
);
criterion_main!(benches);
