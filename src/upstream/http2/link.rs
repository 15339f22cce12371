//! A connection that carries many requests at a time.

use std::cell::Cell;
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use h2::{Ping, PingPong, SendStream};
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::Instant;

use crate::http::http2::Watcher;
use crate::time::Deadline;
use crate::upstream::connect::ConnectFailure;
use crate::upstream::open::Open;

/// Requests on a connection, at most, before another is opened, if the endpoint doesn't allow fewer.
const STREAMS_MAX: usize = 100;
/// Requests that may be left before their ends, before a connection is left too. Endpoints take very many of them for an
/// attack (CVE-2023-44487: nghttp2 from 1,000 on, Envoy from 500), and end the connection with everybody's requests on it.
const LEFT_MAX: usize = 400;
/// For so long frames may still come of a request that was left. All that were left are remembered meanwhile: h2 takes what
/// comes of one that it has forgotten for the endpoint's error, and of very many of these it ends the connection.
const LEFT_FOR: Duration = Duration::from_secs(30);
/// Octets that an endpoint may send ahead on a stream.
const STREAM_WINDOW: u32 = 256 * 1024;
/// And on a connection: as much as on all its streams, or a few clients that take nothing would hold up all others.
const LINK_WINDOW: u32 = STREAM_WINDOW * STREAMS_MAX as u32;
/// What the pieces that were sent ahead may cost beside their octets, before h2 ends the connection with everybody's requests
/// on it: it counts the octets that each is short of 256. Enough for pieces of 64 octets in the windows of all streams.
const PIECES_MAX: usize = STREAMS_MAX * (STREAM_WINDOW as usize / 64) * (256 - 64);
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
    open: Open,
}

/// What is going on on a connection.
#[derive(Debug)]
struct Usage {
    streams: Cell<usize>,
    opened: Instant,
    served: Cell<bool>,
    /// How many requests were left before their ends.
    left: Cell<usize>,
    /// When something last came of a request, or the last one ended.
    heard: Cell<Instant>,
    /// Told of places that get free.
    room: Rc<Notify>,
}

/// Why a connection can carry nothing.
#[derive(Debug)]
pub(in crate::upstream) enum Unopened {
    /// It is no connection.
    Failed(ConnectFailure),
    /// The endpoint has greeted, and said farewell in order: another connection may do.
    Leaving,
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
    pub(in crate::upstream) async fn open<T>(
        io: T,
        open: Open,
        room: Rc<Notify>,
    ) -> Result<Rc<Self>, Unopened>
    where
        T: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let mut terms = Builder::new();
        terms.enable_push(false).initial_window_size(STREAM_WINDOW);
        terms.initial_connection_window_size(LINK_WINDOW).max_send_buffer_size(SEND_BUFFER_MAX);
        terms.max_header_list_size(FIELDS_MAX).initial_max_send_streams(0);
        terms.max_concurrent_reset_streams(LEFT_MAX + STREAMS_MAX).reset_stream_duration(LEFT_FOR);
        terms.data_frame_budget(PIECES_MAX);
        let (sender, mut connection) = terms.handshake(io).await.map_err(ungreeted)?;
        poll_fn(|cx| match Pin::new(&mut connection).poll(cx) {
            Poll::Ready(Ok(())) if sender.current_max_send_streams() > 0 => {
                Poll::Ready(Err(Unopened::Leaving))
            }
            Poll::Ready(Ok(())) => Poll::Ready(Err(Unopened::Failed(ConnectFailure::NoHttp2))),
            Poll::Ready(Err(why)) => Poll::Ready(Err(ungreeted(why))),
            Poll::Pending if sender.current_max_send_streams() == 0 => Poll::Pending,
            Poll::Pending => Poll::Ready(Ok(())),
        })
        .await?;
        let opened = Instant::now();
        let usage = Rc::new(Usage {
            streams: Cell::new(0),
            opened,
            served: Cell::new(false),
            left: Cell::new(0),
            heard: Cell::new(opened),
            room,
        });
        let driver = spawn_local(drive(connection, Rc::clone(&usage)));
        Ok(Rc::new(Self { sender, usage, driver, open }))
    }

    /// Whether it takes no more requests: it has ended, its endpoint has said that it will (GOAWAY), or too many requests
    /// were left on it.
    pub(super) fn is_gone(&self) -> bool {
        if self.usage.left.get() >= LEFT_MAX {
            return true;
        }
        let mut nobody = Context::from_waker(Waker::noop());
        matches!(self.sender.clone().poll_ready(&mut nobody), Poll::Ready(Err(_)))
    }

    /// Whether it can take a request more.
    pub(super) fn has_room(&self) -> bool {
        self.usage.streams.get() < self.sender.current_max_send_streams().min(STREAMS_MAX)
    }

    /// Whether it carries no request.
    pub(super) fn is_idle(&self) -> bool {
        self.usage.streams.get() == 0
    }

    /// How its pool counts it.
    pub(super) fn counted(&self) -> &Open {
        &self.open
    }

    /// When it was opened.
    pub(super) fn opened(&self) -> Instant {
        self.usage.opened
    }

    /// When something last came of a request, or the last one ended.
    pub(super) fn heard(&self) -> Instant {
        self.usage.heard.get()
    }
}

/// A request's place on a connection, which it keeps open.
#[derive(Debug)]
pub struct Carried {
    link: Rc<Link>,
    /// Its response has come to its end.
    ended: Cell<bool>,
}

impl Carried {
    pub(in crate::upstream) fn by(link: Rc<Link>) -> Self {
        link.usage.streams.set(link.usage.streams.get() + 1);
        // From now on silence counts.
        link.usage.heard.set(Instant::now());
        Self { link, ended: Cell::new(false) }
    }

    /// Begins a stream with a request's head; `ends` where nothing follows it.
    pub(super) fn begin(
        &self,
        head: Request<()>,
        ends: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        self.link.sender.clone().send_request(head, ends)
    }

    /// Whether the endpoint lets a stream become another protocol's (RFC 8441 §3).
    pub(in crate::upstream) fn may_connect(&self) -> bool {
        self.link.sender.is_extended_connect_protocol_enabled()
    }

    /// Whether the connection has brought a response before.
    pub(super) fn has_served(&self) -> bool {
        self.link.usage.served.get()
    }

    /// Its response has come to its end: it is not left.
    pub(super) fn ended(&self) {
        self.ended.set(true);
    }

    /// Something came.
    pub(super) fn heard(&self) {
        self.link.usage.served.set(true);
        self.link.usage.heard.set(Instant::now());
    }
}

impl Watcher for Carried {
    fn came(&self) {
        self.heard();
    }

    fn sent(&self, _: usize, _: bool) {}
}

impl Drop for Carried {
    fn drop(&mut self) {
        let Self { link, ended } = self;
        if !ended.get() {
            link.usage.left.set(link.usage.left.get().saturating_add(1));
        }
        link.usage.streams.set(link.usage.streams.get().saturating_sub(1));
        link.usage.heard.set(Instant::now());
        link.usage.room.notify_one();
        if link.is_idle() && link.open.is_wanted() {
            link.open.ring();
        }
    }
}

fn ungreeted(why: h2::Error) -> Unopened {
    Unopened::Failed(why.into_io().map_or(ConnectFailure::NoHttp2, ConnectFailure::Handshake))
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
    usage.room.notify_one();
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
            let open = Open::new(Metrics::new(1).unwrap().pool("p").connection_opened(), None);
            let link = Link::open(io, open, Rc::default()).await.unwrap();
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
