//! Requests of a worker that wait for one of its own connections to come free, where their pool has no room for more.
//!
//! A connection can't change workers. One that comes free goes to the request of its own worker that has waited
//! longest for its like: to that endpoint, and of that tenant alone where tenants share none. Closing it, so that
//! another may be opened, costs a connect. But if another request has waited longer by more than [`LEAD`], for
//! whatever, that is done: else a worker whose connections are always wanted would keep them for ever. So all waits
//! keep within that of each other.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use hashbrown::HashMap;
use tokio::time::Instant;

use super::endpoint::EndpointId;
use super::line::{Idle, Line};
use crate::types::TenantId;

/// How much longer another worker's request may have waited.
const LEAD: Duration = Duration::from_millis(50);

/// Those who wait, by what they wait for, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Heirs(RefCell<HashMap<Estate, VecDeque<Rc<Heir>>>>);

/// Where a connection has to lead, and whose alone it has to be, where tenants share none.
type Estate = (EndpointId, Option<TenantId>);

#[derive(Debug)]
struct Heir {
    since: Instant,
    left: RefCell<Option<Legacy>>,
    waker: RefCell<Option<Waker>>,
}

/// A connection that has come free, and on what terms it may be kept idle.
#[derive(Debug)]
pub(super) struct Legacy {
    pub(super) line: Box<Line>,
    pub(super) idle_max: usize,
    pub(super) keep: Duration,
}

/// A request's place among those who wait. Dropped, it gives back what it was left.
#[derive(Debug)]
pub(super) struct Claim<'i> {
    idle: &'i Idle,
    estate: Estate,
    heir: Rc<Heir>,
}

impl Heirs {
    /// A request begins to wait; it has waited for a connection of any kind since then.
    pub(super) fn claim<'i>(
        &self,
        idle: &'i Idle,
        endpoint: EndpointId,
        owner: Option<&TenantId>,
        since: Instant,
    ) -> Claim<'i> {
        let heir = Rc::new(Heir { since, left: RefCell::default(), waker: RefCell::default() });
        let estate = (endpoint, owner.cloned());
        self.0.borrow_mut().entry(estate.clone()).or_default().push_back(Rc::clone(&heir));
        Claim { idle, estate, heir }
    }

    /// Leaves a connection to the first of those who wait for its like, if that is fair to who has waited since
    /// `first_since` on any worker. Nobody takes it otherwise.
    ///
    /// # Errors
    /// The connection, which nobody takes.
    pub(super) fn leave(
        &self,
        endpoint: EndpointId,
        legacy: Legacy,
        first_since: Option<Instant>,
    ) -> Result<(), Legacy> {
        let mut heirs = self.0.borrow_mut();
        let Some(waiting) = heirs.get_mut(&(endpoint, legacy.line.owner.clone())) else { return Err(legacy) };
        let is_fair = |heir: &Rc<Heir>| first_since.is_none_or(|first| heir.since <= first + LEAD);
        match waiting.front() {
            Some(heir) if is_fair(heir) => {
                *heir.left.borrow_mut() = Some(legacy);
                heir.waker.take().into_iter().for_each(Waker::wake);
            }
            _ => return Err(legacy),
        }
        waiting.pop_front();
        Ok(())
    }

    fn claim_again(&self, estate: &Estate, heir: &Rc<Heir>) {
        self.0.borrow_mut().entry(estate.clone()).or_default().push_front(Rc::clone(heir));
    }

    fn forget(&self, estate: &Estate, heir: &Rc<Heir>) {
        let mut heirs = self.0.borrow_mut();
        let Some(waiting) = heirs.get_mut(estate) else { return };
        waiting.retain(|other| !Rc::ptr_eq(other, heir));
        if waiting.is_empty() {
            heirs.remove(estate);
        }
    }
}

impl Claim<'_> {
    /// What it was left; else it is woken when that is there.
    pub(super) fn take(&self, cx: &mut Context<'_>) -> Option<Box<Line>> {
        *self.heir.waker.borrow_mut() = Some(cx.waker().clone());
        let mut line = self.heir.left.take()?.line;
        if line.is_quiet(cx) {
            return Some(line);
        }
        // Its endpoint has closed it meanwhile: this one is still the first.
        self.idle.heirs.claim_again(&self.estate, &self.heir);
        None
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.idle.heirs.forget(&self.estate, &self.heir);
        if let Some(Legacy { line, idle_max, keep }) = self.heir.left.take() {
            self.idle.put(self.estate.0, line, idle_max, keep);
        }
    }
}
