//! Sockets that clients connect to: bound once for every worker, accepted from within bounds, and whose connection it is.

mod accept;
mod announced;
mod backlog;
mod bind;
mod caps;
mod inherited;
pub mod proxy_protocol;
mod stream;
mod unix;

pub use accept::{Acceptor, accept_loop};
pub use announced::{Unannounced, announced};
pub use backlog::Backlog;
pub use bind::{BindFailure, BindOptions, Bound, ListeningSocket, bind};
pub use caps::{ClientLimits, ConnectionCaps, ConnectionPermit, Refusal};
pub use inherited::{take_inherited, warn_of_idle_inherited};
pub use stream::ClientStream;
pub use unix::SocketFile;
