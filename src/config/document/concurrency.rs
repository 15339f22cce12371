//! Concurrency: the seats of pools, and what tenants may have of them.

use std::time::Duration;

/// What a plan or a tenant says of its part in pools' seats; what it does not say is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Concurrency {
    /// Its part when the pool is busy.
    pub weight: Option<u32>,
    /// The most seats that it holds.
    pub max: Option<u32>,
    /// The most requests that wait.
    pub queue: Option<u32>,
    /// The longest wait.
    pub max_wait: Option<Duration>,
    /// Seats that it gets before all others.
    pub reserved: Option<u32>,
}

impl Concurrency {
    /// The requests that wait where nothing is written.
    pub const QUEUE: u32 = 128;
    /// The longest wait where nothing is written.
    pub const MAX_WAIT: Duration = Duration::from_secs(2);

    /// What results over a plan's: what is written here, else there.
    #[must_use]
    pub fn over(self, plan: Self) -> Self {
        Self {
            weight: self.weight.or(plan.weight),
            max: self.max.or(plan.max),
            queue: self.queue.or(plan.queue),
            max_wait: self.max_wait.or(plan.max_wait),
            reserved: self.reserved.or(plan.reserved),
        }
    }
}

/// The seats of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seats {
    /// How many; `None`: as many as are wanted.
    pub limit: Option<SeatLimit>,
    /// The most long-lived streams of all tenants.
    pub streams_max: u32,
    /// The most long-lived streams of one tenant.
    pub streams_max_per_tenant: u32,
    /// After how long an event stream counts as one.
    pub stream_after: Duration,
}

/// How many seats a pool has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeatLimit {
    /// So many.
    Fixed(u32),
    /// As latency tells, within bounds.
    Adaptive {
        /// The fewest.
        min: u32,
        /// The most.
        max: u32,
    },
}
