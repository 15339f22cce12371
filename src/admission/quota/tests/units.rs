//! What is let in of each meter, in each window, by a store that answers.

use super::*;
use crate::admission::Label;

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
