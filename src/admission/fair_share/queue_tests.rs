//! The queue beside a naive one: a list of tenants that is searched from end to end, forgets nobody, and computes
//! everything anew each time. Both have to choose the same request every time.

use std::cell::Cell;
use std::rc::Rc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const TENANTS: usize = 6;
const MS: u64 = 1_000_000;
const SCALE: u128 = 1 << 10;
const PAUSE_NS: u64 = 100 * MS;
const SECOND_NS: u64 = 1000 * MS;

#[derive(Debug, Default)]
struct Fake {
    held: Cell<u32>,
    hold_ns: Cell<u64>,
    place: Cell<Option<Place>>,
    waiting: Cell<bool>,
}

impl Member for Rc<Fake> {
    fn held(&self) -> u32 {
        self.held.get()
    }
    fn seat(&self) {
        self.held.set(self.held.get() + 1);
    }
    fn hold_ns(&self) -> u64 {
        self.hold_ns.get()
    }
    fn place(&self) -> Option<Place> {
        self.place.get()
    }
    fn set_place(&self, place: Option<Place>) {
        self.place.set(place);
    }
    fn set_waiting(&self, waiting: bool) {
        self.waiting.set(waiting);
    }
}

/// A tenant as the naive queue knows it.
#[derive(Debug, Default)]
struct Naive {
    terms: SeatTerms,
    waiting: Vec<usize>,
    /// Since when, and for how long as was thought, its seats from the queue are held.
    serving: Vec<(u64, u64)>,
    settled: u128,
    overrun: u128,
    fresh: Option<usize>,
    can_be_served: bool,
    /// Its finish when something last happened to it.
    ranked: u128,
    waits_since_ns: u64,
    idle_since_ns: Option<u64>,
}

impl Naive {
    fn over_weight(&self, seat_ns: u64) -> u128 {
        u128::from(seat_ns) * SCALE / u128::from(self.terms.weight)
    }

    fn tag(&self, now_ns: u64) -> u128 {
        let passed: u64 = self.serving.iter().map(|(since, _)| now_ns - since).sum();
        let thought: u64 = self.serving.iter().map(|(_, estimate)| estimate).sum();
        self.settled + self.over_weight(passed.max(thought))
    }

    fn forgive(&mut self, but: u128) {
        let forgiven = self.overrun.saturating_sub(but);
        (self.settled, self.overrun) = (self.settled - forgiven, self.overrun - forgiven);
    }
}

/// Both queues, and the requests that they are about.
struct Both {
    queue: FairQueue<Rc<Fake>, usize>,
    fakes: Vec<Rc<Fake>>,
    naive: Vec<Naive>,
    starts: u128,
    finishes: u128,
    calm_since_ns: Option<u64>,
    now_ns: u64,
    limit: u32,
    joined: usize,
    waiting: Vec<(usize, usize, Ticket)>,
    running: Vec<(usize, Charged)>,
}

impl Both {
    fn new() -> Self {
        Self {
            queue: FairQueue::default(),
            fakes: (0..TENANTS).map(|_| Rc::new(Fake::default())).collect(),
            naive: (0..TENANTS).map(|_| Naive::default()).collect(),
            starts: 0,
            finishes: 0,
            calm_since_ns: Some(0),
            now_ns: 0,
            limit: 2,
            joined: 0,
            waiting: Vec::new(),
            running: Vec::new(),
        }
    }

    fn ask(&mut self, who: usize, terms: SeatTerms) {
        let fake = Rc::clone(&self.fakes[who]);
        let is_free = (self.running.len() as u32) < self.limit;
        if !self.queue.is_wanted() && !fake.waiting.get() && is_free && fake.held() < terms.max {
            fake.seat();
            self.running
                .push((who, Charged { since_ns: self.now_ns, estimate_ns: fake.hold_ns(), in_turn: false }));
            return;
        }
        let request = self.joined + 1;
        let joined = self.queue.join(self.now_ns, self.limit, &fake, terms, request);
        let naive = &mut self.naive[who];
        assert_eq!(joined.is_err(), naive.waiting.len() >= terms.queue as usize);
        let Ok(ticket) = joined else { return };
        self.joined = request;
        self.waiting.push((request, who, ticket));
        naive.terms = terms;
        let start = self.start(who);
        let naive = &mut self.naive[who];
        if naive.waiting.is_empty() {
            let pause_ns = naive.idle_since_ns.map_or(0, |since| self.now_ns - since);
            if naive.serving.is_empty() {
                naive.forgive(if pause_ns >= PAUSE_NS { 0 } else { u128::MAX });
                naive.settled = naive.settled.max(start);
            }
            (naive.waits_since_ns, naive.idle_since_ns) = (self.now_ns, None);
        }
        naive.waiting.push(request);
        self.rank(who);
    }

    fn leave(&mut self, nth: usize) {
        if self.waiting.is_empty() {
            return;
        }
        let (request, who, ticket) = self.waiting.swap_remove(nth % self.waiting.len());
        assert_eq!(self.queue.leave(self.now_ns, self.limit, ticket), Some(request));
        assert_eq!(self.queue.leave(self.now_ns, self.limit, ticket), None);
        self.naive[who].waiting.retain(|waiting| *waiting != request);
        self.rank(who);
    }

