//! A connection's way from the listener's socket to HTTP: whether it is let in, the handshake of TLS, and what it speaks.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::spawn_local;
use tokio::time::Instant;

use super::shares::Shares;
use super::turned_away::tell;
use crate::http::conn::{ConnState, Cut, HttpsRedirect};
use crate::http::secured::{Secured, client_lines};
use crate::http::server::{Connections, Entered, ServerSettings, serve};
use crate::listen::{
    Arrival, Backlog, ClientStream, ConnectionCaps, ConnectionPermit, Desk, Placed, Unannounced, announced,
};
use crate::net::Bare;
use crate::proxy::{ListenerTerms, Proxy, Snapshot};
use crate::telemetry::{ListenerMeter, Metrics};
use crate::tls::{Alpn, HandshakeFailure, PendingHandshakes, Session, Turns};
use crate::types::{HostName, Peer};

/// What receives the connections of one listener on one worker.
pub(super) struct Reception {
    /// The listener's name.
    pub(super) listener: Arc<str>,
    pub(super) local: SocketAddr,
    pub(super) meter: Arc<ListenerMeter>,
    pub(super) proxy: Rc<Proxy>,
    pub(super) connections: Rc<Connections>,
    pub(super) caps: Arc<ConnectionCaps>,
    pub(super) handshakes: Arc<PendingHandshakes>,
    /// Whose handshake and whose connection goes on next.
    pub(super) shares: Rc<Shares>,
    pub(super) metrics: Arc<Metrics>,
    /// How connections were received last. Those that had connected when a reload took the listener away are received so still.
    pub(super) terms: RefCell<Option<Arc<ListenerTerms>>>,
}

/// The steps of a client's handshake.
struct Steps<'s> {
    shares: &'s Rc<Shares>,
    client: Option<IpAddr>,
}

impl Turns for Steps<'_> {
    fn take<F: Future>(&self, step: F) -> impl Future<Output = F::Output> {
        self.shares.step(self.client, step)
    }
}

/// What a connection was let in with.
pub(in crate::app) struct Admission {
    terms: Arc<ListenerTerms>,
    settings: Arc<ServerSettings>,
    permit: ConnectionPermit,
}

/// What a connection holds on to for as long as it lives: its place among the open ones, and among its worker's.
struct Held {
    permit: ConnectionPermit,
    _placed: Placed,
}

impl Desk for Rc<Reception> {
    type Admission = Admission;

    fn admit(&self, peer: Peer) -> Option<Admission> {
        self.meter.accepted();
        let snapshot = self.proxy.snapshot();
        let terms = self.terms_in(&snapshot)?;
        let is_trusted = snapshot.trusted.trusts(peer);
        let settings = Arc::clone(&snapshot.server);
        drop(snapshot);
        if terms.announced_within.is_some() && !is_trusted {
            self.unannounced(peer, Unannounced::Untrusted);
            return None;
        }
        let mut permit =
            self.caps.enter().inspect_err(|refusal| self.refused(peer, refusal.reason())).ok()?;
        self.is_within_its_own(&mut permit, peer).then_some(Admission { terms, settings, permit })
    }

    fn receive(&self, stream: ClientStream, arrival: Arrival<Admission>) {
        Rc::clone(self).start(stream, arrival);
    }

    fn exhausted(&self) {
        self.metrics.accept_paused();
    }
}

impl Reception {
    /// How connections are received; `None` where no configuration ever said so.
    pub(super) fn terms_in(&self, snapshot: &Snapshot) -> Option<Arc<ListenerTerms>> {
        let mut known = self.terms.borrow_mut();
        if let Some(terms) = snapshot.listeners.get(&self.listener)
            && known.as_ref().is_none_or(|known| !Arc::ptr_eq(known, terms))
        {
            *known = Some(Arc::clone(terms));
        }
        known.clone()
    }

    /// Starts the task of a connection. It is as small as can be: most connections wait most of the time.
    fn start(self: Rc<Self>, stream: ClientStream, arrival: Arrival<Admission>) {
        let Arrival { peer, with: Admission { terms, settings, permit }, placed } = arrival;
        let held = Held { permit, _placed: placed };
        if terms.tls.is_none() && terms.announced_within.is_none() {
            let (client, backlog) = (held.permit.client(), stream.backlog());
            // At once, so that it is not overlooked at the end: nobody waits there for handshakes, and for what would come after them.
            let entered = self.connections.enter();
            let state = self.state(peer, backlog, None, terms.https_redirect);
            let shares = Rc::clone(&self.shares);
            let speaking = self.speak(stream.together(), state, settings, entered, held);
            spawn_local(shares.of(client, speaking));
            return;
        }
        // Apart: it takes no room once it is done.
        let preparing = Box::pin(self.prepare(stream, peer, terms, settings, held));
        spawn_local(async move {
            if let Some(speaking) = preparing.await {
                speaking.await;
            }
        });
    }

