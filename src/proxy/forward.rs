//! Sending a request upstream until an endpoint has answered it: fields on the way out, the retries
//! that are safe without being asked for, fields on the way back.

use std::sync::Arc;

use http::header::{ACCEPT_ENCODING, HOST};
use http::request::Parts;
use http::{HeaderValue, Version};
use tokio::time::Instant;

use super::exchange::Exchange;
use super::expiry::Expiry;
use super::framing::Framing;
use super::rejection::Rejection;
use super::retrying::Retrying;
use super::snapshot::{RouteTarget, Snapshot};
use super::tunnel;
use crate::brand::html::accepted_codings;
use crate::breaker::Fuse;
use crate::http::body::{BodyFailure, BodyFlow, RequestBody};
use crate::http::conn::ConnState;
use crate::http::facade::Facade;
use crate::http::hop_by_hop::{self, Survey};
use crate::http::interim::Hints;
use crate::http::names::X_REQUEST_ID;
use crate::http::timeouts::Timeouts;
use crate::http::wire::Malformed;
use crate::http::{checks::Checked, forwarded};
use crate::retry::Failed;
use crate::routing::{Facts, Route};
use crate::telemetry::EndpointFailure;
use crate::tenant::Tenant;
use crate::upstream::{Answer, Endpoint, Outbox, Pool, SendFailure, Terms, UpstreamClient};

/// What the upstream request's fields are made from.
pub(super) struct Outbound<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) conn: &'a ConnState,
    pub(super) survey: &'a Survey,
    pub(super) via_trusted: bool,
    pub(super) checked: &'a Checked,
    pub(super) tenant: &'a Arc<Tenant>,
    pub(super) route: &'a Route<RouteTarget>,
    pub(super) pool: &'a Pool,
    pub(super) facade: Option<&'a Facade>,
    /// What values of fields and paths are filled in from.
    pub(super) facts: Facts<'a>,
    pub(super) expires: Option<Instant>,
}

impl Outbound<'_> {
    /// Turns the client's head into the one that goes upstream: always HTTP/1.1 in origin form, with
    /// nothing in it that the client may not say and everything that the application must know. What the
    /// gateway itself says is written as text: most of it was made when the tenant or connection was.
    ///
    /// # Errors
    /// What its path was to be rewritten to is none.
    pub(super) fn encode(
        &self,
        head: &mut Parts,
        body: Option<Box<RequestBody>>,
        switch: Option<&HeaderValue>,
        text: Vec<u8>,
    ) -> Result<Outbox, Rejection> {
        let framing = body.as_ref().map_or(Framing::None, |body| Framing::of(&**body));
        let mut outbox = self.say(head, framing, switch, |head, own, timeouts| {
            let mut outbox = Outbox::with_body(head, own, body, text);
            if let Some(expires) = self.expires {
                outbox.tell_time_left(timeouts, expires);
            }
            outbox
        })?;
        outbox.leave_room(std::mem::take(&mut head.headers));
        Ok(outbox)
    }

    /// What goes upstream, to be written: the head, the lines behind it, and how much time the client gives.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub(super) fn say<T>(
        &self,
        head: &mut Parts,
        framing: Framing,
        switch: Option<&HeaderValue>,
        write: impl FnOnce(&Parts, &[&[u8]], Timeouts) -> T,
    ) -> Result<T, Rejection> {
        let fields = &mut head.headers;
        hop_by_hop::strip_request(fields, self.survey, self.via_trusted, &self.snapshot.reserved);
        if self.survey.request_id {
            fields.remove(&X_REQUEST_ID);
        }
        if let Some(facade) = self.facade {
            facade.request(fields);
        }
        self.tenant.terms.request_headers.iter().for_each(|rules| rules.apply(fields, &self.facts));
        self.route.request_headers.apply(fields, &self.facts);
        if self.tenant.terms.brand.injection().is_some() {
            let accepted = accepted_codings(fields);
            fields.insert(ACCEPT_ENCODING, accepted);
        }
        let timeouts = match self.expires {
            Some(_) if self.survey.timeouts => Timeouts::take(fields),
            _ => Timeouts::default(),
        };
        let host = &self.checked.host_value;
        let forwarding = forwarded::lines(fields, self.survey, self.via_trusted, self.conn, host);
        let is_elsewhere = head.uri.authority().is_some() || self.checked.host.is_none();
        let said = self.pool.host().or(is_elsewhere.then_some(host));
        let host_line: [&[u8]; 3] = match said {
            Some(said) if fields.contains_key(HOST) => {
                fields.insert(HOST, said.clone());
                [b""; 3]
            }
            // Over HTTP/2 there is none to replace, and most often no place for one more.
            Some(said) => [b"host: ", said.as_bytes(), b"\r\n"],
            None => [b""; 3],
        };
        let [host_name, host_value, host_end] = host_line;
        if let Some(protocol) = switch {
            tunnel::ask(fields, protocol);
        }
        if let Some(rewrite) = self.route.rewrite.as_ref().filter(|_| head.uri.path() != "*") {
            let changed = rewrite.apply(&self.facts).map_err(|_| Rejection::BadPath)?;
            changed.into_iter().for_each(|uri| head.uri = uri);
        }
        framing.tell(head);
        let via: &[u8] = match head.version {
            Version::HTTP_2 => b"\r\nvia: 2 tollgate\r\n",
            Version::HTTP_10 => b"\r\nvia: 1.0 tollgate\r\n",
            _ => b"\r\nvia: 1.1 tollgate\r\n",
        };
        let (id, terms) = (self.tenant.id(), &self.tenant.terms);
        let features = terms.features.now();
        let context = self.tenant.context(&features);
        let own = [
            host_name,
            host_value,
            host_end,
            &*forwarding,
            &terms.identity,
            id.as_str().as_bytes(),
            features.line(),
            context.line(),
            b"\r\nx-request-id: ",
            self.facts.request_id,
            via,
        ];
        Ok(write(head, &own, timeouts))
    }
}

