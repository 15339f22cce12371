//! A request's way without the request: the functions that serve decide, in the pipeline's order, before a witness. Nothing is
//! charged, taken, counted or sent.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::arrival::unidentified;
use super::decision::{Decided, Gates, Leads};
use super::edge;
use super::framing::Framing;
use super::gates::{self, Witness};
use super::https_redirect;
use super::pipeline::is_request_id;
use super::rejection::Rejection;
use super::snapshot::{RouteTarget, Snapshot};
use super::sticky::StickyCookie;
use crate::admission::Violation;
use crate::admission::fair_share::Outlook;
use crate::balance::Key;
use crate::http::checks::{self, BadRequest, Checked};
use crate::http::client_addr::Client;
use crate::http::conn::{ConnState, HttpsRedirect};
use crate::http::forwarded;
use crate::http::hop_by_hop::Survey;
use crate::http::names::X_REQUEST_ID;
use crate::http::secured::Secured;
use crate::routing::{Facts, Route};
use crate::tenant::{self, Clues, Identified, LookedUp, Tenant, Unidentified};
use crate::types::{Certificate, HostName};
use crate::upstream::{Pool, head_text};

/// How long the store may take to say whose it is.
const LOOK_UP_MAX: Duration = Duration::from_secs(5);

/// A request that is not sent.
#[derive(Debug)]
pub struct Rehearsal {
    snapshot: Arc<Snapshot>,
    head: Parts,
    peer: IpAddr,
    body: Declared,
    certificate: Option<Certificate>,
    secured: Option<Box<Secured>>,
    https_redirect: Option<HttpsRedirect>,
    /// Whether pools have looked up the names that they find endpoints by.
    is_running: bool,
    survey: Survey,
    client: Client,
    checked: Result<Checked, BadRequest>,
}

/// What would become of it.
#[derive(Debug)]
pub enum Outcome {
    /// It would be sent upstream.
    Forwarded(Box<Onward>),
    /// Its route would answer it, or a file of the tenant's brand would be the answer.
    Answered(Response<Bytes>),
    /// It would be refused.
    Refused(Rejection),
}

/// Where it would go, and as what.
#[derive(Debug)]
pub struct Onward {
    /// The pool.
    pub pool: Arc<Pool>,
    /// What it is kept together with others by, where that chooses its endpoint.
    pub key: Option<Key>,
    /// Whether it would get a seat at once.
    pub seat: Outlook,
    /// What it asks to switch to.
    pub switch: Option<HeaderValue>,
    /// How long it may take.
    pub within: Option<Duration>,
    /// The head that an endpoint would get.
    pub head: Vec<u8>,
    /// What is set in the response's fields, whatever the endpoint says.
    pub response_fields: HeaderMap,
    /// What is taken out of them.
    pub response_removed: Vec<HeaderName>,
}

/// A body of which only the length is known.
#[derive(Debug, Clone, Copy)]
struct Declared(u64);

impl Rehearsal {
    /// A request from a peer, with a body of so many octets. A snapshot that runs has looked up the names that pools find
    /// endpoints by; else those are not missed.
    #[must_use]
    pub fn new(
        snapshot: Arc<Snapshot>,
        head: Parts,
        peer: IpAddr,
        body_octets: u64,
        is_running: bool,
    ) -> Self {
        let survey = Survey::of(&head.headers, &snapshot.reserved);
        let client = snapshot.trusted.client(peer, &head.headers);
        let checked = checks::request(&head, &survey, &snapshot.server.head, None);
        let body = Declared(body_octets);
        let (certificate, secured, https_redirect) = (None, None, None);
        Self {
            snapshot,
            head,
            peer,
            body,
            certificate,
            secured,
            https_redirect,
            is_running,
            survey,
            client,
            checked,
        }
    }

    /// The same, by a connection whose handshake has settled this, or that is led to https where it has none.
    #[must_use]
    pub fn over(self, secured: Option<Secured>, https_redirect: Option<HttpsRedirect>) -> Self {
        Self { secured: secured.map(Box::new), https_redirect, ..self }
    }

    /// The same, from a client that has shown this certificate.
    #[must_use]
    pub fn showing(self, certificate: Option<Certificate>) -> Self {
        Self { certificate, ..self }
    }

