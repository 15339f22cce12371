//! Whatever happens to a quota, its clock and its store, against counting.

use proptest::prelude::*;

use super::super::block::block_max;
use super::*;

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