/// The endpoint has switched protocols where it was not asked to, or to another one; or can't.
const NO_SWITCH: &str = "http_upgrade_failed";

/// Why an endpoint did not answer.
enum Unanswered {
    /// It has seen nothing of the request: another may have it.
    Elsewhere(Rejection),
    /// The request may have had an effect.
    Failed(Failed, Rejection),
    /// The request can't be repeated.
    Final(Rejection),
}

/// Sends the request to one endpoint after another until one has answered. What no endpoint has taken a byte of
/// goes to each of them; whatever else is repeated is the pool's to say, and only where it is safe.
pub(super) async fn exchange(
    upstream: &UpstreamClient,
    pool: &Arc<Pool>,
    fuse: Option<Fuse>,
    upgrade: Option<&HeaderValue>,
    expiry: Expiry,
    books: &mut Exchange,
) -> Result<Answer, Rejection> {
    let expires = expiry.at;
    let mut choice = pool.choose(books.balance_key);
    let mut retrying = Retrying::new(pool, books.tenant.as_ref(), fuse);
    if let Some((terms, outbox)) = retrying.terms().zip(books.outgoing.as_mut()) {
        upstream.keep(outbox, terms.buffer_max);
    }
    let mut failure = Rejection::NoEndpoint;
    loop {
        let now = Instant::now();
        if expires.is_some_and(|expires| expires <= now) {
            return Err(Rejection::UpstreamTimeout);
        }
        let (failed, outcome) = match choice.next(now) {
            None if choice.is_empty() => return Err(failure),
            None => (Failed::Connect, Err(failure)),
            Some(endpoint) => {
                match at_endpoint(upstream, pool, (&endpoint, now), upgrade, expiry, &retrying, books).await {
                    Ok(answer) => {
                        let answer = received(answer, upgrade, books)?;
                        (Failed::Status(answer.status().as_u16()), Ok(answer))
                    }
                    Err(Unanswered::Elsewhere(why)) => {
                        failure = why;
                        continue;
                    }
                    Err(Unanswered::Failed(failed, why)) => (failed, Err(why)),
                    Err(Unanswered::Final(why)) => return Err(why),
                }
            }
        };
        if !retrying.again(failed, books.outgoing.as_mut(), expires).await {
            // What was kept for another try is of no use to the response.
            books.outgoing = None;
            return outcome;
        }
        books.attempts.endpoint_is_done();
        choice.forgive();
        failure = outcome.err().unwrap_or(Rejection::NoEndpoint);
    }
}

