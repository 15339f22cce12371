//! Whose turn it is: the tenants' names that wait for an order, a name of each tenant in turn. Pure.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::types::TenantId;

/// Names that wait, at most; more are due in the store still.
const WAITING_MAX: usize = 4_096;

/// A name that waits for an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) name: Box<str>,
    pub(super) tenant: TenantId,
    /// Whether it is not waited until it is due, and a certificate that still holds is renewed: an operator has said so.
    pub(super) at_once: bool,
}

/// Names that wait and those that are at it, each once.
#[derive(Debug, Default)]
pub(super) struct Queue {
    of: HashMap<TenantId, VecDeque<Item>>,
    turns: VecDeque<TenantId>,
    known: HashSet<Box<str>>,
    running: HashMap<TenantId, usize>,
    waiting: usize,
}

impl Queue {
    /// Adds a name that is neither waiting nor at it; first of its tenant's if it is urgent.
    pub(super) fn push(&mut self, item: Item, urgent: bool) {
        if self.waiting >= WAITING_MAX && !urgent || !self.known.insert(item.name.clone()) {
            return;
        }
        self.waiting += 1;
        let of = self.of.entry(item.tenant.clone()).or_default();
        if of.is_empty() {
            self.turns.push_back(item.tenant.clone());
        }
        if urgent { of.push_front(item) } else { of.push_back(item) }
    }

    /// The next name, of a tenant of which fewer than so many are at it.
    pub(super) fn next(&mut self, of_each: usize) -> Option<Item> {
        for _ in 0..self.turns.len() {
            let tenant = self.turns.pop_front()?;
            if self.running.get(&tenant).copied().unwrap_or_default() >= of_each {
                self.turns.push_back(tenant);
                continue;
            }
            let Some(of) = self.of.get_mut(&tenant) else { continue };
            let item = of.pop_front();
            if of.is_empty() {
                self.of.remove(&tenant);
            } else {
                self.turns.push_back(tenant.clone());
            }
            if let Some(item) = item {
                self.waiting -= 1;
                *self.running.entry(tenant).or_default() += 1;
                return Some(item);
            }
        }
        None
    }

    /// A name is done with, for this time.
    pub(super) fn ended(&mut self, item: &Item) {
        self.known.remove(&item.name);
        if let Some(running) = self.running.get_mut(&item.tenant) {
            *running = running.saturating_sub(1);
            if *running == 0 {
                self.running.remove(&item.tenant);
            }
        }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(tenant: &str, name: &str) -> Item {
        Item { name: name.into(), tenant: TenantId::parse(tenant).unwrap(), at_once: false }
    }

    #[test]
    fn tenants_take_turns_and_none_takes_all_places() {
        let mut queue = Queue::default();
        for name in ["a1", "a2", "a3", "a4"] {
            queue.push(item("a", name), false);
        }
        queue.push(item("b", "b1"), false);
        queue.push(item("a", "a1"), false);
        assert_eq!(queue.waiting(), 5);
        let mut next = || queue.next(2).map(|item| item.name.into_string());
        assert_eq!(next().as_deref(), Some("a1"));
        assert_eq!(next().as_deref(), Some("b1"));
        assert_eq!(next().as_deref(), Some("a2"));
        assert_eq!(next(), None, "two of `a` are at it");
        queue.ended(&item("a", "a1"));
        queue.push(item("a", "a9"), true);
        assert_eq!(queue.next(2).unwrap().name, "a9".into());
        // One that is at it is not begun again meanwhile.
        queue.push(item("a", "a9"), false);
        assert_eq!(queue.waiting(), 2);
        queue.ended(&item("a", "a9"));
        queue.push(item("a", "a9"), false);
        assert_eq!(queue.waiting(), 3);
    }
}
