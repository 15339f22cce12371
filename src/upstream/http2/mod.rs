//! HTTP/2 to endpoints: a connection carries many requests at a time (RFC 9113).
//!
//! `link` is a connection, driven by a task of its own, and the few that a worker has to an endpoint; `head` says a
//! request's head in HTTP/2; `exchange` sends a request and awaits its response's head, `upload` sends its body as
//! the endpoint takes it, `body` is the response's.

mod body;
mod exchange;
mod head;
mod link;
mod upload;

pub(super) use body::StreamBody;
pub(super) use exchange::exchange;
pub(super) use link::{Carried, Link, Links, Site};