    fn finish(&mut self, nth: usize) {
        if self.running.is_empty() {
            return;
        }
        let (who, charged) = self.running.swap_remove(nth % self.running.len());
        let held_ns = self.now_ns - charged.since_ns;
        let fake = &self.fakes[who];
        fake.held.set(fake.held() - 1);
        fake.hold_ns.set((fake.hold_ns() + held_ns) / 2);
        self.queue.settle(self.now_ns, self.limit, fake, charged);
        let naive = &mut self.naive[who];
        let estimate = charged.estimate_ns;
        let due_ns = match charged.in_turn {
            true => {
                let at = naive.serving.iter().position(|seat| *seat == (charged.since_ns, estimate));
                naive.serving.swap_remove(at.unwrap());
                naive.overrun += naive.over_weight(held_ns.saturating_sub(estimate));
                held_ns
            }
            false if naive.waiting.is_empty() => 0,
            false => estimate.min(self.now_ns - charged.since_ns.max(naive.waits_since_ns)),
        };
        naive.settled += naive.over_weight(due_ns);
        self.rank(who);
    }

    /// No seat stays free that somebody could have.
    fn serve(&mut self) {
        while (self.running.len() as u32) < self.limit {
            let (first, expected) = (self.first(), self.choose());
            let turn = self.queue.next(self.now_ns, self.limit);
            assert_eq!(turn.as_ref().map(|turn| turn.waiter), expected.map(|(_, request)| request));
            let (Some((who, request)), Some(turn)) = (expected, turn) else { break };
            self.waiting.retain(|(waiting, ..)| *waiting != request);
            self.running.push((who, turn.charged));
            let naive = &mut self.naive[who];
            if first == Some(who) && self.fakes[who].held() > naive.terms.reserved {
                let start = naive.tag(self.now_ns);
                let finish = start + naive.over_weight(self.fakes[who].hold_ns().min(SECOND_NS));
                self.starts = self.starts.max(start);
                self.finishes = self.finishes.max(finish);
                naive.overrun = 0;
            }
            naive.fresh = None;
            naive.waiting.remove(0);
            naive.serving.push((self.now_ns, turn.charged.estimate_ns));
            self.rank(who);
        }
    }

    fn can_be_served(&self) -> impl Iterator<Item = usize> {
        (0..TENANTS).filter(|who| self.naive[*who].can_be_served)
    }

    /// Whose turn it is in the order of what they have had: looked for from end to end.
    fn first(&self) -> Option<usize> {
        let key = |who: &usize| {
            let (naive, fake) = (&self.naive[*who], &self.fakes[*who]);
            let ahead = naive.over_weight(fake.hold_ns().min(SECOND_NS));
            let finish = naive.tag(self.now_ns) + ahead;
            let place = fake.place().map(|place| place.0);
            let seats = if naive.fresh.is_some() { 0 } else { fake.held() };
            (fake.held() >= naive.terms.reserved, finish, naive.fresh.is_none(), naive.fresh, seats, place)
        };
        self.can_be_served().min_by_key(key)
    }

    /// Who holds the least for its weight, if one more makes no more than its part of the seats.
    fn below_part(&self) -> Option<usize> {
        let one_more = |who: usize| (u64::from(self.fakes[who].held()) + 1) << 24;
        let load = |who: usize| one_more(who) / u64::from(self.naive[who].terms.weight);
        let is_active = |naive: &&Naive| !naive.waiting.is_empty() || !naive.serving.is_empty();
        let weights: u64 =
            self.naive.iter().filter(is_active).map(|naive| u64::from(naive.terms.weight)).sum();
        let key =
            |who: &usize| (load(*who), self.naive[*who].ranked, self.fakes[*who].place().map(|at| at.0));
        let is_due = |who: &usize| {
            let ahead = u128::from(self.fakes[*who].hold_ns().min(SECOND_NS)) * SCALE;
            let ahead = ahead * u128::from(self.limit) / u128::from(weights);
            self.naive[*who].tag(self.now_ns) <= self.starts + ahead
        };
        let below = |who: &usize| load(*who) * weights <= u64::from(self.limit) << 24;
        self.can_be_served().filter(below).filter(is_due).min_by_key(key)
    }

    fn choose(&self) -> Option<(usize, usize)> {
        let first = self.first()?;
        let is_reserved = self.fakes[first].held() < self.naive[first].terms.reserved;
        let who = if is_reserved { first } else { self.below_part().unwrap_or(first) };
        Some((who, self.naive[who].waiting[0]))
    }

    /// Where a tenant starts that comes.
    fn start(&self, who: usize) -> u128 {
        let ahead = self.naive[who].over_weight(self.fakes[who].hold_ns().min(SECOND_NS));
        self.starts.min(self.finishes.saturating_sub(ahead))
    }

