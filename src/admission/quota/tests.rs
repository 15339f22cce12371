//! Quotas against a store that remembers, forgets to answer, and fails, and against counting.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::block::block_max;
use super::*;
use crate::admission::Label;
use crate::telemetry::Metrics;
use crate::time::{Clock, ManualClock};
use crate::types::TenantId;

/// A store in memory, whose orders wait until the test has them carried out.
#[derive(Debug, Default)]
struct Shelf {
    periods: Mutex<BTreeMap<i64, u64>>,
    waiting: Mutex<Vec<Order>>,
}

impl Backend for Shelf {
    fn submit(&self, order: Order, _: Lane) {
        self.waiting.lock().unwrap().push(order);
    }
}

impl Shelf {
    fn carry_out(&self, order: &Order) -> Grant {
        let mut periods = self.periods.lock().unwrap();
        for change in &order.changes {
            let units = periods.entry(change.start_ms).or_default();
            *units = units.saturating_add_signed(change.units);
        }
        *periods.entry(order.start_ms).or_default() += order.spent;
        let counted = |periods: &BTreeMap<i64, u64>| {
            let until = if order.counts_later { i64::MAX } else { order.start_ms };
            let counted = periods.range(order.counts_from_ms..=until);
            let held: Vec<(i64, u64)> =
                counted.filter(|(_, units)| **units > 0).map(|(s, u)| (*s, *u)).collect();
            (held.iter().map(|(_, units)| units).sum::<u64>(), held.first().map(|(start, _)| *start))
        };
        let granted = order.want.min(order.limit.saturating_sub(counted(&periods).0));
        *periods.entry(order.start_ms).or_default() += granted;
        let (used, oldest_ms) = counted(&periods);
        Grant { granted, used, oldest_ms }
    }

    fn next(&self) -> Option<Order> {
        let mut waiting = self.waiting.lock().unwrap();
        (!waiting.is_empty()).then(|| waiting.remove(0))
    }

    fn answer_all(&self) {
        while let Some(order) = self.next() {
            let grant = self.carry_out(&order);
            order.answer(Ok(grant));
        }
    }

    fn fail_all(&self) {
        while let Some(order) = self.next() {
            order.answer(Err(BackendError::Locked));
        }
    }
}

/// One process's life over a store.
struct Life {
    roster: Arc<Roster>,
    state: Arc<QuotaState>,
    quota: Quota,
}

impl Life {
    fn new(shelf: &Arc<Shelf>, clock: &Clock, spec: &QuotaSpec) -> Self {
        Self::over(Roster::new(clock.clone(), Metrics::new(1).unwrap().quotas()), shelf, spec)
    }

    /// A life in which requests wait for as long as it takes.
    fn patient(shelf: &Arc<Shelf>, clock: &Clock, spec: &QuotaSpec) -> Self {
        let meter = Metrics::new(1).unwrap().quotas();
        Self::over(Roster::with_patience(clock.clone(), meter, Duration::from_secs(3_600)), shelf, spec)
    }

    fn over(roster: Arc<Roster>, shelf: &Arc<Shelf>, spec: &QuotaSpec) -> Self {
        roster.connect(Arc::clone(shelf) as Arc<dyn Backend>);
        let spec = Arc::new(spec.clone());
        let tenant = TenantId::parse("acme").unwrap();
        let state = QuotaState::new(tenant, Arc::clone(&spec), Arc::clone(&roster));
        Self { quota: Quota::new(spec, Arc::clone(&state)), roster, state }
    }

    /// Asks as a request does, with a store that answers at once.
    fn ask(&self, shelf: &Shelf, cost: u32) -> Verdict {
        let _wanted = limit::Wanted::new(&self.state.demand, u64::from(cost));
        let cost = NonZeroU32::new(cost).unwrap();
        for _ in 0..4 {
            match self.quota.charge(cost) {
                Verdict::Undecided => {}
                verdict => return verdict,
            }
            let _ = self.state.ask(later());
            shelf.answer_all();
        }
        panic!("the store answers and the quota does not: {:?}", self.state);
    }

