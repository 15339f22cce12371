//! Virtual time: a pool, its tenants, and what happens next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::hash::{DefaultHasher, Hash};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use slab::Slab;
use tollgate::admission::fair_share::{Adaptive, Asked, Sample, Seat, SeatLimit, Seats, Waiting};
use tollgate::time::{Clock, ManualClock};

use crate::origin::Origin;
use crate::tenant::{Habit, Source, Tenant};

/// How many events go by between two checks of everything.
const CHECK_EVERY: u64 = 509;

/// A pool and its tenants.
pub struct World {
    pub seats: Arc<Seats>,
    pub tenants: Vec<Tenant>,
    pub origin: Origin,
    pub adaptive: Option<Adaptive>,
    pub now_ns: u64,
    /// Everything that has happened.
    pub trace: DefaultHasher,
    hand: ManualClock,
    random: fastrand::Rng,
    agenda: BinaryHeap<Reverse<(u64, u64, Event)>>,
    planned: u64,
    events: u64,
    requests: Slab<Request>,
    running: u32,
    rung: Arc<Mutex<Vec<usize>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Event {
    /// A tenant asks.
    Ask(usize),
    /// The origin has answered a request.
    Answer(usize),
    /// A client goes away, if the request of this name (and number) is still there.
    Leave(usize, u64, bool),
    Limit(u32),
}

struct Request {
    serial: u64,
    tenant: usize,
    size_ns: u64,
    since_ns: u64,
    /// How long it may wait.
    promise_ns: u64,
    state: State,
}

enum State {
    Waits(Waiting),
    Served(Seat),
    /// The client has left, the origin works on.
    Left,
}

struct Bell(usize, Arc<Mutex<Vec<usize>>>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.1.lock().unwrap().push(self.0);
    }
}

impl World {
    /// A pool of so many seats before an origin that works on any number at once.
    pub fn new(seed: u64, limit: u32) -> Self {
        let (clock, hand) = Clock::manual();
        Self {
            seats: Seats::new(limit, clock),
            tenants: Vec::new(),
            origin: Origin::new(u32::MAX),
            adaptive: None,
            now_ns: 0,
            trace: DefaultHasher::new(),
            hand,
            random: fastrand::Rng::with_seed(seed),
            agenda: BinaryHeap::new(),
            planned: 0,
            events: 0,
            requests: Slab::new(),
            running: 0,
            rung: Arc::default(),
        }
    }

    /// A tenant comes. Its number.
    pub fn add(&mut self, habit: Habit) -> usize {
        let tenant = self.tenants.len();
        self.tenants.push(Tenant::new(&self.seats, tenant, habit));
        self.wake(tenant);
        tenant
    }

    /// A tenant begins to ask.
    pub fn wake(&mut self, tenant: usize) {
        self.tenants[tenant].silent = false;
        match self.tenants[tenant].habit.source {
            Source::Closed { connections, .. } => {
                for _ in 0..connections {
                    let at = self.random.u64(..1_000_000);
                    self.plan(at, Event::Ask(tenant));
                }
            }
            Source::Open { .. } => self.plan(0, Event::Ask(tenant)),
        }
    }

    /// A tenant asks once.
    pub fn ask_once(&mut self, tenant: usize) {
        self.plan(0, Event::Ask(tenant));
    }

    /// Changes the limit after so long.
    pub fn limit_in(&mut self, after_ns: u64, limit: u32) {
        self.plan(after_ns, Event::Limit(limit));
    }

    /// Goes on for so long. The seat-time, in seconds, that each tenant has had meanwhile.
    pub fn run(&mut self, for_ns: u64) -> Vec<f64> {
        self.watch(for_ns, |_| {})
    }

    /// Goes on for so long, and looks at everything after each event.
    pub fn watch(&mut self, for_ns: u64, mut look: impl FnMut(&Self)) -> Vec<f64> {
        let received = |world: &Self| -> Vec<u128> {
            world.tenants.iter().map(|tenant| tenant.received_ns(world.now_ns)).collect()
        };
        self.tenants.iter_mut().for_each(|tenant| tenant.waited_ns = 0);
        let before = received(self);
        let until_ns = self.now_ns + for_ns;
        while self.agenda.peek().is_some_and(|Reverse((at, ..))| *at <= until_ns) {
            self.step();
            look(self);
        }
        self.turn_to(until_ns);
        self.seats.check_invariants().unwrap();
        received(self).iter().zip(&before).map(|(now, then)| (now - then) as f64 / 1e9).collect()
    }

