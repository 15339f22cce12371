//! A tenant: how it asks, and what it got.

use std::sync::Arc;

use tollgate::admission::fair_share::{SeatTerms, Seats, Share};
use tollgate::types::TenantId;

use crate::size::Size;

/// When a tenant asks.
#[derive(Debug, Clone)]
pub enum Source {
    /// So many connections, each of which asks, waits, is served, pauses for so long, and asks again.
    Closed { connections: u32, pause_ns: u64 },
    /// At random moments, this far apart on average, whatever becomes of it.
    Open { apart_ns: u64 },
}

/// What a scenario says of a tenant.
#[derive(Debug, Clone)]
pub struct Habit {
    pub source: Source,
    pub size: Size,
    pub terms: SeatTerms,
    /// How long it waits before it gives up.
    pub patience_ns: Option<u64>,
    /// What it is promised: no request waits longer than this, and its own part of the time that all take.
    pub promise_ns: Option<u64>,
    /// How many of a hundred requests go away at a random moment of their first second.
    pub fickle: u32,
}

impl Habit {
    pub fn closed(connections: u32, size: Size) -> Self {
        Self::new(Source::Closed { connections, pause_ns: 0 }, size)
    }

    pub fn open(apart_ns: u64, size: Size) -> Self {
        Self::new(Source::Open { apart_ns }, size)
    }

    fn new(source: Source, size: Size) -> Self {
        Self { source, size, terms: SeatTerms::default(), patience_ns: None, promise_ns: None, fickle: 0 }
    }

    pub fn weight(mut self, weight: u32) -> Self {
        self.terms.weight = weight;
        self
    }

    pub fn max(mut self, max: u32) -> Self {
        self.terms.max = max;
        self
    }

    pub fn reserved(mut self, reserved: u32) -> Self {
        self.terms.reserved = reserved;
        self
    }

    pub fn queue(mut self, queue: u32) -> Self {
        self.terms.queue = queue;
        self
    }

    pub fn patience(mut self, patience_ns: u64) -> Self {
        self.patience_ns = Some(patience_ns);
        self
    }

    pub fn fickle(mut self, of_a_hundred: u32) -> Self {
        self.fickle = of_a_hundred;
        self
    }

    pub fn promised(mut self, promise_ns: u64) -> Self {
        self.promise_ns = Some(promise_ns);
        self
    }

    pub fn pausing(mut self, pause_ns: u64) -> Self {
        if let Source::Closed { pause_ns: pause, .. } = &mut self.source {
            *pause = pause_ns;
        }
        self
    }
}

/// A tenant of a world.
#[derive(Debug)]
pub struct Tenant {
    pub habit: Habit,
    pub share: Arc<Share>,
    /// It asks no more.
    pub silent: bool,
    pub asked: u64,
    pub refused: u64,
    pub gave_up: u64,
    pub served: u64,
    /// How many of its requests wait.
    pub waiting: u32,
    /// How many are served, the sum of when they began, and the seat-time of those that are done.
    pub running: u32,
    pub began_ns: u128,
    pub done_ns: u128,
    /// The longest that a request waited since the last reading.
    pub waited_ns: u64,
    /// How long all of them waited together.
    pub waits_ns: u128,
}

impl Tenant {
    pub fn new(seats: &Arc<Seats>, nth: usize, habit: Habit) -> Self {
        let id = TenantId::parse(&format!("t{nth}")).unwrap();
        Self {
            habit,
            share: seats.share(id),
            silent: false,
            asked: 0,
            refused: 0,
            gave_up: 0,
            served: 0,
            waiting: 0,
            running: 0,
            began_ns: 0,
            done_ns: 0,
            waited_ns: 0,
            waits_ns: 0,
        }
    }

    /// The seat-time that it has had, in nanoseconds.
    pub fn received_ns(&self, now_ns: u64) -> u128 {
        self.done_ns + u128::from(now_ns) * u128::from(self.running) - self.began_ns
    }
}
