//! Applications that speak HTTP/2: a thread with a runtime of its own, and each request answered as a test says.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};
use tokio_rustls::TlsAcceptor;

/// An HTTP/2 origin on a port of its own, gone when dropped with all its connections.
pub struct H2Origin {
    address: SocketAddr,
    seen: Arc<Seen>,
    orders: watch::Sender<Order>,
}

/// What it is told to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Serve,
    /// All connections are told to go away, and end with their last request.
    Leave,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    open: AtomicUsize,
    requests: AtomicUsize,
}

/// What a request is answered by.
pub type Respond = SendResponse<Bytes>;

impl H2Origin {
    /// Answers each request by `answer`, on these terms.
    pub fn serving<F>(terms: Builder, answer: F) -> Self
    where
        F: AsyncFn(Request<RecvStream>, Respond) + Clone + Send + 'static,
    {
        Self::at(any_port(), None, terms, answer)
    }

    /// Answers each request by `answer`, over TLS.
    pub fn secure<F>(tls: TlsAcceptor, answer: F) -> Self
    where
        F: AsyncFn(Request<RecvStream>, Respond) + Clone + Send + 'static,
    {
        Self::at(any_port(), Some(tls), Builder::new(), answer)
    }

    /// Answers 200 with this body.
    pub fn saying(text: &'static str) -> Self {
        Self::serving(Builder::new(), async move |_, respond| say(respond, text))
    }

    /// The same, where another was: it comes back.
    pub fn at<F>(listener: std::net::TcpListener, tls: Option<TlsAcceptor>, terms: Builder, answer: F) -> Self
    where
        F: AsyncFn(Request<RecvStream>, Respond) + Clone + Send + 'static,
    {
        Self::on_connection(listener, move |io, seen, orders| {
            let (tls, terms, answer) = (tls.clone(), terms.clone(), answer.clone());
            async move {
                match tls {
                    None => serve(io, &terms, answer, seen, orders).await,
                    Some(tls) => {
                        if let Ok(io) = tls.accept(io).await {
                            serve(io, &terms, answer, seen, orders).await;
                        }
                    }
                }
            }
        })
    }

    /// Hands over each connection's bytes as they come.
    pub fn raw<F>(serve: F) -> Self
    where
        F: AsyncFn(TcpStream) + Clone + Send + 'static,
    {
        Self::on_connection(any_port(), move |io, _, _| {
            let serve = serve.clone();
            async move { serve(io).await }
        })
    }

    fn on_connection<F: Future<Output = ()> + 'static>(
        listener: std::net::TcpListener,
        serve: impl Fn(TcpStream, Arc<Seen>, watch::Receiver<Order>) -> F + Send + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let seen = Arc::<Seen>::default();
        let (orders, mut ordered) = watch::channel(Order::Serve);
        let counted = Arc::clone(&seen);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            LocalSet::new().block_on(&runtime, async {
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    let io = tokio::select! {
                        io = listener.accept() => io.unwrap().0,
                        gone = ordered.changed() => match gone {
                            Ok(()) => continue,
                            Err(_) => return,
                        },
                    };
                    io.set_nodelay(true).unwrap();
                    counted.connections.fetch_add(1, Ordering::SeqCst);
                    let open = Open::count(&counted);
                    let serving = serve(io, Arc::clone(&counted), ordered.clone());
                    spawn_local(async move {
                        serving.await;
                        drop(open);
                    });
                }
            });
        });
        Self { address, seen, orders }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were ever made to it.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// How many connections are being served.
    pub fn open_connections(&self) -> usize {
        self.seen.open.load(Ordering::SeqCst)
    }

    /// How many requests came.
    pub fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::SeqCst)
    }

    /// Says on every connection that there is to be no request more.
    pub fn leave(&self) {
        self.orders.send(Order::Leave).unwrap();
    }
}

/// Counts an open connection.
struct Open(Arc<Seen>);

impl Open {
    fn count(seen: &Arc<Seen>) -> Self {
        seen.open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(seen))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn serve<T, F>(io: T, terms: &Builder, answer: F, seen: Arc<Seen>, mut orders: watch::Receiver<Order>)
where
    T: AsyncRead + AsyncWrite + Unpin,
    F: AsyncFn(Request<RecvStream>, Respond) + Clone + 'static,
{
    let Ok(mut connection) = terms.handshake(io).await else { return };
    loop {
        let request = tokio::select! {
            request = connection.accept() => request,
            _ = orders.changed() => {
                connection.graceful_shutdown();
                continue;
            }
        };
        let Some(Ok((request, respond))) = request else { return };
        seen.requests.fetch_add(1, Ordering::SeqCst);
        let answer = answer.clone();
        spawn_local(async move { answer(request, respond).await });
    }
}

/// Says SETTINGS on a connection that nothing else is said on, and reads until a request's head is there.
pub async fn greet(io: &mut TcpStream) {
    io.write_all(b"\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut heard = Vec::new();
    // HEADERS, whole, of the first stream.
    let is_head = |octets: &[u8]| octets[0] == 1 && octets[1] & 4 != 0 && octets[2..] == [0, 0, 0, 1];
    while !heard.windows(6).any(is_head) && io.read_buf(&mut heard).await.is_ok_and(|read| read > 0) {}
}

/// Answers so many requests of a connection with `ok`, and says farewell.
pub async fn serve_h2(io: TcpStream, requests: usize) {
    let Ok(mut connection) = h2::server::handshake(io).await else { return };
    for _ in 0..requests {
        let Some(Ok((_, respond))) = connection.accept().await else { return };
        say(respond, "ok");
    }
    connection.graceful_shutdown();
    while connection.accept().await.is_some() {}
}

/// Answers 200 with a body.
pub fn say(mut respond: Respond, text: &str) {
    let mut body = respond.send_response(Response::new(()), false).unwrap();
    body.send_data(Bytes::from(text.to_owned()), true).unwrap();
}

/// Refuses a request: it was not processed.
pub fn refuse(mut respond: Respond) {
    respond.send_reset(Reason::REFUSED_STREAM);
}

/// Reads a request's body as it comes, and its trailers.
pub async fn read_request(body: &mut RecvStream) -> (Vec<u8>, Option<HeaderMap>) {
    let mut all = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        all.extend_from_slice(&data);
        body.flow_control().release_capacity(data.len()).unwrap();
    }
    (all, body.trailers().await.ok().flatten())
}

fn any_port() -> std::net::TcpListener {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap()
}