    fn admitted(&self, shelf: &Shelf, asked: usize) -> usize {
        (0..asked).filter(|_| matches!(self.ask(shelf, 1), Verdict::Admitted(_))).count()
    }
}

/// A moment at which every pause after a failure is over.
fn later() -> Instant {
    Instant::now() + Duration::from_secs(1)
}

const ONE: NonZeroU32 = NonZeroU32::MIN;

fn utc(unit: CalendarUnit) -> Window {
    Window::Calendar(unit, jiff::tz::TimeZone::UTC)
}

fn requests(limit: u64, window: Window) -> QuotaSpec {
    QuotaSpec {
        name: "monthly".into(),
        label: QuotaSpec::label("monthly", Meter::Requests, limit, &window),
        meter: Meter::Requests,
        limit,
        window,
        on_exceed: OnExceed::Reject,
        soft: None,
        on_outage: OnOutage::Deny,
    }
}

fn world() -> (Arc<Shelf>, Clock, ManualClock) {
    let (clock, hand) = Clock::manual();
    (Arc::default(), clock, hand)
}

#[test]
fn the_limit_is_reached_exactly_and_the_next_window_is_a_new_one() {
    let (shelf, clock, hand) = world();
    let life = Life::new(&shelf, &clock, &requests(1_000, utc(CalendarUnit::Day)));
    assert_eq!(life.admitted(&shelf, 1_500), 1_000);
    let Verdict::Refused(Exceeded::UsedUp { wait_s }) = life.quota.charge(ONE) else { panic!() };
    assert_eq!(wait_s, 12 * 3_600, "until midnight");
    hand.advance(Duration::from_secs(wait_s - 1));
    assert_eq!(life.admitted(&shelf, 3), 0);
    hand.advance(Duration::from_secs(1));
    assert_eq!(life.quota.standing().remaining, 1_000);
    assert_eq!(life.admitted(&shelf, 1_500), 1_000);
}

#[test]
fn the_next_block_is_ordered_before_the_present_one_is_used_up() {
    let (shelf, clock, _) = world();
    let life = Life::new(&shelf, &clock, &requests(100_000, utc(CalendarUnit::Day)));
    let _ = life.ask(&shelf, 1);
    for _ in 0..50_000 {
        assert!(matches!(life.quota.charge(ONE), Verdict::Admitted(_)));
        shelf.answer_all();
    }
}

#[test]
fn a_cost_takes_all_or_nothing() {
    let (shelf, clock, _) = world();
    let life = Life::new(&shelf, &clock, &requests(10, utc(CalendarUnit::Day)));
    assert!(matches!(life.ask(&shelf, 4), Verdict::Admitted(_)));
    assert!(matches!(life.ask(&shelf, 4), Verdict::Admitted(_)));
    assert!(matches!(life.ask(&shelf, 4), Verdict::Refused(_)));
    assert_eq!(life.quota.standing().remaining, 2);
    assert_eq!(life.admitted(&shelf, 5), 2);
}

#[test]
fn what_is_refunded_can_be_used_again_also_when_all_was_used() {
    let (shelf, clock, _) = world();
    let life = Life::new(&shelf, &clock, &requests(5, utc(CalendarUnit::Day)));
    let Verdict::Admitted(charged) = life.ask(&shelf, 3) else { panic!() };
    assert_eq!(life.admitted(&shelf, 5), 2);
    life.quota.refund(charged);
    assert_eq!(life.admitted(&shelf, 5), 3);
}

