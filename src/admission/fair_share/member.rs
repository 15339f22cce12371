//! What the queue has to know of a tenant, and what it says of a request's turn.

/// What a tenant may have of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeatTerms {
    /// Its part when the pool is busy, relative to the others'. At least 1.
    pub weight: u32,
    /// The seats that it may hold.
    pub max: u32,
    /// The requests that may wait.
    pub queue: u32,
    /// The seats that it gets before all others, whenever it wants them.
    pub reserved: u32,
}

impl Default for SeatTerms {
    fn default() -> Self {
        Self { weight: 1, max: u32::MAX, queue: u32::MAX, reserved: 0 }
    }
}

/// A tenant's place in the queue, for as long as it waits, is served or owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place(pub(super) u32);

/// A request that waits. Never given out twice: one that has been served names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    pub(super) at: u32,
    pub(super) serial: u64,
}

/// A tenant, as far as the queue has to know it. Clones are the same tenant.
pub trait Member: Clone {
    /// The seats that it holds now, however it came by them.
    fn held(&self) -> u32;
    /// It is given one more.
    fn seat(&self);
    /// What it holds a seat for as a rule, in nanoseconds.
    fn hold_ns(&self) -> u64;
    /// The place that it was last given.
    fn place(&self) -> Option<Place>;
    /// Remembers its place for [`Member::place`].
    fn set_place(&self, place: Option<Place>);
    /// Whether any of its requests wait: it is told of every change.
    fn set_waiting(&self, waiting: bool);
}

/// How a seat was come by, to be settled when it is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charged {
    /// When it was given.
    pub since_ns: u64,
    /// For how long it was thought to be held.
    pub estimate_ns: u64,
    /// Whether it was the tenant's turn, and it was charged the estimate; else it was taken while nobody waited.
    pub in_turn: bool,
}

/// A request whose turn it is: its tenant holds the seat already.
#[derive(Debug)]
pub struct Turn<M, W> {
    /// Whose it is.
    pub member: M,
    /// What it left when it joined.
    pub waiter: W,
    /// What its seat is charged.
    pub charged: Charged,
}

/// A request was not let into its tenant's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue is full")]
pub struct QueueFull;
