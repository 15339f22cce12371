//! A connection that carries many requests at a time, and those that a worker has to each endpoint.

use std::cell::{Cell, RefCell};
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use h2::{Ping, PingPong, SendStream};
use hashbrown::HashMap;
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::Instant;

use crate::telemetry::OpenConnection;
use crate::time::Deadline;
use crate::types::TenantId;
use crate::upstream::connect::ConnectFailure;
use crate::upstream::endpoint::EndpointId;
use crate::upstream::pool::Pool;

/// Connections of a worker to one endpoint.
const LINKS_MAX: usize = 4;
/// Requests on a connection, at most, before another is opened, if the endpoint doesn't allow fewer.
const STREAMS_MAX: usize = 100;
/// Octets that an endpoint may send ahead on a stream, and on a connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const LINK_WINDOW: u32 = 1024 * 1024;
/// Octets of a request's body that wait to be written.
const SEND_BUFFER_MAX: usize = 64 * 1024;
/// Octets of a response's fields.
const FIELDS_MAX: u32 = 256 * 1024;
/// An endpoint that works on requests and was not heard of for so long is asked whether it is there, and has so
/// long to answer. Not asked more often, nor when idle: gRPC's servers take that for an attack.
const PING_AFTER: Duration = Duration::from_secs(30);
const PONG_WITHIN: Duration = Duration::from_secs(10);

/// A connection. When the last one drops it, its task ends and it closes.
#[derive(Debug)]
pub(in crate::upstream) struct Link {
    sender: SendRequest<Bytes>,
    usage: Rc<Usage>,
    driver: JoinHandle<()>,
    _open: OpenConnection,
}

/// What is going on on a connection.
#[derive(Debug)]
struct Usage {
    streams: Cell<usize>,
    opened: Instant,
    served: Cell<bool>,
    /// When something last came of a request, or the last one ended.
    heard: Cell<Instant>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Link {
    /// Opens HTTP/2 on a connection and waits for the endpoint's SETTINGS, which must come first (RFC 9113 §3.4):
    /// no request goes where HTTP/2 is not spoken, and none beyond the number that the endpoint takes.
    ///
    /// # Errors
    /// When something else comes, or nothing more.
    pub(in crate::upstream) async fn open<T>(io: T, open: OpenConnection) -> Result<Rc<Self>, ConnectFailure>
    where
        T: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let mut terms = Builder::new();
        terms.enable_push(false).initial_window_size(STREAM_WINDOW);
        terms.initial_connection_window_size(LINK_WINDOW).max_send_buffer_size(SEND_BUFFER_MAX);
        terms.max_header_list_size(FIELDS_MAX).initial_max_send_streams(0);
        let (sender, mut connection) = terms.handshake(io).await.map_err(ungreeted)?;
        poll_fn(|cx| match Pin::new(&mut connection).poll(cx) {
            Poll::Ready(ended) => Poll::Ready(ended.map_err(ungreeted).and(Err(ConnectFailure::NoHttp2))),
            Poll::Pending if sender.current_max_send_streams() == 0 => Poll::Pending,
            Poll::Pending => Poll::Ready(Ok(())),
        })
        .await?;
        let opened = Instant::now();
        let usage = Rc::new(Usage {
            streams: Cell::new(0),
            opened,
            served: Cell::new(false),
            heard: Cell::new(opened),
        });
        let driver = spawn_local(drive(connection, Rc::clone(&usage)));
        Ok(Rc::new(Self { sender, usage, driver, _open: open }))
    }

    /// Whether it takes no more requests: it has ended, or its endpoint has said that it will (GOAWAY).
    fn is_gone(&self) -> bool {
        let mut nobody = Context::from_waker(Waker::noop());
        matches!(self.sender.clone().poll_ready(&mut nobody), Poll::Ready(Err(_)))
    }

    fn has_room(&self) -> bool {
        self.usage.streams.get() < self.sender.current_max_send_streams().min(STREAMS_MAX)
    }

    fn is_idle(&self) -> bool {
        self.usage.streams.get() == 0
    }
}

/// A request's place on a connection, which it keeps open.
#[derive(Debug)]
pub(in crate::upstream) struct Carried(Rc<Link>);

impl Carried {
    pub(in crate::upstream) fn by(link: Rc<Link>) -> Self {
        link.usage.streams.set(link.usage.streams.get() + 1);
        // From now on silence counts.
        link.usage.heard.set(Instant::now());
        Self(link)
    }