#[test]
fn a_restart_goes_on_and_a_clean_end_forfeits_nothing() {
    let (shelf, clock, _) = world();
    let spec = requests(1_000, utc(CalendarUnit::Day));
    let mut admitted = 0;
    for _ in 0..5 {
        let life = Life::new(&shelf, &clock, &spec);
        admitted += life.admitted(&shelf, 123);
        while life.roster.close() {
            shelf.answer_all();
        }
    }
    assert_eq!(shelf.periods.lock().unwrap().values().sum::<u64>(), 615);
    let life = Life::new(&shelf, &clock, &spec);
    assert_eq!(admitted + life.admitted(&shelf, 2_000), 1_000);
}

#[test]
fn an_idle_tenant_gives_the_rest_of_its_block_back() {
    let (shelf, clock, _) = world();
    let life = Life::new(&shelf, &clock, &requests(10_000, utc(CalendarUnit::Month)));
    assert_eq!(life.admitted(&shelf, 3), 3);
    let held = || shelf.periods.lock().unwrap().values().sum::<u64>();
    assert!(held() > 3);
    assert!(life.state.keep(Instant::now(), false), "it is looked after");
    assert!(life.state.keep(later() + Duration::from_secs(300), false));
    shelf.answer_all();
    assert_eq!(held(), 3);
    assert!(life.state.is_rested());
    assert_eq!(life.admitted(&shelf, 10_000), 9_997);
}

#[test]
fn a_lower_limit_holds_at_once_and_a_higher_one_too() {
    let (shelf, clock, _) = world();
    let spec = requests(10_000, utc(CalendarUnit::Day));
    let life = Life::new(&shelf, &clock, &spec);
    assert_eq!(life.admitted(&shelf, 100), 100);
    let reload = |limit| life.state.adopt(&Arc::new(QuotaSpec { limit, ..spec.clone() }));
    reload(102);
    assert_eq!(life.admitted(&shelf, 100), 2);
    reload(50);
    assert_eq!(life.admitted(&shelf, 100), 0);
    reload(150);
    assert_eq!(life.admitted(&shelf, 100), 48);
}

#[test]
fn the_soft_threshold_and_the_ratio_are_told() {
    let (shelf, clock, hand) = world();
    let spec = QuotaSpec { soft: Some(8), ..requests(10, utc(CalendarUnit::Day)) };
    let life = Life::new(&shelf, &clock, &spec);
    assert_eq!(life.admitted(&shelf, 7), 7);
    assert_eq!(life.quota.warning(), None);
    assert_eq!(life.admitted(&shelf, 1), 1);
    assert_eq!(life.quota.warning(), Some(80));
    assert!((life.quota.used_ratio() - 0.8).abs() < 1e-9);
    assert!(life.quota.describe().soft_passed);
    hand.advance(Duration::from_secs(86_400));
    assert_eq!(life.quota.warning(), None);
    assert_eq!(life.quota.used_ratio(), 0.0);
}

#[test]
fn past_the_limit_requests_pass_at_the_throttles_rate() {
    let (shelf, clock, hand) = world();
    let throttle = Throttle::new(NonZeroU32::new(2).unwrap(), Duration::from_secs(1));
    let spec = QuotaSpec { on_exceed: OnExceed::Throttle(throttle), ..requests(10, utc(CalendarUnit::Day)) };
    let life = Life::new(&shelf, &clock, &spec);
    assert_eq!(life.admitted(&shelf, 20), 12);
    assert_eq!(life.ask(&shelf, 1), Verdict::Refused(Exceeded::UsedUp { wait_s: 1 }));
    hand.advance(Duration::from_millis(500));
    let Verdict::Admitted(charged) = life.ask(&shelf, 1) else { panic!() };
    assert_eq!(life.admitted(&shelf, 1), 0);
    life.quota.refund(charged);
    assert_eq!(life.admitted(&shelf, 2), 1);
    assert_eq!(life.quota.describe().used, 13, "what passes is counted");
    life.roster.look_round();
    shelf.answer_all();
    assert_eq!(shelf.periods.lock().unwrap().values().sum::<u64>(), 13);
}

