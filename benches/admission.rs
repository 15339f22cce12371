//! What admission costs a request, and for how long it may hold the lock that all workers share.

use std::cell::Cell;
use std::future::Future;
use std::hint::black_box;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::HeaderMap;
use tollgate::admission::fair_share::{
    Asked, FairQueue, Member, Place, Seat, SeatTerms, Seats, Share, Turn, Waiting,
};
use tollgate::admission::quota::{Backend, Grant, Lane, Order, QuotaCharges};
use tollgate::admission::{RateCharges, RateRequest};
use tollgate::config;
use tollgate::control::{
    FirstAddresses, Foundation, ListenerSet, PoolSet, PoolTls, Previous, TenantSet, compile,
};
use tollgate::telemetry::Metrics;
use tollgate::tenant::State;
use tollgate::time::Clock;
use tollgate::types::TenantId;

/// How many tenants are backlogged.
const BACKLOGGED: [usize; 3] = [10, 1_000, 100_000];

fn shares(seats: &Arc<Seats>, count: usize) -> Vec<Arc<Share>> {
    let ids = (0..count).filter_map(|nth| TenantId::parse(&format!("t{nth}")).ok());
    ids.map(|id| seats.share(id)).collect()
}

/// A store that grants whatever is asked for, at once.
#[derive(Debug)]
struct Plenty;

impl Backend for Plenty {
    fn submit(&self, order: Order, _: Lane) {
        let granted = order.want;
        order.answer(Ok(Grant { granted, used: granted, oldest_ms: None }));
    }
}

/// All that is asked of a request that finds its route: state, addresses, a rate, two quotas, a seat; and the end of it.
#[allow(clippy::expect_used, reason = "what is written here is valid")]
fn a_whole_admission(c: &mut Criterion) {
    let text = "listeners: [{ bind: 127.0.0.1:8080 }]\n\
        tenancy: { identify: [{ host: \"{tenant}.app.example.com\" }] }\n\
        plans: { free: { rate_limit: { rate: 1000000000/s }, quotas: [\
            { name: monthly, meter: requests, limit: 1000000000000000, per: month },\
            { name: egress, meter: response_bytes, limit: 5TiB, per: month }] } }\n\
        pools: { shared: { endpoints: [\"http://127.0.0.1:9001\"], concurrency: { limit: 64 } } }\n\
        default_pool: shared\n\
        tenants: [{ id: acme, plan: free, access: { allow: [192.0.2.0/24] } }]\n";
    let loaded = config::load_str(text, "admission.yaml").expect("a configuration that loads");
    let metrics = Arc::new(Metrics::new(10).expect("metrics"));
    let foundation = Arc::new(Foundation::new(metrics, Clock::system()));
    foundation.roster.connect(Arc::new(Plenty));
    let snapshot = compile(
        &loaded.document,
        1,
        &Previous { pools: &PoolSet::default(), tenants: &TenantSet::default() },
        &PoolTls::default(),
        &ListenerSet::default(),
        &FirstAddresses::default(),
        &foundation,
    )
    .snapshot;
    let tenant = snapshot.directory.configured().by_id("acme").expect("a tenant");
    let pool = tenant.terms.pool.as_ref().expect("a pool");
    let client: IpAddr = "192.0.2.1".parse().expect("an address");
    let fields = HeaderMap::new();
    let asked = RateRequest { route: 0, cost: NonZeroU32::MIN, client, fields: &fields };
    let admit = || {
        let open = black_box(tenant).state == State::Active && tenant.terms.access.allows(client);
        let rates = tenant.rates.charge(&asked, |_| {});
        let refused = rates.as_ref().is_some_and(|rates| rates.violation().is_some());
        let mut quotas = tenant.quotas.open(asked.cost);
        let decided = quotas.as_mut().is_some_and(|quotas| matches!(quotas.charge(), Ok(true)));
        let seat = tenant.account.share(pool.seats()).ask(tenant.terms.seats);
        (open && !refused && decided, rates, quotas, seat)
    };
    // The first blocks are ordered, and answered at once.
    while !admit().0 {
        tenant.quotas.list().iter().for_each(|quota| _ = quota.state().ask(Instant::now()));
    }
    c.bench_function("admission/state, addresses, rate, two quotas, seat", |b| {
        b.iter(|| {
            let (admitted, mut rates, mut quotas, seat) = admit();
            rates.iter_mut().for_each(RateCharges::keep);
            quotas.iter_mut().for_each(QuotaCharges::keep);
            (admitted, seat.is_ok())
        });
    });
}

fn a_free_seat(c: &mut Criterion) {
    let seats = Seats::new(64, Clock::system());
    let shares = shares(&seats, 1);
    let Some(share) = shares.first() else { return };
    c.bench_function("admission/seat, uncontended", |b| {
        b.iter(|| drop(black_box(share.ask(SeatTerms::default()))));
    });
}

/// Says which tenant's turn has come.
struct Bell(usize, Arc<AtomicUsize>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.1.store(self.0, Ordering::Relaxed);
    }
}

/// A pool of one seat, and tenants of whom one request waits each.
struct Backlog {
    shares: Vec<Arc<Share>>,
    waiting: Vec<Option<Waiting>>,
    bells: Vec<Waker>,
    rung: Arc<AtomicUsize>,
    seat: Option<Seat>,
}