    /// Has a connection announced, and shakes hands; what then is spoken by it. `None`: nothing is.
    async fn prepare(
        self: Rc<Self>,
        mut stream: ClientStream,
        mut peer: Peer,
        terms: Arc<ListenerTerms>,
        settings: Arc<ServerSettings>,
        mut held: Held,
    ) -> Option<Pin<Box<dyn Future<Output = ()>>>> {
        if let Some(within) = terms.announced_within {
            match announced(&mut stream, peer, within).await {
                Ok(client) => peer = client,
                Err(why) => {
                    self.unannounced(peer, why);
                    return None;
                }
            }
            // It is the client that counts, and not who announced it.
            if !self.is_within_its_own(&mut held.permit, peer) {
                return None;
            }
        }
        let backlog = stream.backlog();
        let stream = stream.together();
        // Who speaks for many is not one of them.
        let client = held.permit.client();
        let shares = Rc::clone(&self.shares);
        let Some(tls) = &terms.tls else {
            let entered = self.connections.enter();
            let state = self.state(peer, backlog, None, terms.https_redirect);
            return Some(Box::pin(shares.of(client, self.speak(stream, state, settings, entered, held))));
        };
        let began = Instant::now();
        let turns = Steps { shares: &shares, client };
        match tls.accept(stream, &self.handshakes, &turns).await {
            Ok(None) => None,
            Ok(Some((stream, session))) => {
                self.meter.shaken(session.version, session.resumed, began.elapsed());
                // Where it is kept costs memory as long as the connection lives.
                let secured = Box::new(secured(session, &terms));
                // Only now: a handshake's steps have turns of their own.
                let entered = self.connections.enter();
                let state = self.state(peer, backlog, Some(secured), None);
                Some(Box::pin(shares.of(client, self.speak(stream, state, settings, entered, held))))
            }
            Err(failure) => {
                tracing::debug!(%peer, listener = %self.listener, reason = failure.reason(), "{failure}");
                self.meter.not_shaken(failure.reason());
                match failure {
                    HandshakeFailure::Full => self.refused(peer, failure.reason()),
                    _ => self.metrics.connection_refused("tls_handshake"),
                }
                None
            }
        }
    }

    fn refused(&self, peer: Peer, reason: &'static str) {
        self.metrics.connection_refused(reason);
        tell(peer, &self.listener, reason);
    }

    /// Counts a connection as its client's, who may have so many.
    fn is_within_its_own(&self, permit: &mut ConnectionPermit, peer: Peer) -> bool {
        let Some(ip) = peer.known_ip() else { return true };
        if self.proxy.snapshot().trusted.trusts(peer) {
            return true;
        }
        permit.count_for(ip).inspect_err(|refusal| self.refused(peer, refusal.reason())).is_ok()
    }

    fn unannounced(&self, peer: Peer, why: Unannounced) {
        tracing::debug!(%peer, listener = %self.listener, "refused: {why}");
        self.refused(peer, why.reason());
    }

    /// What is known of a connection that is to speak HTTP.
    fn state(
        &self,
        peer: Peer,
        backlog: Backlog,
        secured: Option<Box<Secured>>,
        https_redirect: Option<HttpsRedirect>,
    ) -> Rc<ConnState> {
        let state = Rc::new(ConnState::of(peer, self.local, secured, https_redirect));
        state.ask_for_backlog(backlog);
        state
    }

    /// Speaks HTTP until the connection ends.
    // Not an `async fn`: see `serve`.
    fn speak<S>(
        self: Rc<Self>,
        stream: S,
        state: Rc<ConnState>,
        settings: Arc<ServerSettings>,
        entered: Entered,
        held: Held,
    ) -> impl Future<Output = ()>
    where
        S: AsyncRead + AsyncWrite + Bare + Unpin + 'static,
    {
        let noted = Rc::clone(&state);
        async move {
            let meter = Arc::clone(&self.meter);
            let opened = move |protocol| meter.opened(protocol);
            serve(stream, state, settings, Rc::clone(&self.proxy), entered, opened).await;
            if let Some(why) = noted.cut() {
                self.metrics.connection_cut(why.reason());
                // One that has nothing to ask any more is no news.
                if why != Cut::Idle {
                    tell(noted.peer, &self.listener, why.reason());
                }
            }
            drop(held);
        }
    }
}

fn secured(session: Session, terms: &ListenerTerms) -> Secured {
    let Session { server_name, version, cipher, resumed, alpn, names, client } = session;
    let client_lines = if terms.tells_client { client_lines(client.as_deref()) } else { Bytes::new() };
    Secured {
        server_name: server_name.and_then(|name| HostName::parse(name.as_bytes()).ok()),
        version,
        cipher,
        resumed,
        h2: alpn == Some(Alpn::H2),
        names,
        client,
        client_lines,
        hsts: terms.hsts.clone(),
    }
}
