//! Fair concurrency: a pool has so many seats, and a freed seat goes to the tenant that has had the least
//! seat-time for its weight.
//!
//! While seats are free, nobody waits. When they are not, requests wait in one queue a tenant, in the
//! order of their coming. What is shared is **seat-time**, not requests: a tenant whose requests take
//! 100 ms gets a tenth of the requests of one whose take 10 ms, and the same of the servers behind.
//!
//! # Derivation
//!
//! Start-time fair queueing (Goyal, Vin, Cheng: *Start-time Fair Queuing*, SIGCOMM 1996), which Kubernetes
//! uses for its API server (KEP-1040, `queueset/doc.go`), corrected to max-min fairness.
//!
//! Each tenant *i* of weight *wᵢ* has a **tag**: the seat-time that it has had, over its weight. A request
//! that is dispatched starts at its tenant's tag and moves it by its cost:
//!
//! ```text
//! start  = max(V, last_finish)
//! finish = start + cost / weight
//! ```
//!
//! **Virtual time** *V* is the largest start that has been dispatched. Among tenants with waiting requests
//! the smallest *finish* is served next, as in weighted fair queueing (Demers, Keshav, Shenker: *Analysis and
//! Simulation of a Fair Queueing Algorithm*, SIGCOMM 1989), and not the smallest start: a tenant of short requests, the second
//! of which starts a little behind the others' starts, would otherwise wait until each of them has had a
//! long one. For that, costs count up to a second (`AHEAD_NS`): whose requests were once very long must not wait for
//! very long to show that they are short now. Two tenants that always want more are therefore never further apart
//! than what one request and the order's look ahead cost over weight, so their seat-times stand as their weights: that is
//! weighted max-min fairness, for a tenant that wants less than its part leaves the rest to the others. The maximum with
//! *V* says that who wanted nothing earns nothing by it: a tenant that returns takes its turn now, but no arrears. Of
//! equal finishes that of a tenant which has just come is first. Where requests are of different lengths, starts that are dispatched are
//! as far apart as the order looks ahead; so a tenant that comes starts no later than one with requests like its own would
//! stand that had been waiting: at the smaller of *V* and of the largest finish dispatched, less its own cost.
//!
//! **The cost is not known at the start.** A dispatch is charged an estimate, the exponential average of
//! what the tenant has held seats for. When the seat comes back, the real time takes the estimate's place.
//! Until then the tenant is charged the greater of its estimates and of what its seats have already been held for:
//! a tenant whose requests suddenly take minutes is ahead after seconds, not after minutes. A correction
//! upwards outlives the moment without waiting requests in which a client that has been answered asks again: if it did not,
//! a tenant with as many connections as seats, whose requests vary, would be charged less than it has had. But no debt outlives
//! its backlog except the estimates that the formula itself charges, or one slow request would shut its tenant out when it comes
//! again: what was charged beyond them since it was last the tenant's turn is forgiven when nothing of it has waited or been
//! served for a tenth of a second (`PAUSE_NS`), and above ten seconds of seat-time at once (`OVERRUN_NS`).
//!
//! **Below its part.** What a tenant has had says little about now where it asks seldom: its second request, a
//! moment after its first, would wait for every tenant's turn, though it holds a single seat of the many that are
//! its part. So before the order is asked, the next seat goes to whoever holds the least for its weight, if it has no
//! more than its **part** with one more: `seats · wᵢ / Σw` over the tenants that wait or are served. That is max-min
//! fairness of the moment, to which the order adds that of the past: it shares what the parts, rounded down, leave over, and
//! where there are more tenants than seats all. So that what was received stays fair too, nobody goes first that way who is
//! further ahead of *V* than its part of the time that one request takes. It is served out of turn, so it does not move *V*.
//!
//! **While nobody waits** seats are taken and given back by a few atomics, and nothing is charged. Virtual time
//! then runs as fast as a single tenant with all the seats would have driven it, so that old debts end.
//! A seat taken in such a time and given back in a backlog is charged what fell into the backlog, and no more than its estimate: to have
//! had all the seats when the others came is no debt.
//!
//! **`max`** takes a tenant out of the order while it holds so many seats. **`reserved`** puts a tenant first
//! while it holds fewer; nothing is kept idle for it. It is served out of turn, so it does not move *V*.
//!
//! # Bounds
//!
//! A request of a tenant that holds less than its part, and is not ahead, waits for one seat to become free, of those that such tenants do
//! not take before it; that of a tenant that has had less than its part waits for one seat to become free, and then for those whose finish is
//! before its own: each tenant's requests up to what its own cost, with what it is ahead by, so for its own part
//! of the time that all of them take. Estimates that are too low let others before it: at most one request of each such
//! tenant that is then charged what it took. Seats are never idle while a request
//! waits that may have one (work conservation). A dispatch costs O(log n); the lock is held for one
//! dispatch at a time. Memory is O(waiting requests + tenants that wait, are served or owe).
//!
//! [`FairQueue`] is the pure core, [`Seats`] what workers share, [`Adaptive`] finds how many seats there are.

mod adaptive;
mod backlog;
mod limit;
mod member;
mod outlook;
mod queue;
#[cfg(test)]
mod queue_tests;
mod seat;
mod seats;
#[cfg(test)]
mod seats_tests;
mod share;
mod streams;
mod table;
#[cfg(test)]
mod tests;
mod wait;
mod word;

pub use adaptive::{Adaptive, Sample};
pub use limit::SeatLimit;
pub use member::{Charged, Member, Place, QueueFull, SeatTerms, Ticket, Turn};
pub use outlook::Outlook;
pub use queue::FairQueue;
pub use seat::Seat;
pub use seats::Seats;
pub use share::{Asked, Share, Standing};
pub use streams::{StreamSeat, StreamTerms, StreamsFull};
pub use table::SeatTable;
pub use wait::Waiting;
