//! A worker's TCP sockets, and what they send together.
//!
//! Sending wakes whoever waits at the other end: on the same host another core, elsewhere a queue of the network's card, and both cost more than
//! what is sent. While it is awake, what comes next finds it so. Therefore small messages are not sent the moment that they are written, but
//! one right behind the other: when some have come together, after a tenth of a millisecond, and at the latest when their worker has nothing else to do.
//!
//! Layer 0: nothing here imports another module of the crate.

mod pipe;
mod pipes;
pub(crate) mod rooms;
mod socket;
mod turn;

pub use pipe::Pipe;
pub use pipes::{Passage, Pipes};
pub use socket::{Bare, Tcp, TcpSocket};
pub use turn::{send_what_has_waited, send_what_waits, take_turns};
