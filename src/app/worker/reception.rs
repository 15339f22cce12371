//! A connection's way from the listener's socket to HTTP: whether it is let in, the handshake of TLS, and what it speaks.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::Instant;

use crate::http::conn::{ConnState, HttpsRedirect};
use crate::http::secured::{Secured, client_lines};
use crate::http::server::{Connections, ServerSettings, serve};
use crate::listen::ConnectionCaps;
use crate::proxy::{ListenerTerms, Proxy};
use crate::telemetry::{ListenerMeter, Metrics};
use crate::tls::{Alpn, Session};
use crate::types::HostName;

/// What receives the connections of one listener on one worker.
pub(super) struct Reception {
    /// The listener's name.
    pub(super) listener: Arc<str>,
    pub(super) local: SocketAddr,
    pub(super) meter: Arc<ListenerMeter>,
    pub(super) proxy: Rc<Proxy>,
    pub(super) connections: Rc<Connections>,
    pub(super) caps: Arc<ConnectionCaps>,
    pub(super) metrics: Arc<Metrics>,
}

impl Reception {
    /// Starts the task of a connection, if it is let in.
    pub(super) fn receive(self: Rc<Self>, stream: TcpStream, peer: SocketAddr) {
        self.meter.accepted();
        let snapshot = self.proxy.snapshot();
        let ip = peer.ip().to_canonical();
        let permit = match self.caps.enter(ip, !snapshot.trusted.contains(ip)) {
            Ok(permit) => permit,
            Err(refusal) => return self.metrics.connection_refused(refusal.reason()),
        };
        let Some(terms) = snapshot.listeners.get(&self.listener).cloned() else { return };
        let settings = snapshot.server;
        drop(snapshot);
        spawn_local(async move {
            let _permit = permit;
            let Some(tls) = &terms.tls else {
                return self.speak(stream, peer, None, terms.https_redirect, settings).await;
            };
            let began = Instant::now();
            match tls.accept(stream).await {
                Ok((stream, session)) => {
                    self.meter.shaken(session.version, session.resumed, began.elapsed());
                    // Where it is kept costs memory as long as the connection lives.
                    let secured = Box::new(secured(session, &terms));
                    drop(terms);
                    Box::pin(self.speak(stream, peer, Some(secured), None, settings)).await;
                }
                Err(failure) => {
                    tracing::debug!(%peer, listener = %self.listener, "{failure}");
                    self.meter.not_shaken(failure.reason());
                    self.metrics.connection_refused("tls_handshake");
                }
            }
        });
    }

    /// Speaks HTTP until the connection ends.
    async fn speak<S>(
        self: Rc<Self>,
        stream: S,
        peer: SocketAddr,
        secured: Option<Box<Secured>>,
        https_redirect: Option<HttpsRedirect>,
        settings: ServerSettings,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let state = Rc::new(ConnState::of(peer, self.local, secured, https_redirect));
        let meter = Arc::clone(&self.meter);
        let opened = move |protocol| meter.opened(protocol);
        serve(stream, state, settings, Rc::clone(&self.proxy), Rc::clone(&self.connections), opened).await;
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