/// How many connections may say farewell to a request before the endpoint is taken for gone.
const FAREWELLS_MAX: usize = 3;

/// Tries an idle connection, and when its end crossed the request a fresh one: whatever the idle
/// one does to a request, the fresh one decides. Over HTTP/2 a fresh one is shared, and may end by as orderly a farewell.
async fn at_endpoint(
    upstream: &UpstreamClient,
    pool: &Arc<Pool>,
    (endpoint, now): (&Arc<Endpoint>, Instant),
    upgrade: Option<&HeaderValue>,
    expiry: Expiry,
    retrying: &Retrying<'_>,
    books: &mut Exchange,
) -> Result<Answer, Unanswered> {
    let since = books.goes_to(endpoint, now);
    let flow = books.flow.clone();
    // HTTP/1.0 knows no interim responses (RFC 9110 §15.2).
    let hearer = (books.version >= Version::HTTP_11).then(|| books.in_flight.hearer());
    let facade = books.facade.clone();
    let interim = hearer.as_ref().map(|hearer| Hints::new(hearer, facade.as_deref()));
    let flow = flow.as_deref();
    let owner = if pool.isolates() { books.tenant.clone() } else { None };
    let owner = owner.as_ref().map(|tenant| tenant.id());
    let (retry, fuse) = (retrying.terms(), retrying.fuse());
    let mut terms =
        Terms { expires: expiry.at, owner, flow, since, fresh: false, upgrade, retry, interim, fuse };
    for _ in 0..FAREWELLS_MAX {
        let failure = match upstream.send(pool, endpoint, &mut books.outgoing, terms).await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        let again = match failure {
            SendFailure::Broken { reused: true } if !terms.fresh => may_repeat(books.outgoing.as_mut()),
            SendFailure::Refused { leaving: true } => is_at_hand(books.outgoing.as_mut()),
            _ => false,
        };
        if !again {
            return Err(unanswered(failure, endpoint, expiry, books));
        }
        // Not the endpoint's failure: it had closed a connection that it was not using.
        terms = Terms { since: books.goes_to(endpoint, Instant::now()), fresh: true, ..terms };
    }
    let sent = upstream.send(pool, endpoint, &mut books.outgoing, terms).await;
    sent.map_err(|failure| unanswered(failure, endpoint, expiry, books))
}

/// RFC 9110 §9.2.2: a request is repeated when it is idempotent, or when nothing of it has arrived; and
/// only if all of it is still at hand.
fn may_repeat(outgoing: Option<&mut Outbox>) -> bool {
    outgoing
        .is_some_and(|outbox| (outbox.is_untouched() || outbox.method().is_idempotent()) && outbox.rewind())
}

/// What no endpoint has processed is repeated whatever its method is, if all of it is still there.
fn is_at_hand(outgoing: Option<&mut Outbox>) -> bool {
    outgoing.is_some_and(Outbox::rewind)
}