#[test]
fn a_quota_that_allows_counts_on_and_never_waits() {
    let (shelf, clock, _) = world();
    let spec = QuotaSpec { on_exceed: OnExceed::Allow, ..requests(10, utc(CalendarUnit::Day)) };
    let life = Life::new(&shelf, &clock, &spec);
    for _ in 0..25 {
        assert!(matches!(life.quota.charge(ONE), Verdict::Admitted(_)));
    }
    assert!((life.quota.used_ratio() - 2.5).abs() < 1e-9);
    life.roster.look_round();
    shelf.answer_all();
    assert_eq!(shelf.periods.lock().unwrap().values().sum::<u64>(), 25);
    assert!((life.quota.used_ratio() - 2.5).abs() < 1e-9);
}

#[test]
fn bytes_are_checked_at_the_beginning_and_counted_at_the_end() {
    let (shelf, clock, hand) = world();
    let spec = QuotaSpec { meter: Meter::ResponseBytes, ..requests(1_000, utc(CalendarUnit::Day)) };
    let life = Life::new(&shelf, &clock, &spec);
    assert_eq!(life.quota.charge(ONE), Verdict::Undecided, "how much was used is not known yet");
    assert!(matches!(life.ask(&shelf, 1), Verdict::Admitted(_)));
    assert!(matches!(life.ask(&shelf, 1), Verdict::Admitted(_)));
    life.quota.count(999);
    assert!(matches!(life.ask(&shelf, 1), Verdict::Admitted(_)));
    life.quota.count(500);
    assert!(matches!(life.ask(&shelf, 1), Verdict::Refused(Exceeded::UsedUp { .. })));
    life.roster.look_round();
    shelf.answer_all();
    assert_eq!(shelf.periods.lock().unwrap().values().sum::<u64>(), 1_499);
    let next = Life::new(&shelf, &clock, &spec);
    assert!(matches!(next.ask(&shelf, 1), Verdict::Refused(_)), "a restart forgets nothing that was told");
    hand.advance(Duration::from_secs(86_400));
    assert!(matches!(next.quota.charge(ONE), Verdict::Admitted(_)), "a new window needs no answer");
    assert_eq!(life.quota.describe().used, 0);
}

#[test]
fn seconds_are_counted_in_microseconds_and_shown_in_seconds() {
    let (shelf, clock, _) = world();
    let spec = QuotaSpec {
        meter: Meter::UpstreamSeconds,
        soft: Some(5_000_000),
        ..requests(10_000_000, utc(CalendarUnit::Day))
    };
    let life = Life::new(&shelf, &clock, &spec);
    let _ = life.ask(&shelf, 1);
    (0..4).for_each(|_| life.quota.count(1_600_000));
    let description = life.quota.describe();
    assert_eq!((description.used, description.limit, description.soft), (6, 10, Some(5)));
    assert_eq!(life.quota.standing().remaining, 3);
    let label = QuotaSpec::label("time", spec.meter, spec.limit, &spec.window);
    let policy = Label::policy_field([&label]).unwrap();
    assert_eq!(policy, "\"time\";q=10;w=86400;qu=\"upstream-seconds\"");
}

#[test]
fn a_rolling_window_gives_back_what_has_left_it() {
    let (shelf, clock, hand) = world();
    let spec = requests(100, Window::rolling(Duration::from_secs(3_600)));
    let life = Life::new(&shelf, &clock, &spec);
    assert_eq!(life.admitted(&shelf, 60), 60);
    hand.advance(Duration::from_secs(1_800));
    assert_eq!(life.admitted(&shelf, 60), 40);
    let Verdict::Refused(Exceeded::UsedUp { wait_s }) = life.quota.charge(ONE) else { panic!() };
    assert!((1_800..=1_920).contains(&wait_s), "{wait_s}");
    hand.advance(Duration::from_secs(wait_s - 1));
    assert_eq!(life.admitted(&shelf, 100), 0);
    hand.advance(Duration::from_secs(1));
    assert_eq!(life.admitted(&shelf, 100), 60);
}