    /// The certificate that the client has shown.
    #[must_use]
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// Its snapshot.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Its head, as the client would send it.
    #[must_use]
    pub fn head(&self) -> &Parts {
        &self.head
    }

    /// Who it would be from.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client
    }

    /// The host that tenants are found by, where it has a valid one.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.checked.as_ref().ok()?.host.as_ref().map(HostName::as_str)
    }

    /// Whose it is. Looks it up where tenants are kept, as a request would; the witness made by `hearing` hears the rules each
    /// time that they are asked anew, and the last one is handed back.
    ///
    /// # Errors
    /// The refusal.
    pub async fn identify<W: tenant::Witness>(
        &self,
        hearing: impl Fn() -> W,
    ) -> (W, Result<Identified, Rejection>) {
        let mut witness = hearing();
        let checked = match &self.checked {
            Ok(checked) => checked,
            Err(why) => return (witness, Err(Rejection::BadRequest(*why))),
        };
        let Snapshot { identify, directory, .. } = &*self.snapshot;
        let host = checked.host.as_ref().map(HostName::as_str);
        let clues = Clues {
            host,
            fields: &self.head.headers,
            via_trusted: self.client.via_trusted,
            certificate: self.certificate.as_ref(),
        };
        let mut looked_up = LookedUp::default();
        loop {
            let found = identify.find(directory, &looked_up, clues, &mut witness);
            let key = match found {
                Ok(identified) => return (witness, Ok(identified)),
                Err(Unidentified::NotHere(key)) => key,
                Err(why) => return (witness, Err(unidentified(&why))),
            };
            if directory.look_up(key, &mut looked_up, LOOK_UP_MAX).await.is_err() {
                return (witness, Err(Rejection::TenantUnavailable));
            }
            witness = hearing();
        }
    }

    /// What becomes of it, once it is known whose it is.
    #[must_use]
    pub fn decide(&self, identified: &Identified, witness: &mut impl Witness) -> Outcome {
        let tenant = &identified.tenant;
        witness.cors(tenant.terms.cors.as_ref(), &self.head.headers);
        let (peer, local) = (SocketAddr::new(self.peer, 0), SocketAddr::from(([0; 4], 0)));
        let conn = Rc::new(ConnState::of(peer.into(), local, self.secured.clone(), self.https_redirect));
        let mut outcome = self.enter(identified, &conn, witness).unwrap_or_else(Outcome::Refused);
        match &mut outcome {
            Outcome::Answered(answer) => https_redirect::tell_hsts(&conn, answer.headers_mut()),
            Outcome::Forwarded(onward) => {
                let Onward { response_fields, response_removed, .. } = &mut **onward;
                https_redirect::tell_hsts(&conn, response_fields);
                response_removed.retain(|name| !response_fields.contains_key(name));
            }
            Outcome::Refused(_) => {}
        }
        outcome
    }

    fn enter(
        &self,
        identified: &Identified,
        conn: &Rc<ConnState>,
        witness: &mut impl Witness,
    ) -> Result<Outcome, Rejection> {
        let host = self.checked.as_ref().ok().and_then(|checked| checked.host.as_ref());
        if let Some(answer) = https_redirect::answer(conn, self.client, &self.head, host, identified.by_host)?
        {
            return Ok(Outcome::Answered(answer));
        }
        match gates::file_of_brand(&identified.tenant, &self.head, self.client) {
            Some(file) => Ok(Outcome::Answered(file)),
            None => self.admit(identified, conn, witness),
        }
    }

    fn admit(
        &self,
        identified: &Identified,
        conn: &Rc<ConnState>,
        witness: &mut impl Witness,
    ) -> Result<Outcome, Rejection> {
        let Identified { tenant, by_host } = identified;
        let checked = self.checked.as_ref().map_err(|why| Rejection::BadRequest(*why))?;
        let gates = Gates {
            snapshot: &self.snapshot,
            conn,
            survey: &self.survey,
            client: self.client,
            handshake: None,
            checked,
            by_host: *by_host,
        };
        let mut head = self.head.clone();
        if let Some(answer) = gates.preflight(tenant, &head, witness)? {
            return Ok(Outcome::Answered(answer));
        }
        let Decided { route, leads } = gates.decide(tenant, &mut head, &self.body, witness)?;
        let request_id = self.request_id();
        let facts = self.facts(tenant, route, request_id.as_bytes());
        self.charge(tenant, &gates, route, witness)?;
        let Some(Leads { pool, switch, cookie }) = leads else {
            return Ok(Outcome::Answered(edge::said(tenant, route, &facts)));
        };
        let key = pool.balancing().key(&head.headers, self.client.ip, tenant.id());
        let now = Instant::now();
        let expires = gates.expiry(&head, route, pool, now).at;
        if let Some(injection) = tenant.terms.brand.injection() {
            injection.asked(&mut head.headers);
        }
        let facade = gates.facade(route, pool, &head);
        let outbound = gates.outbound(tenant, route, pool, facade.as_deref(), facts, expires);
        let within = expires.map(|expires| expires.saturating_duration_since(now));
        let head =
            outbound.say(&mut head, Framing::of(&self.body), switch.as_ref(), |head, own, timeouts| {
                let left = within.filter(|_| timeouts.shortest().is_some());
                let left = left.map(|left| timeouts.lines(left)).unwrap_or_default();
                let own: Vec<&[u8]> = own.iter().copied().chain([left.as_bytes()]).collect();
                head_text(head, &own)
            })?;
        let shares = tenant.account.shares();
        let share = shares.iter().find(|share| Arc::ptr_eq(share.seats(), pool.seats()));
        let seat = pool.seats().outlook(share, tenant.terms.seats);
        if seat == Outlook::QueueFull {
            return Err(Rejection::ConcurrencyExceeded);
        }
        let is_known = self.is_running || pool.sources().is_empty();
        if is_known && pool.choose(key).is_empty() {
            return Err(Rejection::NoEndpoint);
        }
        let mut response_fields = HeaderMap::new();
        let rules = tenant.terms.response_headers.iter().map(AsRef::as_ref).chain([&route.response_headers]);
        let mut response_removed = Vec::new();
        for rules in rules {
            rules.apply(&mut response_fields, &facts);
            response_removed.extend(rules.remove.iter().cloned());
        }
        if let Some(cookie) = cookie {
            let is_https = forwarded::is_https(&self.head.headers, self.client.via_trusted, conn);
            StickyCookie::new(cookie, is_https).give(&mut response_fields);
        }
        let pool = Arc::clone(pool);
        let onward = Onward { pool, key, seat, switch, within, head, response_fields, response_removed };
        Ok(Outcome::Forwarded(Box::new(onward)))
    }

    /// Looks at what would be charged.
    fn charge(
        &self,
        tenant: &Tenant,
        gates: &Gates<'_>,
        route: &Route<RouteTarget>,
        witness: &mut impl Witness,
    ) -> Result<(), Rejection> {
        let asked = gates.asks(route, &self.head);
        let rates = tenant.rates.look(&asked);
        let refusing = rates.iter().filter(|look| !look.shadow);
        let violation = Violation::of(refusing.map(|look| (&look.label, look.standing)));
        witness.rated(&rates);
        match (violation, tenant.quotas.look(asked.cost)) {
            (Some(violation), _) => Err(Rejection::RateLimited(violation)),
            (None, Some(violation)) => Err(Rejection::QuotaExceeded(violation)),
            (None, None) => Ok(()),
        }
    }

    /// The client's, where that is kept; else its name stands for the one that would be made.
    fn request_id(&self) -> HeaderValue {
        let own = self.head.headers.get(&X_REQUEST_ID);
        let own = own.filter(|id| self.client.via_trusted && is_request_id(id)).cloned();
        own.unwrap_or(HeaderValue::from_static("{request_id}"))
    }

    fn facts<'f>(
        &'f self,
        tenant: &'f Tenant,
        route: &'f Route<RouteTarget>,
        request_id: &'f [u8],
    ) -> Facts<'f> {
        let host = self.checked.as_ref().map_or(&b""[..], |checked| checked.host_value.as_bytes());
        Facts {
            tenant: tenant.id().as_str(),
            labels: tenant,
            client: self.client.ip,
            request_id,
            host,
            method: &self.head.method,
            path: self.head.uri.path(),
            query: self.head.uri.query(),
            rule: &route.rule.path,
        }
    }
}

impl Body for Declared {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.0 == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0)
    }
}
