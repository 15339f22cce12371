//! What it costs to choose an endpoint, and to make a roster of them.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tollgate::balance::{Ask, Balancer, Key, Member, Policy, Roster, Rules, Running};

/// Endpoints of a pool.
const ENDPOINTS: [usize; 3] = [3, 100, 1_000];

const POLICIES: [(&str, Policy); 4] = [
    ("round_robin", Policy::RoundRobin),
    ("least_request", Policy::LeastRequest),
    ("peak_ewma", Policy::PeakEwma),
    ("consistent_hash", Policy::ConsistentHash),
];

/// A pool of unequal endpoints that all have answered and have something to do.
fn pool(rules: Rules, count: usize) -> (Balancer, Vec<Member>, Vec<Running>) {
    let balancer = Balancer::new(rules);
    let member = |nth| {
        let weight = if nth % 4 == 0 { 3 } else { 1 };
        Member::new(&format!("http://10.0.{}.{}:8080", nth / 250, nth % 250), balancer.gauge(weight, 0))
    };
    let members: Vec<_> = (0..count).map(member).collect();
    let running: Vec<_> = members.iter().flat_map(|member| (0..3).map(|_| member.gauge().begin(0))).collect();
    running.iter().for_each(|running| running.observe(Duration::from_millis(8)));
    (balancer, members, running)
}

/// One choice after another, each with a key and a number of its own, as requests have them.
fn choose(roster: &Roster, keys: &[Key], nth: &mut usize, tried: &[usize]) -> Option<usize> {
    *nth = (*nth + 1) % keys.len();
    let random = (*nth as u64).wrapping_mul(0x2545_f491_4f6c_dd1d);
    roster.pick(black_box(Ask { now_ns: 1_000_000_000, random, key: keys.get(*nth).copied(), tried }))
}

fn choices(c: &mut Criterion) {
    let keys: Vec<Key> = (0u32..16_384).map(|nth| Key::of(&nth.to_le_bytes())).collect();
    for (name, policy) in POLICIES {
        let mut group = c.benchmark_group(format!("balance/{name}"));
        for count in ENDPOINTS {
            let (balancer, members, _running) = pool(Rules::of(policy), count);
            let (roster, mut nth) = (balancer.roster(&members), 0);
            group.bench_function(BenchmarkId::new("pick", count), |b| {
                b.iter(|| choose(&roster, &keys, &mut nth, &[]));
            });
            group.bench_function(BenchmarkId::new("pick again", count), |b| {
                b.iter(|| choose(&roster, &keys, &mut nth, &[0, 1]));
            });
        }
        // The last quarter of a slow start of all of them: the slowest way, but for consistent hashing.
        let (balancer, members, _running) = pool(Rules::of(policy).slow_start(Duration::from_secs(4)), 1_000);
        let (roster, mut nth) = (balancer.roster(&members), 0);
        group.bench_function("pick in slow start", |b| b.iter(|| choose(&roster, &keys, &mut nth, &[])));
        group.finish();
    }
    c.bench_function("balance/key", |b| b.iter(|| Key::of(black_box(b"192.0.2.117"))));
}

fn requests(c: &mut Criterion) {
    let (_, members, _running) = pool(Rules::of(Policy::PeakEwma), 3);
    let mut now_ns = 0;
    c.bench_function("balance/begin, observe, end", |b| {
        b.iter(|| {
            now_ns += 100_000;
            let running = members.first().map(|member| member.gauge().begin(now_ns));
            running.inspect(|running| running.observe(Duration::from_millis(3)))
        });
    });
}

fn rosters(c: &mut Criterion) {
    let mut group = c.benchmark_group("balance/roster");
    group.sample_size(10);
    for (name, policy) in POLICIES {
        for count in ENDPOINTS {
            let (balancer, members, _running) = pool(Rules::of(policy), count);
            group.bench_function(BenchmarkId::new(name, count), |b| b.iter(|| balancer.roster(&members)));
        }
    }
    group.finish();
}

criterion_group!(benches, choices, requests, rosters);
criterion_main!(benches);