#[test]
fn a_store_that_fails_is_the_policys_business() {
    let (shelf, clock, _) = world();
    for (policy, admitted) in [(OnOutage::Deny, 0), (OnOutage::Local, 10)] {
        let spec = QuotaSpec { on_outage: policy, ..requests(10, utc(CalendarUnit::Day)) };
        let life = Life::new(&Arc::default(), &clock, &spec);
        let ask = || match life.quota.charge(ONE) {
            Verdict::Undecided => life.quota.without_store(ONE),
            verdict => verdict,
        };
        let counted = (0..20).filter(|_| matches!(ask(), Verdict::Admitted(_))).count();
        assert_eq!(counted, admitted);
        let refused =
            if policy == OnOutage::Deny { Exceeded::Unknown } else { Exceeded::UsedUp { wait_s: 43_200 } };
        assert_eq!(ask(), Verdict::Refused(refused));
    }
    // What was let in meanwhile is told when the store is back, and counts.
    let spec = QuotaSpec { on_outage: OnOutage::Local, ..requests(10, utc(CalendarUnit::Day)) };
    let life = Life::new(&shelf, &clock, &spec);
    for _ in 0..7 {
        let _ = life.state.ask(later());
        shelf.fail_all();
        assert!(matches!(life.quota.without_store(ONE), Verdict::Admitted(_)));
    }
    assert!(life.quota.describe().outage);
    assert_eq!(life.admitted(&shelf, 10), 3);
    assert_eq!(shelf.periods.lock().unwrap().values().sum::<u64>(), 10);
    assert!(!life.quota.describe().outage);
}

#[test]
fn a_request_is_not_held_longer_than_promised() {
    let (shelf, clock, _) = world();
    let life = Life::new(&shelf, &clock, &requests(10, utc(CalendarUnit::Day)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let decide = || {
        let started = Instant::now();
        let verdict = runtime.block_on(async { life.quota.decide(ONE, life.quota.deadline()).await });
        assert_eq!(verdict, Verdict::Refused(Exceeded::Unknown));
        started.elapsed()
    };
    let waited = decide();
    assert!(waited >= Duration::from_millis(3), "it waits for the store: {waited:?}");
    assert!(waited < Duration::from_millis(500), "but not for long: {waited:?}");
    // Others that come while the same order is late are decided at once.
    let runs: Vec<Duration> = (0..50).map(|_| decide()).collect();
    assert!(runs.iter().min().is_some_and(|shortest| *shortest < Duration::from_millis(1)), "{runs:?}");
}

#[test]
fn an_answer_wakes_who_waits_and_who_left_was_charged_nothing() {
    let (shelf, clock, _) = world();
    let spec = QuotaSpec { on_outage: OnOutage::Deny, ..requests(3, utc(CalendarUnit::Day)) };
    let life = Life::patient(&shelf, &clock, &spec);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let left = Box::pin(life.quota.decide(ONE, life.quota.deadline()));
        let gone = tokio::time::timeout(Duration::ZERO, left).await;
        assert!(gone.is_err());
        let answering = async {
            tokio::task::yield_now().await;
            shelf.answer_all();
        };
        let (verdict, ()) = tokio::join!(life.quota.decide(ONE, life.quota.deadline()), answering);
        assert!(matches!(verdict, Verdict::Admitted(_)), "{verdict:?}");
    });
    assert_eq!(life.admitted(&shelf, 5), 2);
}

