//! A store that fails, is late, or answers whom nobody waits for any more.

use super::*;

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
