//! HTTP/1.1 as a server speaks it (RFC 9112): a connection's requests, one after the other, on its own task.
//!
//! Straight down: a head is read ([`intake`]) and made a request ([`request`]), the handler answers, the answer's head is written
//! ([`reply`]) and its body behind it ([`outlet`]). A request's body is read from the socket by whoever wants it ([`body`]). What a connection
//! needs for a request it borrows ([`kit`]): one that waits for the next holds its socket and a timer.

mod body;
mod connection;
mod intake;
mod kit;
mod outlet;
mod reply;
mod request;

pub use body::Content;
pub(super) use connection::serve;
pub(super) use intake::Intake;
pub(super) use kit::Kit;

#[cfg(test)]
mod tests;
