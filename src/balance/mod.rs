//! Which endpoint of a pool serves a request.
//!
//! Pure: no I/O, no clock, no configuration. The moment and the randomness are arguments. A pool has one
//! [`Balancer`]. Each of its endpoints has a [`Gauge`], which counts its requests in flight and keeps its latency;
//! all workers share it. Whenever the set of usable endpoints or a weight changes, the pool's owner makes a new
//! [`Roster`] of them, immutable, with all tables computed, and swaps it in. [`Roster::pick`] then costs well below 100 ns,
//! takes no lock and allocates nothing, however many endpoints there are (`benches/balance.rs`).
//!
//! | policy | how | with unequal weights |
//! |---|---|---|
//! | [`Policy::RoundRobin`] | the next of a precomputed cycle (`schedule`) | exact over a cycle, never more than one off within it |
//! | [`Policy::LeastRequest`] | two are drawn, the one with fewer requests in flight serves (`two_choices`) | drawn by weight, compared by requests for their weight |
//! | [`Policy::PeakEwma`] | likewise, compared by latency times requests in flight (`latency`) | likewise |
//! | [`Policy::ConsistentHash`] | Maglev's table, with bounded load (`maglev`, `hashing`) | in the table and in the bounds |
//!
//! Least request by two choices is nearly as good as by looking at all, and without the herd that runs to the one
//! that seems idle: M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", IEEE TPDS 12 (2001).
//!
//! An endpoint that comes in, new or healthy again, has less than its weight at first ([`SlowStart`]), in all
//! policies but consistent hashing, whose keys would move twice.

mod alias;
mod balancer;
mod dice;
mod gauge;
mod hashing;
mod key;
mod latency;
mod maglev;
mod roster;
mod round_robin;
mod schedule;
mod slots;
mod slow_start;
mod two_choices;

#[cfg(test)]
mod roster_tests;

pub use balancer::{Balancer, Policy, Rules};
pub use gauge::{Gauge, Running};
pub use key::Key;
pub use latency::Decay;
pub use roster::{Ask, Member, Roster};
pub use round_robin::Turn;
pub use slow_start::SlowStart;
