//! Whoever looks after a pool while it runs: its endpoints are checked, the names of some are followed, ejections end, and
//! whenever something has changed the pool is lined up anew.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

use super::balancing::{moment_of, ns_of};
use super::dns::Resolver;
use super::endpoint::{Endpoint, EndpointId};
use super::pool::Pool;
use super::probe::{self, HealthChecks};
use crate::health::{Change, Outliers, first_check, next_check};

/// The longest wait for an endpoint's first check: a pool that is new should know soon.
const FIRST_CHECK_MAX: Duration = Duration::from_secs(1);

/// Looks after a pool, for ever. Dropped, it stops at once. To be run on a runtime that takes local tasks.
pub async fn watch_over(pool: Arc<Pool>, resolver: Option<Resolver>) {
    let mut tasks = JoinSet::new();
    if let Some(resolver) = resolver {
        let found = Rc::new(RefCell::new(vec![Vec::new(); pool.sources().len()]));
        for nth in 0..pool.sources().len() {
            tasks.spawn_local(follow(Arc::clone(&pool), nth, Rc::clone(&found), resolver.clone()));
        }
    }
    let mut checked: HashMap<EndpointId, AbortHandle> = HashMap::new();
    let outliers = pool.vitals().outliers();
    loop {
        if let Some(checks) = pool.checks() {
            check_all(&pool, checks, &mut checked, &mut tasks);
        }
        let due = pool.line_up();
        while !news(&pool, outliers.as_deref(), due).await {}
        // What changes meanwhile is seen to together.
        sleep_until(pool.vitals().rests_until()).await;
    }
}

/// Waits for a change, or for what time brings: whether that is worth a new line-up. Success rates are compared once an interval,
/// most often without a result.
async fn news(pool: &Pool, outliers: Option<&Outliers>, due: Option<Instant>) -> bool {
    let tick = outliers.map(|outliers| moment_of(outliers.next_due()));
    tokio::select! {
        () = pool.vitals().changed() => true,
        () = until(due) => true,
        () = until(tick) => outliers.is_some_and(|outliers| tick_over(pool, outliers)),
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Does what time brings to the pool's ejections; whether that was something.
fn tick_over(pool: &Pool, outliers: &Outliers) -> bool {
    let changes = outliers.tick(ns_of(Instant::now()));
    let endpoints = pool.endpoints();
    for change in &changes {
        let (Change::Ejected { endpoint: id, .. }
        | Change::Withheld { endpoint: id, .. }
        | Change::Readmitted { endpoint: id }) = change;
        let own = endpoints.iter().find(|endpoint| endpoint.id().number() == *id);
        own.into_iter().for_each(|endpoint| endpoint.note(*change));
    }
    !changes.is_empty()
}

/// Sees to it that each endpoint of the pool is checked, and no other.
fn check_all(
    pool: &Arc<Pool>,
    checks: &Arc<HealthChecks>,
    checked: &mut HashMap<EndpointId, AbortHandle>,
    tasks: &mut JoinSet<()>,
) {
    let endpoints = pool.endpoints();
    checked.retain(|id, task| {
        let stays = endpoints.iter().any(|endpoint| endpoint.id() == *id);
        if !stays {
            task.abort();
        }
        stays
    });
    while tasks.try_join_next().is_some() {}
    for endpoint in endpoints.iter() {
        checked.entry(endpoint.id()).or_insert_with(|| {
            tasks.spawn_local(check(Arc::clone(pool), Arc::clone(endpoint), Arc::clone(checks)))
        });
    }
}

async fn check(pool: Arc<Pool>, endpoint: Arc<Endpoint>, checks: Arc<HealthChecks>) {
    sleep(first_check(checks.interval.min(FIRST_CHECK_MAX), fastrand::u64(..))).await;
    loop {
        let began = Instant::now();
        let found = probe::ask(&pool, &endpoint, &checks).await;
        if endpoint.checked(checks.rules, found) {
            // At once if that is cheap, so that nobody who sees the change sees requests go there still.
            if pool.vitals().rests_until() <= Instant::now() {
                pool.line_up();
            }
            pool.tell();
        }
        sleep_until(began + next_check(checks.interval, fastrand::u64(..))).await;
    }
}

/// Keeps the endpoints that the pool's `nth` name stands for what its addresses are. An address of several names is one
/// endpoint, and stays for as long as one of them has it: so what was `found` of all of them is told each time.
async fn follow(pool: Arc<Pool>, nth: usize, found: Rc<RefCell<Vec<Vec<SocketAddr>>>>, resolver: Resolver) {
    let Some(source) = pool.sources().get(nth) else { return };
    let mut addresses = resolver.watch(&source.name, source.port);
    while addresses.changed().await.is_ok() {
        let new = addresses.borrow_and_update().clone();
        let mut found = found.borrow_mut();
        found.get_mut(nth).into_iter().for_each(|own| own.clone_from(&new));
        let all = pool.sources().iter().zip(found.iter().map(Vec::as_slice));
        let known: Vec<_> = all.filter(|(_, addresses)| !addresses.is_empty()).collect();
        pool.found(&known);
        pool.tell();
    }
}