impl Backlog {
    fn new(tenants: usize) -> Self {
        let seats = Seats::new(1, Clock::system());
        let shares = shares(&seats, tenants);
        let rung = Arc::new(AtomicUsize::new(0));
        let bells = (0..tenants).map(|nth| Waker::from(Arc::new(Bell(nth, Arc::clone(&rung))))).collect();
        let waiting = shares.iter().map(|_| None).collect();
        let mut backlog = Self { shares, waiting, bells, rung, seat: None };
        (0..tenants).for_each(|nth| backlog.ask(nth));
        backlog.ask(0);
        backlog
    }

    fn ask(&mut self, nth: usize) {
        let Some(share) = self.shares.get(nth) else { return };
        match share.ask(SeatTerms::default()) {
            Ok(Asked::Seated(seat)) => self.seat = Some(seat),
            Ok(Asked::Waits(waiting)) => {
                if let Some(place) = self.waiting.get_mut(nth) {
                    *place = Some(waiting);
                }
                self.poll(nth);
            }
            Err(_) => {}
        }
    }

    fn poll(&mut self, nth: usize) {
        let (Some(place), Some(bell)) = (self.waiting.get_mut(nth), self.bells.get(nth)) else { return };
        let Some(waiting) = place else { return };
        if let Poll::Ready(seat) = Pin::new(waiting).poll(&mut Context::from_waker(bell)) {
            *place = None;
            self.seat = Some(seat);
        }
    }

    /// The seat is given back, whose turn it is gets it, and asks for the next.
    fn turn(&mut self) {
        drop(self.seat.take());
        let next = self.rung.load(Ordering::Relaxed);
        self.poll(next);
        self.ask(next);
    }
}

fn a_seat_in_a_backlog(c: &mut Criterion) {
    let mut group = c.benchmark_group("admission/seat, given on and asked for, backlogged tenants");
    for tenants in BACKLOGGED {
        let mut backlog = Backlog::new(tenants);
        group.bench_function(BenchmarkId::from_parameter(tenants), |b| b.iter(|| backlog.turn()));
    }
    group.finish();
}

/// A tenant without atomics.
#[derive(Debug, Default)]
struct Lone {
    held: Cell<u32>,
    place: Cell<Option<Place>>,
}

impl Member for &Lone {
    fn held(&self) -> u32 {
        self.held.get()
    }
    fn seat(&self) {
        self.held.set(self.held.get() + 1);
    }
    fn hold_ns(&self) -> u64 {
        10_000_000
    }
    fn place(&self) -> Option<Place> {
        self.place.get()
    }
    fn set_place(&self, place: Option<Place>) {
        self.place.set(place);
    }
    fn set_waiting(&self, _: bool) {}
}

/// Times of one operation.
struct Times(&'static str, Vec<Duration>);

impl Times {
    fn of<T>(&mut self, operation: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = operation();
        self.1.push(started.elapsed());
        result
    }

    fn print(mut self) {
        self.1.sort_unstable();
        let at = |part: f64| self.1.get((self.1.len() as f64 * part) as usize).or(self.1.last());
        println!(
            "admission/lock held, 100000 tenants, {}: p50 {:?}, p99.99 {:?}, max {:?} of {}",
            self.0,
            at(0.5).copied().unwrap_or_default(),
            at(0.9999).copied().unwrap_or_default(),
            at(1.0).copied().unwrap_or_default(),
            self.1.len()
        );
    }
}

/// Each operation is what the lock is held for at a time, so their longest is the longest that another worker
/// waits. On a machine that does other things too, the maximum is the scheduler's: believe p99.99.
fn the_longest_hold(_: &mut Criterion) {
    const TENANTS: usize = 100_000;
    const SEATS: u32 = 256;
    let members: Vec<Lone> = (0..TENANTS).map(|_| Lone::default()).collect();
    let mut queue = FairQueue::default();
    let mut random = fastrand::Rng::with_seed(1);
    let (mut grow, mut join, mut next) =
        (Times("join, growing", vec![]), Times("join", vec![]), Times("next", vec![]));
    let (mut settle, mut leave) = (Times("settle", vec![]), Times("leave", vec![]));
    let terms = SeatTerms::default();
    let mut double = Times("join, doubling the memory", vec![]);
    for (nth, member) in members.iter().enumerate() {
        let times = if nth.is_power_of_two() { &mut double } else { &mut grow };
        let _ = times.of(|| queue.join(0, SEATS, &member, terms, ()));
    }
    let mut now_ns = 0;
    let mut running = Vec::new();
    for _ in 0..1_000_000 {
        now_ns += 50_000;
        if running.len() >= SEATS as usize {
            let Turn { member, charged, .. } = running.swap_remove(random.usize(..running.len()));
            let member: &Lone = member;
            member.held.set(member.held.get() - 1);
            settle.of(|| queue.settle(now_ns, SEATS, &member, charged));
            let joined = join.of(|| queue.join(now_ns, SEATS, &member, terms, ()));
            if let (Ok(ticket), 0) = (joined, random.u8(..8)) {
                leave.of(|| queue.leave(now_ns, SEATS, ticket));
                let _ = queue.join(now_ns, SEATS, &member, terms, ());
            }
        }
        running.extend(next.of(|| queue.next(now_ns, SEATS)));
    }
    let mut walk = Times("walk, 256 places", vec![]);
    let mut from = Some(0);
    while let Some(at) = from {
        from = walk.of(|| queue.walk(now_ns, at, 256, |_, waiting, share| _ = black_box((waiting, share))));
    }
    [grow, double, join, next, settle, leave, walk].into_iter().for_each(Times::print);
}

criterion_group!(benches, a_whole_admission, a_free_seat, a_seat_in_a_backlog, the_longest_hold);
criterion_main!(benches);
