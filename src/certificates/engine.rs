//! The thread's side: what is asked for and what is due, a bounded number at a time.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::queue::{Item, Queue};
use super::{Ask, Certificates, InForce, now_ms};
use crate::store::{DueName, SUSPENDED};

/// Orders at a time.
const ORDERS_MAX: usize = 32;
/// Of one tenant's: however many of its names get stuck, others get on.
const ORDERS_OF_EACH: usize = 16;
/// How often it is looked what is due.
const LOOK: Duration = Duration::from_secs(1);
/// Names that are taken from the store at a time, and of one tenant's.
const DUE_MAX: u32 = 512;
const DUE_OF_EACH: u32 = 64;
/// How often the store is looked through for domains of which nothing is known, and certificates are counted.
const LOOK_THROUGH: Duration = Duration::from_secs(60);

impl Certificates {
    /// Orders and renews certificates, until it is dropped. To be run once, on a runtime that takes local tasks.
    pub async fn run(self: Arc<Self>) {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut asked) = asked else { return };
        let mut queue = Queue::default();
        let mut orders = JoinSet::new();
        let mut tick = interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut through: Option<(Instant, Arc<InForce>)> = None;
        loop {
            tokio::select! {
                Some(ask) = asked.recv() => {
                    let Some(force) = self.in_force() else { continue };
                    self.take(&force, ask, &mut queue).await;
                }
                Some(ended) = orders.join_next(), if !orders.is_empty() => match ended {
                    Ok(item) => {
                        queue.ended(&item);
                        self.land(&item.name);
                    }
                    Err(error) => tracing::error!(%error, "an order for a certificate broke off"),
                },
                _ = tick.tick() => {
                    let Some(force) = self.in_force() else { continue };
                    let is_new = through.as_ref().is_none_or(|(_, of)| !Arc::ptr_eq(of, &force));
                    if is_new {
                        self.begin(&force).await;
                    }
                    if is_new || through.as_ref().is_none_or(|(last, _)| last.elapsed() >= LOOK_THROUGH) {
                        through = Some((Instant::now(), Arc::clone(&force)));
                        self.look_through(&force).await;
                    }
                    self.take_due(&force, &mut queue).await;
                }
            }
            while orders.len() < ORDERS_MAX
                && let Some(force) = self.in_force()
                && let Some(item) = queue.next(ORDERS_OF_EACH)
            {
                let own = Arc::clone(&self);
                orders.spawn_local(async move {
                    own.attempt(&force, &item).await;
                    item
                });
            }
            self.meter.waiting(queue.waiting());
        }
    }

    async fn take(&self, force: &InForce, ask: Ask, queue: &mut Queue) {
        match ask {
            Ask::Order { name, tenant, at_once } => queue.push(Item { name, tenant, at_once }, true),
            Ask::Look(name) => self.look(force, name, queue).await,
        }
    }

    /// Something about a name has changed, or may have.
    async fn look(&self, force: &InForce, name: Box<str>, queue: &mut Queue) {
        // What the store can't say now is found when it is looked through.
        let Ok(owned) = Self::find(force, &name).await else { return };
        let Some(owned) = owned else { return self.shelf.is_nobodys(&name) };
        let work = owned.found.work.as_ref();
        let is_resumed =
            owned.may_order && work.is_some_and(|work| work.error_kind.as_deref() == Some(SUSPENDED));
        if is_resumed {
            let _ = force.store.release_names(vec![name.clone()], SUSPENDED, now_ms()).await;
        }
        let kept = owned.found.certificate.as_ref().filter(|kept| kept.tenant == owned.tenant);
        match kept {
            Some(kept) if self.shelf.ready(&name).is_some() => drop(self.put(force, kept)),
            Some(_) => {}
            None => self.shelf.forget(&name),
        }
        let is_new = kept.is_none() && work.is_none();
        // Of a suspended tenant, too: what is in the way is to be told.
        if is_new || is_resumed {
            let due = DueName { name: name.clone(), tenant: owned.tenant.clone() };
            let _ = force.store.enqueue_names(vec![due], now_ms()).await;
            queue.push(Item { name, tenant: owned.tenant, at_once: false }, false);
        }
    }

    async fn take_due(&self, force: &InForce, queue: &mut Queue) {
        // What was taken before comes first.
        if queue.waiting() >= DUE_MAX as usize {
            return;
        }
        // What the store can't say now it is asked in a second.
        let Ok(due) = force.store.due_names(now_ms(), DUE_OF_EACH, DUE_MAX).await else { return };
        for DueName { name, tenant } in due {
            queue.push(Item { name, tenant, at_once: false }, false);
        }
    }

    /// It is decided: whoever waits for it looks.
    fn land(&self, name: &str) {
        self.flights().remove(name);
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}