    /// Begins a stream with a request's head; `ends` where nothing follows it.
    pub(super) fn begin(
        &self,
        head: Request<()>,
        ends: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        self.0.sender.clone().send_request(head, ends)
    }

    /// Whether the connection has brought a response before.
    pub(super) fn has_served(&self) -> bool {
        self.0.usage.served.get()
    }

    /// Something came.
    pub(super) fn heard(&self) {
        self.0.usage.served.set(true);
        self.0.usage.heard.set(Instant::now());
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        let Self(link) = self;
        link.usage.streams.set(link.usage.streams.get().saturating_sub(1));
        link.usage.heard.set(Instant::now());
    }
}

fn ungreeted(why: h2::Error) -> ConnectFailure {
    why.into_io().map_or(ConnectFailure::NoHttp2, ConnectFailure::Handshake)
}

/// Moves a connection's frames until it ends, or its endpoint doesn't answer any more.
async fn drive<T>(mut connection: Connection<T>, usage: Rc<Usage>)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let Some(ping) = connection.ping_pong() else { return };
    let mut pulse = Pulse { ping, asked: false, deadline: Deadline::at(usage.opened + PING_AFTER) };
    poll_fn(|cx| {
        if Pin::new(&mut connection).poll(cx).is_ready() {
            return Poll::Ready(());
        }
        pulse.poll(&usage, cx)
    })
    .await;
}

struct Pulse {
    ping: PingPong,
    asked: bool,
    deadline: Deadline,
}

impl Pulse {
    /// Ready when the endpoint has not answered.
    fn poll(&mut self, usage: &Usage, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.asked && self.ping.poll_pong(cx).is_ready() {
                self.asked = false;
                usage.heard.set(Instant::now());
                self.deadline.set(Instant::now() + PING_AFTER);
            }
            if self.deadline.poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            let due = usage.heard.get() + PING_AFTER;
            if self.asked {
                return Poll::Ready(());
            } else if usage.streams.get() == 0 {
                self.deadline.set(now + PING_AFTER);
            } else if due > now {
                self.deadline.set(due);
            } else {
                self.asked = self.ping.send_ping(Ping::opaque()).is_ok();
                self.deadline.set(now + PONG_WITHIN);
            }
        }
    }
}

/// A worker's connections to one endpoint; for one tenant alone, where tenants share none.
#[derive(Debug)]
pub(in crate::upstream) struct Site {
    links: RefCell<Vec<Rc<Link>>>,
    /// One connection is opened at a time: whoever waits for it will most often find room on it.
    pub(in crate::upstream) door: Semaphore,
    /// The endpoint has chosen HTTP/1.1, where it could choose.
    pub(in crate::upstream) prefers_http1: Cell<bool>,
}

impl Site {
    /// A place for a request on a connection that has room, opened not before that moment.
    pub(in crate::upstream) fn pick(&self, not_before: Option<Instant>) -> Option<Carried> {
        let mut links = self.links.borrow_mut();
        links.retain(|link| !link.is_gone());
        let mut able = links.iter().filter(|link| not_before.is_none_or(|at| link.usage.opened >= at));
        able.find(|link| link.has_room()).cloned().map(Carried::by)
    }

    /// The connection with the fewest requests, when there may be no more connections: h2 holds the request back
    /// until the endpoint allows it.
    pub(in crate::upstream) fn crowd(&self) -> Option<Carried> {
        let links = self.links.borrow();
        if links.len() < LINKS_MAX {
            return None;
        }
        links.iter().min_by_key(|link| link.usage.streams.get()).cloned().map(Carried::by)
    }

    /// Lets others use a connection, if there are not too many: it closes behind its request then.
    pub(in crate::upstream) fn share(&self, link: Rc<Link>) {
        let mut links = self.links.borrow_mut();
        if links.len() < LINKS_MAX {
            links.push(link);
        }
    }
}

/// A worker's connections to all endpoints.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Links(RefCell<HashMap<Place, Kept>>);

/// Where connections lead, and whose alone they are.
type Place = (EndpointId, Option<TenantId>);

#[derive(Debug)]
struct Kept {
    site: Rc<Site>,
    /// For so long without a request.
    keep: Duration,
    /// So many without a request, where each is one tenant's: of all tenants together.
    idle_max: usize,
}