    /// Lets all that has been asked come to its end.
    pub fn drain(&mut self) {
        self.tenants.iter_mut().for_each(|tenant| tenant.silent = true);
        while !self.agenda.is_empty() {
            self.step();
        }
        assert_eq!((self.seats.in_use(), self.seats.waiting(), self.requests.len()), (0, 0, 0));
        assert!(self.tenants.iter().all(|tenant| tenant.share.standing().held == 0));
        self.seats.check_invariants().unwrap();
    }

    fn plan(&mut self, after_ns: u64, event: Event) {
        self.planned += 1;
        self.agenda.push(Reverse((self.now_ns + after_ns, self.planned, event)));
    }

    fn turn_to(&mut self, at_ns: u64) {
        self.hand.advance(Duration::from_nanos(at_ns - self.now_ns));
        self.now_ns = at_ns;
    }

    fn step(&mut self) {
        let Some(Reverse((at_ns, _, event))) = self.agenda.pop() else { return };
        self.turn_to(at_ns);
        (at_ns, event).hash(&mut self.trace);
        match event {
            Event::Ask(tenant) => self.ask(tenant),
            Event::Answer(request) => self.answer(request),
            Event::Leave(request, serial, patient) => self.leave(request, serial, patient),
            Event::Limit(limit) => self.seats.set_limit(SeatLimit::Fixed(limit)),
        }
        self.seat_the_rung();
        self.events += 1;
        assert_eq!(self.seats.in_use(), self.running, "seats were lost or made");
        if self.events.is_multiple_of(CHECK_EVERY) {
            self.seats.check_invariants().unwrap();
        }
    }

    fn ask(&mut self, nth: usize) {
        let tenant = &mut self.tenants[nth];
        if tenant.silent {
            return;
        }
        tenant.asked += 1;
        let serial = tenant.asked;
        let habit = &tenant.habit;
        let size_ns = habit.size.draw(&mut self.random, serial, self.now_ns);
        let leaves = (habit.fickle > self.random.u32(..100)).then(|| self.random.u64(..1_000_000_000));
        let patience_ns = habit.patience_ns;
        let source = habit.source.clone();
        let promise_ns = self.promise_ns(nth);
        let tenant = &self.tenants[nth];
        let asked = tenant.share.ask(tenant.habit.terms);
        if let Source::Open { apart_ns } = source {
            let gap = -(1.0 - self.random.f64()).ln() * apart_ns as f64;
            self.plan(gap as u64, Event::Ask(nth));
        }
        let (since_ns, now_ns) = (self.now_ns, self.now_ns);
        let request = match asked {
            Ok(Asked::Seated(seat)) => {
                let state = State::Served(seat);
                let request = self.requests.insert(Request {
                    serial,
                    tenant: nth,
                    size_ns,
                    since_ns,
                    promise_ns,
                    state,
                });
                self.begin(request, now_ns);
                request
            }
            Ok(Asked::Waits(waiting)) => {
                self.tenants[nth].waiting += 1;
                let state = State::Waits(waiting);
                let request = self.requests.insert(Request {
                    serial,
                    tenant: nth,
                    size_ns,
                    since_ns,
                    promise_ns,
                    state,
                });
                self.poll(request);
                request
            }
            Err(_) => {
                self.tenants[nth].refused += 1;
                // Nothing was gained by it: who is refused asks again later.
                self.again(nth, 10_000_000);
                return;
            }
        };
        if let Some(patience_ns) = patience_ns {
            self.plan(patience_ns, Event::Leave(request, serial, true));
        }
        if let Some(leaves) = leaves {
            self.plan(leaves, Event::Leave(request, serial, false));
        }
    }

