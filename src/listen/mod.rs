//! Sockets that clients connect to: bound once for every worker, accepted from within bounds, spread over the workers, and
//! whose connection it is.

mod accept;
mod announced;
mod backlog;
mod bind;
mod caps;
mod inherited;
mod loads;
pub mod proxy_protocol;
mod spread;
mod stream;
mod unix;

pub use accept::{Acceptor, Desk, accept_loop};
pub use announced::{Unannounced, announced};
pub use backlog::Backlog;
pub use bind::{BindFailure, BindOptions, Bound, ListeningSocket, bind};
pub use caps::{ClientLimits, ConnectionCaps, ConnectionPermit, Refusal};
pub use inherited::{take_inherited, warn_of_idle_inherited};
pub use loads::{Loads, Placed};
pub use spread::{Arrival, Spread};
pub use stream::ClientStream;
pub use unix::SocketFile;