    fn rank(&mut self, who: usize) {
        let held = self.fakes[who].held();
        let naive = &mut self.naive[who];
        let could = naive.can_be_served;
        naive.can_be_served = !naive.waiting.is_empty() && held < naive.terms.max;
        if naive.can_be_served && !could {
            if let Some(since) = self.calm_since_ns.take() {
                let calm = u128::from(self.now_ns - since) * u128::from(self.limit) * SCALE;
                (self.starts, self.finishes) = (self.starts + calm, self.finishes + calm);
            }
            let start = self.start(who);
            let naive = &mut self.naive[who];
            let tag = naive.tag(self.now_ns);
            naive.fresh = (tag <= start).then_some(self.joined);
            if tag <= start {
                naive.settled += start - tag;
                naive.overrun = 0;
            }
        }
        let ahead = self.naive[who].over_weight(self.fakes[who].hold_ns().min(SECOND_NS));
        let naive = &mut self.naive[who];
        naive.ranked = naive.tag(self.now_ns) + ahead;
        if naive.waiting.is_empty() && naive.serving.is_empty() && naive.idle_since_ns.is_none() {
            naive.idle_since_ns = Some(self.now_ns);
            naive.forgive(naive.over_weight(10 * SECOND_NS));
        }
        if !self.naive.iter().any(|naive| naive.can_be_served) {
            self.calm_since_ns.get_or_insert(self.now_ns);
        }
    }

    fn check(&self) {
        self.queue.check_invariants().unwrap();
        assert_eq!(self.queue.len(), self.waiting.len());
        for (naive, fake) in self.naive.iter().zip(&self.fakes) {
            assert_eq!(self.queue.waiting(fake) as usize, naive.waiting.len());
            assert_eq!(fake.waiting.get(), !naive.waiting.is_empty());
            assert!(naive.waiting.len() <= 4, "more wait than may");
            let known = !naive.waiting.is_empty() || !naive.serving.is_empty();
            assert!(!known || fake.place().is_some());
        }
        assert!(self.queue.is_wanted() || !self.naive.iter().any(|naive| naive.can_be_served));
        assert!(!self.queue.is_wanted() || self.running.len() as u32 >= self.limit, "a seat is idle");
    }
}

#[derive(Debug, Clone)]
enum Step {
    Ask(usize),
    Leave(usize),
    Finish(usize),
    Limit(u32),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pass = prop_oneof![0..3 * MS, 0..300 * MS, Just(20 * SECOND_NS)];
    let step = prop_oneof![
        8 => (0..TENANTS).prop_map(Step::Ask),
        1 => any::<usize>().prop_map(Step::Leave),
        6 => any::<usize>().prop_map(Step::Finish),
        1 => (0..6_u32).prop_map(Step::Limit),
        6 => pass.prop_map(Step::Pass),
    ];
    vec(step, 0..200)
}

fn terms() -> impl Strategy<Value = Vec<SeatTerms>> {
    let max = prop_oneof![3 => Just(u32::MAX), 1 => 1..4_u32];
    let reserved = prop_oneof![3 => Just(0), 1 => 1..3_u32];
    let terms = (1..12_u32, max, 1..=4_u32, reserved);
    let terms = terms.prop_map(|(weight, max, queue, reserved)| SeatTerms { weight, max, queue, reserved });
    vec(terms, TENANTS)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn it_chooses_as_a_naive_queue_would(terms in terms(), steps in steps()) {
        let mut both = Both::new();
        for step in steps {
            match step {
                Step::Ask(who) => both.ask(who, terms[who]),
                Step::Leave(nth) => both.leave(nth),
                Step::Finish(nth) => both.finish(nth),
                Step::Limit(limit) => both.limit = limit,
                Step::Pass(ns) => both.now_ns += ns,
            }
            both.serve();
            both.check();
        }
        // Nobody starves: with seats that come back, everybody's turn comes.
        both.limit = both.limit.max(1);
        both.serve();
        for _ in 0..both.waiting.len() + both.running.len() {
            both.now_ns += MS;
            both.finish(0);
            both.serve();
            both.check();
        }
        prop_assert!(both.queue.is_empty() && both.running.is_empty());
    }
}

/// Debts that virtual time has passed are forgotten with what is done next, a few at a time.
#[test]
fn who_owes_nothing_is_forgotten() {
    let mut both = Both::new();
    both.limit = 1;
    for round in 0..50 {
        for who in 0..TENANTS {
            both.ask(who, SeatTerms::default());
            both.ask(who, SeatTerms::default());
        }
        both.serve();
        while !both.running.is_empty() {
            both.now_ns += 30 * MS * (1 + round % 7);
            both.finish(0);
            both.serve();
            both.check();
        }
    }
    assert!(both.queue.tenants() > 0, "the last ones owe what they were charged");
    both.now_ns += 60 * SECOND_NS;
    for _ in 0..TENANTS + 2 {
        both.ask(0, SeatTerms::default());
        both.ask(0, SeatTerms::default());
        both.serve();
        both.finish(0);
        both.serve();
    }
    assert_eq!(both.queue.tenants(), 1);
}