#[test]
fn threads_together_are_let_in_exactly_as_often_as_there_are_units() {
    let (shelf, clock, _) = world();
    let spec = requests(20_000, utc(CalendarUnit::Day));
    let life = Life::new(&shelf, &clock, &spec);
    let work = |seed: u64| {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut kept, mut dry) = (0_u64, 0);
        while dry < 50 {
            match life.quota.charge(ONE) {
                // A later gate refuses one in four.
                Verdict::Admitted(charged) if random.u8(..4) == 0 => life.quota.refund(charged),
                Verdict::Admitted(_) => kept += 1,
                Verdict::Refused(_) => dry += 1,
                Verdict::Undecided => {
                    let _ = life.state.ask(later());
                    std::thread::yield_now();
                }
            }
        }
        kept
    };
    let kept: u64 = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|seed| scope.spawn(move || work(seed))).collect();
        while !workers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            shelf.answer_all();
            std::thread::yield_now();
        }
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    // Who was refused while another held a unit that it refunded later may have left one behind.
    let rest = life.admitted(&shelf, 100) as u64;
    assert_eq!(kept + rest, 20_000);
}

/// What can happen to a quota.
#[derive(Debug, Clone)]
enum Event {
    Request { cost: u32, store: Store },
    Refund(usize),
    Wait(u64),
    PutClockBack(i64),
    Answer,
    Fail,
    LookRound,
    Crash { carried_out: bool },
    Limit(u64),
}

/// How the store treats a request that needs it.
#[derive(Debug, Clone, Copy)]
enum Store {
    Answers,
    Fails,
    IsSilent,
}

fn events(crashes: bool, steps_back: bool) -> impl Strategy<Value = Vec<Event>> {
    let store = prop_oneof![4 => Just(Store::Answers), 1 => Just(Store::Fails), 1 => Just(Store::IsSilent)];
    let event = prop_oneof![
        30 => (1_u32..4, store).prop_map(|(cost, store)| Event::Request { cost, store }),
        6 => any::<usize>().prop_map(Event::Refund),
        5 => (0_u64..30_000).prop_map(Event::Wait),
        u32::from(steps_back) => (0_i64..90_000).prop_map(Event::PutClockBack),
        3 => Just(Event::Answer),
        2 => Just(Event::Fail),
        3 => Just(Event::LookRound),
        u32::from(crashes) => any::<bool>().prop_map(|carried_out| Event::Crash { carried_out }),
        1 => (1_u64..400).prop_map(Event::Limit),
    ];
    proptest::collection::vec(event, 1..400)
}

/// What was let in, by counting.
struct Counting {
    window: Window,
    kept: Vec<(i64, u64)>,
}

impl Counting {
    /// Units let in and not refunded in the window that ends with this moment.
    fn used(&self, now_ms: i64) -> u64 {
        let within = |at: i64| match &self.window {
            Window::Rolling { length_ms } => (now_ms - length_ms..=now_ms).contains(&at),
            calendar => calendar.period(now_ms).contains(at),
        };
        self.kept.iter().filter(|(at, _)| within(*at)).map(|(_, units)| units).sum()
    }
}

