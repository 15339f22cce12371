//! hyper's HTTP/1.1 client in the place of our own, so that the same tests can be run with either. Only with the feature
//! `hyper-upstream`, and never meant to be shipped.
//!
//! Which connection a request goes by, who may keep it and how it is looked after is the same for both: `wire` is a [`Line`] as hyper uses
//! it. `request` is an [`Outbox`] as hyper sends it, `exchange` sends it and awaits the response's head, `body` is the response's. hyper's
//! connection is driven by whoever waits for the response; by a task only while the rest of a request is sent.
//!
//! What hyper does otherwise, and ours on purpose does not. Tests of it are skipped with the feature:
//!
//! - It takes a length beside chunks (and passes both on), two equal lengths, any coding that ends in `chunked`, and any other to the
//!   connection's end: `upstream_failures::ambiguous_framing_is_502`, and five cases of `rfc9112/responses.txt`.
//! - It sends trailers only if `Trailer` announces them: `bodies::trailers_can_not_say_what_only_a_head_may`,
//!   `h2c::trailers_of_the_client_reach_the_origin`, and the trailers of `replay::a_body_is_sent_again_as_it_was_while_the_request_may_be`.
//!
//! `fuzz/properties/response` says of responses, class by class, where hyper is laxer.
//!
//! [`Line`]: super::line::Line
//! [`Outbox`]: super::outbox::Outbox

mod body;
mod exchange;
mod request;
mod wire;

pub(super) use body::HyperBody;
pub(super) use exchange::exchange;

/// Whether requests go this way: all that do not go over HTTP/2.
pub(super) const IS_CHOSEN: bool = true;

/// hyper's side of a connection.
type Connection = hyper::client::conn::http1::Connection<hyper_util::rt::TokioIo<wire::Wire>, request::Sent>;
/// And what a request is given to.
type Sender = hyper::client::conn::http1::SendRequest<request::Sent>;
