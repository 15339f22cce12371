//! Stories of broken endpoints and poisonous tenants.

use std::time::Duration;

use super::*;

pub(super) const S: u64 = 1_000_000_000;

/// A pool whose clock stands where the test puts it.
pub(super) struct Pool {
    pub(super) outliers: Arc<Outliers>,
    pub(super) watches: Vec<Watch>,
}

impl Pool {
    pub(super) fn of(endpoints: u64, terms: OutlierTerms) -> Self {
        let outliers = Arc::new(Outliers::new(terms, 0));
        let watches = (0..endpoints).map(|endpoint| outliers.watch(0, endpoint)).collect();
        Self { outliers, watches }
    }

    pub(super) fn record(
        &self,
        now_ns: u64,
        endpoint: usize,
        tenant: u64,
        outcome: Outcome,
    ) -> Option<Change> {
        self.watches[endpoint].record(|| now_ns, tenant, outcome)
    }

    /// How many of these are recorded until the endpoint is ejected.
    fn until_ejected(&self, endpoint: usize, outcomes: &[(u64, Outcome)]) -> Option<usize> {
        let of = |(tenant, outcome): &(u64, Outcome)| self.record(0, endpoint, *tenant, *outcome).is_some();
        outcomes.iter().position(of).map(|at| at + 1)
    }
}

fn consecutive() -> OutlierTerms {
    OutlierTerms { success_rate: None, ..OutlierTerms::default() }
}

#[test]
fn an_endpoint_that_fails_everyone_is_ejected_after_so_many_failures() {
    let pool = Pool::of(4, consecutive());
    let failures: Vec<_> = (0..10).map(|n| (1 + n % 3, Outcome::Status)).collect();
    assert_eq!(pool.until_ejected(0, &failures), Some(5));
    assert!(pool.watches[0].is_ejected());
    assert_eq!(pool.watches[0].ejected_until(), Some(30 * S));
    assert!(!pool.watches[1].is_ejected());
}

#[test]
fn a_tenant_whose_every_request_fails_takes_no_endpoint_from_others() {
    let pool = Pool::of(4, consecutive());
    for endpoint in 0..4 {
        pool.record(0, endpoint, 2, Outcome::Success);
        assert_eq!(pool.until_ejected(endpoint, &[(1, Outcome::Status); 500]), None);
        pool.record(0, endpoint, 2, Outcome::Success);
        assert_eq!(pool.until_ejected(endpoint, &[(1, Outcome::Reset); 500]), None);
    }
    assert_eq!(pool.outliers.ejected(), 0);
}

#[test]
fn the_next_tenants_failure_settles_what_one_tenants_left_open() {
    let pool = Pool::of(4, consecutive());
    pool.record(0, 0, 2, Outcome::Success);
    assert_eq!(pool.until_ejected(0, &[(1, Outcome::Timeout); 9]), None);
    let change = pool.record(7, 0, 2, Outcome::Timeout);
    let cause = Cause::Failures { count: 10, tenants: 2 };
    assert_eq!(change, Some(Change::Ejected { endpoint: 0, cause, until_ns: 7 + 30 * S }));
}

#[test]
fn a_tenant_that_is_alone_is_judged_as_everywhere_else() {
    let pool = Pool::of(2, consecutive());
    assert_eq!(pool.until_ejected(0, &[(1, Outcome::Status); 9]), Some(5));
}

#[test]
fn who_was_there_in_the_last_window_is_not_forgotten_at_its_end() {
    let pool = Pool::of(2, consecutive());
    pool.record(9 * S, 0, 2, Outcome::Success);
    pool.outliers.tick(10 * S);
    assert_eq!(pool.until_ejected(0, &[(1, Outcome::Status); 9]), None);
    pool.outliers.tick(20 * S);
    assert_eq!(pool.until_ejected(0, &[(1, Outcome::Status)]), Some(1), "alone for a window and longer");
}

#[test]
fn failures_to_connect_are_the_endpoints_own() {
    let pool = Pool::of(2, consecutive());
    pool.record(0, 0, 2, Outcome::Success);
    assert_eq!(pool.until_ejected(0, &[(1, Outcome::Connect); 9]), Some(5));
}

#[test]
fn without_tenants_to_tell_apart_it_is_envoys() {
    let pool = Pool::of(2, OutlierTerms { min_tenants: 1, ..consecutive() });
    pool.record(0, 0, 2, Outcome::Success);
    assert_eq!(pool.until_ejected(0, &[(1, Outcome::Status); 9]), Some(5));
}

#[test]
fn ejections_grow_longer_and_shorter_again() {
    let terms = OutlierTerms { max_ejection: Duration::from_secs(70), ..consecutive() };
    let pool = Pool::of(2, terms);
    let mut now = 0;
    let mut eject = |rest: u64| {
        now += rest * S;
        pool.outliers.tick(now);
        let failed = (0..5).find_map(|_| pool.record(now, 0, 1, Outcome::Connect));
        let Some(Change::Ejected { until_ns, .. }) = failed else { panic!("not ejected: {failed:?}") };
        let took = until_ns - now;
        now = until_ns;
        assert_eq!(pool.outliers.tick(now), [Change::Readmitted { endpoint: 0 }]);
        took / S
    };
    assert_eq!([0, 0, 0, 0].map(&mut eject), [30, 60, 70, 70]);
    assert_eq!(eject(20), 60, "two intervals took two of three times back");
    assert_eq!(eject(3600), 30);
}

