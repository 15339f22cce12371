//! HTTP/2 to endpoints: a connection carries many requests at a time (RFC 9113).
//!
//! `link` is a connection, driven by a task of its own, `site` the few that a worker has to an endpoint, `links` those to all; `head` says a
//! request's head in HTTP/2; `exchange` sends a request and awaits its response's head, `upload` sends its body as
//! the endpoint takes it, `body` is the response's, `tunnel` what a stream is that has become another protocol's.

mod body;
mod exchange;
mod head;
mod link;
mod links;
mod site;
mod upload;

pub(super) use body::StreamBody;
pub(super) use exchange::exchange;
pub(super) use link::{Carried, Link, Unopened};
pub(super) use links::Links;
pub(super) use site::{Site, Turn};
