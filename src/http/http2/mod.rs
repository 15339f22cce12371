//! HTTP/2 from clients (RFC 9113): a server of our own over the h2 crate.
//!
//! h2 reads and writes frames, and keeps the states of streams and windows. What it has no bound for, or tells nobody of, is here:
//! `wire` is the socket below it, where every frame is seen (`frames`; `block` is how a header block begins) and accounted for (`budget`), `outlet` gathers what is written to
//! it; `connection` drives it, and ends it in order or for its client's abuse; `exchange` has one stream's request answered over its `reply`; `body` is the request's, `tunnel` what a
//! stream is that has become another protocol's, `date` what every answer says.

mod block;
mod body;
mod budget;
mod connection;
mod exchange;
mod frames;
mod held;
mod outlet;
mod reply;
mod streams;
mod tunnel;
mod wire;

pub use body::StreamBody;
pub use connection::Http2Limits;
pub(super) use connection::serve;
pub use reply::Reply;
pub use tunnel::{StreamIo, Watcher};
pub use wire::Notes;