#[test]
fn a_part_of_the_pool_stays_and_one_may_always_go() {
    let fail = |pool: &Pool| {
        for endpoint in 0..pool.watches.len() {
            pool.until_ejected(endpoint, &[(1, Outcome::Connect); 6]);
        }
        pool.outliers.ejected()
    };
    for (endpoints, percent, ejected) in
        [(4, 50, 2), (5, 50, 2), (4, 10, 1), (1, 10, 1), (4, 0, 0), (4, 100, 4)]
    {
        let pool = Pool::of(endpoints, OutlierTerms { max_ejected_percent: percent, ..consecutive() });
        assert_eq!(fail(&pool), ejected, "{percent} % of {endpoints}");
        assert_eq!(pool.outliers.withheld(), endpoints - ejected as u64);
        let ailing = pool.watches.iter().filter(|watch| watch.is_ailing()).count();
        assert_eq!(ailing, endpoints as usize - ejected);
    }
}

#[test]
fn an_endpoint_that_leaves_makes_room() {
    let mut pool = Pool::of(2, consecutive());
    assert_eq!(pool.until_ejected(0, &[(1, Outcome::Connect); 5]), Some(5));
    assert_eq!(pool.until_ejected(1, &[(1, Outcome::Connect); 5]), Some(5));
    assert!(pool.watches[1].is_ailing() && !pool.watches[1].is_ejected());
    drop(pool.watches.remove(0));
    assert_eq!(pool.outliers.ejected(), 0);
    // Once its time is over, as that of one that is ejected would be.
    assert_eq!(pool.outliers.tick(30 * S), [Change::Readmitted { endpoint: 1 }]);
    assert_eq!(pool.until_ejected(0, &[(1, Outcome::Connect); 5]), Some(5));
    assert!(pool.watches[0].is_ejected());
}

#[test]
fn what_serves_can_be_counted_on_again() {
    let pool = Pool::of(2, consecutive());
    (0..2).for_each(|at| assert_eq!(pool.until_ejected(at, &[(1, Outcome::Connect); 5]), Some(5)));
    assert!(pool.watches[1].is_ailing());
    assert_eq!(pool.record(S, 1, 1, Outcome::Success), Some(Change::Readmitted { endpoint: 1 }));
    assert!(!pool.watches[1].is_ailing());
    assert_eq!(pool.record(S, 1, 1, Outcome::Success), None);
}

/// An endpoint that was away takes connections again: what one tenant fails there is no part of that.
#[test]
fn a_connection_that_is_made_ends_the_row_of_those_that_were_not() {
    let pool = Pool::of(2, consecutive());
    for _ in 0..9 {
        assert_eq!(pool.until_ejected(0, &[(1, Outcome::Connect), (2, Outcome::Connect)]), None);
        assert_eq!(pool.until_ejected(0, &[(1, Outcome::Status)]), None);
    }
    // And one that is found to be well in another way begins anew.
    assert_eq!(pool.until_ejected(1, &[(1, Outcome::Connect); 4]), None);
    pool.watches[1].forgive();
    assert_eq!(pool.until_ejected(1, &[(1, Outcome::Connect); 4]), None);
}

/// Each endpoint has 100 requests of tenant 1 and 100 of tenant 2; on the first, some fail.
fn rates(failing: [u64; 2]) -> Vec<Change> {
    let pool = Pool::of(5, OutlierTerms { consecutive_failures: 10, ..OutlierTerms::default() });
    for endpoint in 0..5 {
        for request in 0..100 {
            for tenant in 1..3 {
                let fails = endpoint == 0 && request % 2 == 0 && request / 2 < failing[tenant - 1];
                let outcome = if fails { Outcome::Status } else { Outcome::Success };
                assert_eq!(pool.record(0, endpoint, tenant as u64, outcome), None);
            }
        }
    }
    pool.outliers.tick(10 * S)
}

#[test]
fn a_low_success_rate_ejects_if_it_is_low_without_the_worst_tenant() {
    assert_eq!(rates([30, 0]), [], "one tenant's failures are its own");
    assert_eq!(rates([30, 9]), [], "too few beside them");
    let changes = rates([30, 10]);
    let [Change::Ejected { endpoint: 0, cause: Cause::SuccessRate { rate, .. }, .. }] = changes[..] else {
        panic!("not ejected: {changes:?}")
    };
    assert!((rate - 160.0 / 170.0).abs() < 1e-9, "{rate}");
}

#[test]
fn workers_that_record_at_once_lose_nothing() {
    let pool = Pool::of(3, OutlierTerms { consecutive_failures: 3, ..OutlierTerms::default() });
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let pool = &pool;
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(worker);
                for now in 0..20_000 {
                    let outcome =
                        random.choice([Outcome::Success, Outcome::Status, Outcome::Connect]).unwrap();
                    pool.record(now * S / 100, random.usize(..3), random.u64(..9), outcome);
                    if random.u8(..50) == 0 {
                        pool.outliers.tick(now * S / 100);
                    }
                }
            });
        }
    });
    let flagged = pool.watches.iter().filter(|watch| watch.is_ejected()).count();
    assert_eq!(flagged, pool.outliers.ejected());
    assert!(flagged <= 1);
    pool.outliers.tick(u64::MAX);
    assert!(pool.watches.iter().all(|watch| !watch.is_ejected()));
}