    /// What a request may wait: as was promised, and its tenant's own part of the time that all take, for what it
    /// is ahead by and for what it asks.
    fn promise_ns(&self, nth: usize) -> u64 {
        let tenant = &self.tenants[nth];
        let Some(promise_ns) = tenant.habit.promise_ns else { return u64::MAX };
        let standing = tenant.share.standing();
        let own_ns = standing.lead_ns + standing.hold_ns * u64::from(standing.waiting + 1);
        let weights: u64 = self.tenants.iter().map(|tenant| u64::from(tenant.habit.terms.weight)).sum();
        promise_ns + own_ns * weights / u64::from(self.seats.limit())
    }

    /// A closed loop asks again.
    fn again(&mut self, tenant: usize, later_ns: u64) {
        if let Source::Closed { pause_ns, .. } = self.tenants[tenant].habit.source
            && !self.tenants[tenant].silent
        {
            self.plan(pause_ns + later_ns, Event::Ask(tenant));
        }
    }

    fn poll(&mut self, at: usize) {
        let bell = Waker::from(Arc::new(Bell(at, Arc::clone(&self.rung))));
        let Some(request) = self.requests.get_mut(at) else { return };
        let State::Waits(waiting) = &mut request.state else { return };
        if let Poll::Ready(seat) = Pin::new(waiting).poll(&mut Context::from_waker(&bell)) {
            request.state = State::Served(seat);
            let since_ns = std::mem::replace(&mut request.since_ns, self.now_ns);
            self.tenants[request.tenant].waiting -= 1;
            self.begin(at, since_ns);
        }
    }

    fn seat_the_rung(&mut self) {
        loop {
            let rung = std::mem::take(&mut *self.rung.lock().unwrap());
            if rung.is_empty() {
                return;
            }
            rung.into_iter().for_each(|request| self.poll(request));
        }
    }

    /// A request has its seat, for which it has waited since then.
    fn begin(&mut self, at: usize, since_ns: u64) {
        let request = &self.requests[at];
        (request.tenant, since_ns).hash(&mut self.trace);
        let tenant = &mut self.tenants[request.tenant];
        tenant.running += 1;
        tenant.began_ns += u128::from(self.now_ns);
        let waited_ns = self.now_ns - since_ns;
        assert!(waited_ns <= request.promise_ns, "waited {waited_ns} ns, promised {}", request.promise_ns);
        tenant.waited_ns = tenant.waited_ns.max(waited_ns);
        tenant.waits_ns += u128::from(waited_ns);
        self.running += 1;
        if self.origin.takes(at) {
            self.plan(request.size_ns * self.origin.slowness, Event::Answer(at));
        }
    }

    /// The seat is given back.
    fn end(&mut self, nth: usize, since_ns: u64) {
        let tenant = &mut self.tenants[nth];
        tenant.running -= 1;
        tenant.began_ns -= u128::from(since_ns);
        tenant.done_ns += u128::from(self.now_ns - since_ns);
        self.running -= 1;
    }

    fn answer(&mut self, at: usize) {
        let Request { tenant, since_ns, state, .. } = self.requests.remove(at);
        if let Some(next) = self.origin.done() {
            self.plan(self.requests[next].size_ns * self.origin.slowness, Event::Answer(next));
        }
        let State::Served(seat) = state else { return };
        let in_use = self.seats.in_use();
        self.end(tenant, since_ns);
        drop(seat);
        self.tenants[tenant].served += 1;
        let sample = Sample { latency_ns: self.now_ns - since_ns, in_use, failed: false };
        if let Some(limit) = self.adaptive.as_mut().and_then(|limit| limit.observe(self.now_ns, sample)) {
            self.seats.set_limit(SeatLimit::Fixed(limit));
        }
        self.again(tenant, 0);
    }

    fn leave(&mut self, at: usize, serial: u64, only_waiting: bool) {
        let Some(request) = self.requests.get_mut(at).filter(|request| request.serial == serial) else {
            return;
        };
        if only_waiting && !matches!(request.state, State::Waits(_)) {
            return;
        }
        let (tenant, since_ns) = (request.tenant, request.since_ns);
        match std::mem::replace(&mut request.state, State::Left) {
            State::Waits(waiting) => {
                self.requests.remove(at);
                self.tenants[tenant].waiting -= 1;
                drop(waiting);
            }
            State::Served(seat) => {
                self.end(tenant, since_ns);
                drop(seat);
            }
            State::Left => return,
        }
        self.tenants[tenant].gave_up += 1;
        self.again(tenant, 0);
    }
}