fn never_beyond_the_limit(spec: QuotaSpec, events: Vec<Event>) -> Result<(), TestCaseError> {
    let (shelf, clock, hand) = world();
    let mut spec = spec;
    let mut life = Life::new(&shelf, &clock, &spec);
    let mut counting = Counting { window: spec.window.clone(), kept: Vec::new() };
    let mut open: Vec<(Charged, usize)> = Vec::new();
    for event in events {
        match event {
            Event::Request { cost, store } => {
                let cost = NonZeroU32::new(cost).unwrap();
                let mut verdict = life.quota.charge(cost);
                if verdict == Verdict::Undecided {
                    let _ = life.state.ask(later());
                    match store {
                        Store::Answers => shelf.answer_all(),
                        Store::Fails => shelf.fail_all(),
                        Store::IsSilent => {}
                    }
                    verdict = life.quota.charge(cost);
                }
                if verdict == Verdict::Undecided {
                    verdict = life.quota.without_store(cost);
                }
                if let Verdict::Admitted(charged) = verdict {
                    open.push((charged, counting.kept.len()));
                    counting.kept.push((clock.unix_ms(), u64::from(cost.get())));
                    let used = counting.used(clock.unix_ms());
                    prop_assert!(used <= spec.limit, "{} of {} are used", used, spec.limit);
                }
            }
            Event::Refund(which) => {
                if !open.is_empty() {
                    let (charged, at) = open.swap_remove(which % open.len());
                    life.quota.refund(charged);
                    counting.kept[at].1 = 0;
                }
            }
            Event::Wait(ms) => hand.advance(Duration::from_millis(ms)),
            Event::PutClockBack(ms) => hand.set_unix_ms(clock.unix_ms() - ms),
            Event::Answer => shelf.answer_all(),
            Event::Fail => shelf.fail_all(),
            Event::LookRound => {
                life.state.keep(later(), false);
            }
            Event::Crash { carried_out } => {
                let waiting = std::mem::take(&mut *shelf.waiting.lock().unwrap());
                let wanted: u64 = waiting.iter().map(|order| order.want).sum();
                let forfeited = life.state.units.load().left() + wanted;
                // Blocks of the highest limit that there was, and what was refunded into the present one.
                prop_assert!(forfeited <= 2 * block_max(400) + 16 * 4, "{} are forfeited", forfeited);
                if carried_out {
                    waiting.iter().for_each(|order| _ = shelf.carry_out(order));
                }
                drop(waiting);
                life = Life::new(&shelf, &clock, &spec);
                // Nobody is left who could refund these.
                open.clear();
            }
            Event::Limit(limit) => {
                spec.limit = limit;
                life.quota = Quota::new(Arc::new(spec.clone()), Arc::clone(&life.state));
            }
        }
    }
    // In the end, with a store that answers, exactly what is left is let in.
    shelf.answer_all();
    while life.state.keep(later() + Duration::from_secs(600), true) {
        shelf.answer_all();
    }
    let before = counting.used(clock.unix_ms());
    let held: u64 = life.admitted(&shelf, spec.limit as usize + 10) as u64;
    prop_assert!(before + held <= spec.limit.max(before));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever happens: crashes, a store that fails or carries out and doesn't answer, clocks that are put back,
    /// limits that change. No window ever holds more than the limit.
    #[test]
    fn no_window_holds_more_than_the_limit(limit in 1_u64..400, events in events(true, true)) {
        never_beyond_the_limit(requests(limit, utc(CalendarUnit::Minute)), events)?;
    }

    #[test]
    fn no_rolling_window_holds_more_than_the_limit(limit in 1_u64..400, events in events(true, true)) {
        never_beyond_the_limit(requests(limit, Window::rolling(Duration::from_secs(60))), events)?;
    }

    /// A process that goes on without its store, and finds it again, stays within the limit too, also when the clock
    /// is put back.
    #[test]
    fn what_is_decided_locally_stays_within_the_limit(limit in 1_u64..400, events in events(false, true)) {
        let spec = requests(limit, utc(CalendarUnit::Minute));
        never_beyond_the_limit(QuotaSpec { on_outage: OnOutage::Local, ..spec }, events)?;
    }

    /// Without crashes nothing is forfeited: in the end the limit is reached exactly.
    #[test]
    fn without_a_crash_the_limit_is_reached(limit in 1_u64..400, events in events(false, false)) {
        let spec = requests(limit, utc(CalendarUnit::Day));
        let (shelf, clock, _) = world();
        let life = Life::new(&shelf, &clock, &spec);
        let (mut kept, mut open) = (0_u64, Vec::new());
        for event in events {
            match event {
                Event::Request { .. } => {
                    if let Verdict::Admitted(charged) = life.ask(&shelf, 1) {
                        kept += 1;
                        open.push(charged);
                    }
                }
                Event::Refund(which) if !open.is_empty() => {
                    life.quota.refund(open.swap_remove(which % open.len()));
                    kept -= 1;
                }
                Event::LookRound => drop(life.state.keep(later() + Duration::from_secs(600), false)),
                Event::Fail => shelf.fail_all(),
                _ => {}
            }
        }
        kept += life.admitted(&shelf, 1_000) as u64;
        prop_assert_eq!(kept, limit);
    }
}