impl Links {
    /// Those to one endpoint, kept as the pool says: the `owner`'s alone, or those that all share.
    pub(in crate::upstream) fn site(
        &self,
        endpoint: EndpointId,
        owner: Option<&TenantId>,
        pool: &Pool,
    ) -> Rc<Site> {
        let (keep, idle_max) = (pool.timeouts().keep_alive, pool.idle_max());
        let mut sites = self.0.borrow_mut();
        let kept = sites.entry((endpoint, owner.cloned())).or_insert_with(|| {
            let (links, prefers_http1) = (RefCell::default(), Cell::new(false));
            let site = Rc::new(Site { links, door: Semaphore::new(1), prefers_http1 });
            Kept { site, keep, idle_max }
        });
        (kept.keep, kept.idle_max) = (keep, idle_max);
        Rc::clone(&kept.site)
    }

    /// Of an endpoint's connections without a request that are one tenant's each, lets those go that were longest
    /// without, until they are as many as there may be. Those that all share are few anyway.
    pub(in crate::upstream) fn bound(&self, endpoint: EndpointId) {
        let sites = self.0.borrow();
        let owned = || sites.iter().filter(|((to, owner), _)| *to == endpoint && owner.is_some());
        let Some(idle_max) = owned().map(|(_, kept)| kept.idle_max).max() else { return };
        let mut idle = Vec::new();
        for (_, kept) in owned() {
            idle.extend(kept.site.links.borrow().iter().filter(|link| link.is_idle()).cloned());
        }
        let excess = idle.len().saturating_sub(idle_max);
        idle.sort_unstable_by_key(|link| link.usage.heard.get());
        idle.truncate(excess);
        if !idle.is_empty() {
            for (_, kept) in owned() {
                kept.site.links.borrow_mut().retain(|link| !idle.iter().any(|old| Rc::ptr_eq(old, link)));
            }
        }
    }

    /// Lets go of what has ended, was idle for too long, or leads where nothing goes any more. Requests on them run
    /// to their ends.
    pub(in crate::upstream) fn sweep(&self, is_configured: impl Fn(EndpointId) -> bool) {
        let now = Instant::now();
        let mut owned = Vec::new();
        self.0.borrow_mut().retain(|(endpoint, owner), Kept { site, keep, .. }| {
            site.links.borrow_mut().retain(|link| {
                let is_old = link.is_idle() && now.duration_since(link.usage.heard.get()) >= *keep;
                !is_old && !link.is_gone()
            });
            if owner.is_some() {
                owned.push(*endpoint);
                // Of a tenant that asks for nothing any more nothing stays.
                let in_use = Rc::strong_count(site) > 1 || !site.links.borrow().is_empty();
                return in_use && is_configured(*endpoint);
            }
            is_configured(*endpoint)
        });
        owned.sort_unstable();
        owned.dedup();
        owned.into_iter().for_each(|endpoint| self.bound(endpoint));
    }

    /// Lets go of all of them: they close when their last request has ended.
    pub(in crate::upstream) fn clear(&self) {
        self.0.borrow_mut().clear();
    }

    /// How many carry no request.
    pub(in crate::upstream) fn idle(&self) -> usize {
        let sites = self.0.borrow();
        sites.values().map(|kept| kept.site.links.borrow().iter().filter(|link| link.is_idle()).count()).sum()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::runtime::{Builder, LocalOptions};

    use super::*;
    use crate::telemetry::Metrics;

    #[test]
    fn an_endpoint_that_has_gone_silent_is_found_out() {
        let mut runtime = Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build_local(LocalOptions::default()).unwrap();
        runtime.block_on(async {
            let (io, mut silent) = tokio::io::duplex(64 * 1024);
            // SETTINGS, and no more.
            silent.write_all(b"\0\0\0\x04\0\0\0\0\0").await.unwrap();
            spawn_local(async move { while silent.read_u8().await.is_ok() {} });
            let link = Link::open(io, Metrics::new(1).unwrap().pool("p").connection_opened()).await.unwrap();
            // Without a request nobody asks.
            tokio::time::advance(10 * PING_AFTER).await;
            tokio::task::yield_now().await;
            assert!(!link.is_gone());
            let carried = Carried::by(Rc::clone(&link));
            let asked = Instant::now();
            let request = Request::get("http://a/").body(()).unwrap();
            let (response, _) = carried.begin(request, true).unwrap();
            assert!(response.await.unwrap_err().is_io());
            assert!(link.is_gone());
            let took = asked.elapsed();
            assert!((PING_AFTER..=2 * PING_AFTER + PONG_WITHIN).contains(&took), "{took:?}");
        });
    }
}
