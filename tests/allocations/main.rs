//! How often a request in a steady state allocates: connections are kept alive, buffers are warm, tenants are known.
//!
//! Counted is what the one worker of a real gateway allocates, not its clients, its origin, or its other threads. Of many batches
//! the one in the middle says: what is done now and then, by a timer, is in others. Nothing here depends on how long anything takes.
//!
//! `ALLOCATIONS=sites cargo test --test allocations -- --nocapture` prints where they come from.

// Tests assert; a panic is how they say no.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod clients;
mod count;
mod sites;
mod world;

use std::sync::{Mutex, MutexGuard, PoisonError};

use clients::{Client, http1, http2, https};
use count::Allocated;
use world::World;

/// Requests that are counted together.
const BATCH: usize = 50;
/// How often so many are.
const BATCHES: usize = 20;

/// Held by the test that counts: the count is of any worker.
static COUNTING: Mutex<()> = Mutex::new(());

fn counting() -> MutexGuard<'static, ()> {
    COUNTING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One tenant, and nothing that costs.
const PLAIN: &str = "plans: { free: {} }\ntenants: [{ id: acme, plan: free }]\n";

const TENANTS: usize = 1_000;

/// What a browser sends beside the host, more or less.
const BROWSER: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://acme.app.test/reports\r\n\
    Cookie: session=0190a5e27c1e7b3a9f4e2f1d3c4b5a69; theme=dark\r\n\
    Cache-Control: max-age=0\r\n";

/// So many tenants, each with a limit on its rate and on its requests in flight, and a field that is added.
fn tenants(count: usize) -> String {
    let mut text = "plans:
  std:
    rate_limit: { rate: 1000000/s, burst: 1000000 }
    concurrency: { max: 1000 }
    request_headers: { set: { X-Tier: standard } }
tenants:
"
    .to_owned();
    (0..count).for_each(|n| text += &format!("  - {{ id: t{n}, plan: std }}\n"));
    text
}

/// Nearly all that can be on.
const EVERYTHING: &str = "
store: 'sqlite:{dir}/tollgate.db'
access_log: { path: '{dir}/access.log', format: json, sample: 1.0 }
identity: { signed: { key_file: '{dir}/key.pem', ttl: 60s } }
plans:
  std:
    rate_limit: { rate: 1000000/s, burst: 1000000 }
    quotas:
      - { name: monthly, meter: requests, limit: 1000000000, per: month }
      - { name: egress, meter: response_bytes, limit: 1000GiB, per: month }
    concurrency: { weight: 2, max: 1000, queue: 1000, max_wait: 5s }
    request_headers: { set: { X-Tier: standard } }
    response_headers: { set: { X-Served: yes } }
tenants: [{ id: acme, plan: std, labels: { region: eu }, features: [sso] }]
";

/// What a request allocates, in a batch in the middle of many.
fn a_request(client: &mut impl Client, hosts: &[String], of: &str) -> Allocated {
    let mut hosts = hosts.iter().cycle();
    let mut ask = |client: &mut dyn Client, times: usize| {
        hosts.by_ref().take(times).for_each(|host| client.ask(host));
    };
    // Every tenant more than once.
    ask(client, 2 * TENANTS + BATCH);
    let mut batches: Vec<Allocated> = (0..BATCHES).map(|_| count::during(|| ask(client, BATCH))).collect();
    batches.sort_unstable();
    if std::env::var("ALLOCATIONS").is_ok_and(|what| what == "sites") {
        let each = count::each_during(|| ask(client, BATCH));
        sites::print(of, BATCH, &each);
    }
    let Allocated { times, octets } = batches[BATCHES / 2];
    let requests = BATCH as u64;
    // What the batch's last request leaves to be done is in the next one.
    let a_request = Allocated { times: (times + requests / 2) / requests, octets: octets / requests };
    println!("{of}: {} allocations a request, {} octets", a_request.times, a_request.octets);
    a_request
}

#[track_caller]
fn assert_at_most(most: u64, client: &mut impl Client, hosts: &[String], of: &str) {
    let Allocated { times, octets } = a_request(client, hosts, of);
    assert!(times <= most, "{of}: {times} allocations a request, {octets} octets, and not {most}");
}

fn acme() -> Vec<String> {
    vec!["acme.app.test".to_owned()]
}

#[test]
fn a_plain_request() {
    let _counting = counting();
    let world = World::new(PLAIN, "");
    let (plain, _) = world.listeners();
    assert_at_most(2, &mut http1(plain, ""), &acme(), "plain");
    assert_at_most(2, &mut http1(plain, BROWSER), &acme(), "a browser's");
}

#[test]
fn a_request_over_tls_and_over_http2() {
    let _counting = counting();
    let world = World::new(PLAIN, "");
    let (_, tls) = world.listeners();
    assert_at_most(4, &mut https(tls, &world.certificate), &acme(), "HTTPS");
    assert_at_most(11, &mut http2(tls, &world.certificate), &acme(), "HTTP/2");
}

#[test]
fn a_request_of_one_of_a_thousand_tenants() {
    let _counting = counting();
    let world = World::new(&tenants(TENANTS), "");
    let (plain, _) = world.listeners();
    let hosts: Vec<String> = (0..TENANTS).map(|n| format!("t{n}.app.test")).collect();
    assert_at_most(2, &mut http1(plain, ""), &hosts, "tenants");
    assert_at_most(2, &mut http1(plain, ""), &hosts[..1], "one of the tenants");
}

#[test]
fn a_request_with_everything_on() {
    let _counting = counting();
    let world = World::new(
        EVERYTHING,
        ", concurrency: { limit: 100 }, retries: { max: 1, on: [connect_failure, reset] }",
    );
    let (plain, _) = world.listeners();
    assert_at_most(2, &mut http1(plain, ""), &acme(), "everything");
}
