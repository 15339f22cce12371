//! What of a quota is under its lock: what the store has to be told, what it was asked, and what is remembered.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::backend::{Change, Lane};
use super::block::BlockSize;
use super::spec::QuotaSpec;
use super::window::Period;

/// What is under the lock.
#[derive(Debug)]
pub(super) struct Ledger {
    /// The configuration in force.
    pub(super) spec: Arc<QuotaSpec>,
    pub(super) block: BlockSize,
    pub(super) last_block: Option<Instant>,
    /// What the store has to be told of periods; one entry a period.
    pub(super) owed: VecDeque<Change>,
    /// What other periods held when they were left, or when the store was opened, by their start. They count in a
    /// rolling window, and are entered again when the clock is put back.
    pub(super) past: Vec<(i64, u64)>,
    pub(super) order: Option<UnderWay>,
    pub(super) retry_at: Option<Instant>,
    /// Since when the units left have not changed.
    pub(super) quiet: Option<(u64, Instant)>,
    /// Whether passing the soft threshold was told.
    pub(super) told: bool,
}

/// The order that the store has.
#[derive(Debug, Clone, Copy)]
pub(super) struct UnderWay {
    pub(super) since: Instant,
    pub(super) lane: Lane,
}

impl Ledger {
    pub(super) fn new(spec: Arc<QuotaSpec>, past: Vec<(i64, u64)>) -> Self {
        Self {
            spec,
            block: BlockSize::default(),
            last_block: None,
            owed: VecDeque::new(),
            past,
            order: None,
            retry_at: None,
            quiet: None,
            told: false,
        }
    }

    /// Units of other periods that count in the same window as this one.
    pub(super) fn past_in(&self, period: Period) -> u64 {
        let window = &self.spec.window;
        let counts = |start_ms: i64| window.is_rolling() && start_ms >= window.counts_from_ms(period);
        self.past.iter().filter(|(start_ms, _)| counts(*start_ms)).map(|(_, units)| units).sum()
    }

    /// One period, whose window held so much, is left for another: what that one's window holds, as far as is known.
    pub(super) fn exchange_period(&mut self, left: Period, held: u64, entered: Period) -> u64 {
        let own = held.saturating_sub(self.past_in(left));
        self.past.retain(|(start_ms, _)| *start_ms != left.start_ms);
        if own > 0 {
            self.past.push((left.start_ms, own));
        }
        let found = self.past.iter().position(|(start_ms, _)| *start_ms == entered.start_ms);
        let own = found.map_or(0, |at| self.past.swap_remove(at).1);
        while self.past.len() > self.spec.window.kept_periods() as usize {
            let oldest = self.past.iter().enumerate().min_by_key(|(_, past)| past.0).map(|(at, _)| at);
            oldest.map(|at| self.past.swap_remove(at));
        }
        own + self.past_in(entered)
    }

    /// When units of the window will be free again: when its oldest period is out of it.
    pub(super) fn relief_ms(&self, period: Period) -> i64 {
        let from = self.spec.window.counts_from_ms(period);
        let oldest =
            self.past.iter().map(|(start_ms, _)| *start_ms).filter(|start_ms| *start_ms >= from).min();
        self.spec.window.released_ms(oldest.unwrap_or(period.start_ms).min(period.start_ms), period)
    }

    pub(super) fn may_order(&self, at: Instant) -> bool {
        self.order.is_none() && self.retry_at.is_none_or(|retry_at| retry_at <= at)
    }

    pub(super) fn owe(&mut self, start_ms: i64, units: i64) {
        match self.owed.iter_mut().find(|change| change.start_ms == start_ms) {
            Some(change) => change.units = change.units.saturating_add(units),
            None => self.owed.push_back(Change { start_ms, units }),
        }
        self.owed.retain(|change| change.units != 0);
        // An outage longer than all the periods that the store would keep.
        if self.owed.len() > self.spec.window.kept_periods() as usize {
            self.owed.pop_front();
        }
    }
}