fn unanswered(failure: SendFailure, endpoint: &Endpoint, expiry: Expiry, books: &mut Exchange) -> Unanswered {
    let (how, failed, rejection) = match failure {
        SendFailure::Connect(why) => {
            tracing::debug!(endpoint = &**endpoint.name(), %why, "no connection");
            match why.is_endpoints() {
                true => books.attempts.failed(EndpointFailure::Connect),
                false => books.attempts.endpoint_is_done(),
            }
            return Unanswered::Elsewhere(Rejection::UpstreamConnect(why));
        }
        SendFailure::Broken { .. } => {
            (EndpointFailure::Reset, Failed::Reset, Rejection::UpstreamProtocol("connection_terminated"))
        }
        SendFailure::Alert => {
            (EndpointFailure::Protocol, Failed::Reset, Rejection::UpstreamProtocol("tls_alert_received"))
        }
        SendFailure::Refused { .. } => {
            books.attempts.failed(EndpointFailure::Reset);
            let why = Rejection::UpstreamProtocol("connection_terminated");
            let elsewhere = is_at_hand(books.outgoing.as_mut());
            return if elsewhere { Unanswered::Elsewhere(why) } else { Unanswered::Final(why) };
        }
        // Nor is that its failure: there was no connection to be had to any.
        SendFailure::Tripped(why) => {
            books.attempts.turned_back();
            return Unanswered::Final(Rejection::CircuitOpen(why));
        }
        // Not its failure: it is configured to speak what can't switch.
        SendFailure::NoSwitch => {
            books.attempts.turned_back();
            return Unanswered::Final(Rejection::UpstreamProtocol(NO_SWITCH));
        }
        SendFailure::Protocol => {
            (EndpointFailure::Protocol, Failed::Reset, Rejection::UpstreamProtocol("http_protocol_error"))
        }
        // The client waits no longer: the endpoint may be as fast as it ever is.
        SendFailure::Timeout if expiry.is_clients_and_over() => {
            books.attempts.endpoint_is_done();
            return Unanswered::Final(Rejection::UpstreamTimeout);
        }
        SendFailure::Timeout => (EndpointFailure::Timeout, Failed::Timeout, Rejection::UpstreamTimeout),
        SendFailure::RequestBody => {
            // The client's failure, not the endpoint's.
            return Unanswered::Final(match books.flow.as_deref().and_then(BodyFlow::failure) {
                Some(BodyFailure::TooLarge) => Rejection::BodyTooLarge,
                Some(BodyFailure::Malformed) => Rejection::Malformed(Malformed::Chunk),
                _ => Rejection::BodyIncomplete,
            });
        }
    };
    books.attempts.failed(how);
    Unanswered::Failed(failed, rejection)
}

/// Checks what the client has not looked at: the status (RFC 9110 §15: 100 to 599), and a switch of
/// protocols that it was not asked for.
fn received(
    answer: Answer,
    upgrade: Option<&HeaderValue>,
    books: &mut Exchange,
) -> Result<Answer, Rejection> {
    let wrong = match &answer {
        Answer::Response(response) if (200..=599).contains(&response.status().as_u16()) => {
            books.attempts.answered(response.status());
            return Ok(answer);
        }
        Answer::Switched(head, _) if upgrade.is_some_and(|name| tunnel::agrees(head.headers(), name)) => {
            books.attempts.answered(head.status());
            return Ok(answer);
        }
        Answer::Response(_) => "http_protocol_error",
        Answer::Switched(..) => NO_SWITCH,
    };
    books.attempts.failed(EndpointFailure::Protocol);
    Err(Rejection::UpstreamProtocol(wrong))
}

/// Whether an endpoint's silence or words say that it has more to do than it can (RFC 9110 §15.6.4).
pub(super) fn is_congestion(answered: &Result<Answer, Rejection>) -> bool {
    match answered {
        Ok(Answer::Response(response)) => matches!(response.status().as_u16(), 503 | 504),
        Ok(Answer::Switched(..)) => false,
        // What a client asks for that an endpoint does not offer is no sign of it.
        Err(Rejection::UpstreamProtocol(why)) => *why != NO_SWITCH,
        Err(rejection) => matches!(rejection, Rejection::UpstreamTimeout | Rejection::UpstreamConnect(_)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_asks_for_in_vain_is_no_congestion() {
        let failed = |why| is_congestion(&Err(Rejection::UpstreamProtocol(why)));
        assert!(failed("connection_terminated"));
        assert!(!failed(NO_SWITCH));
        assert!(is_congestion(&Err(Rejection::UpstreamTimeout)));
        assert!(!is_congestion(&Err(Rejection::BodyIncomplete)));
    }
}
