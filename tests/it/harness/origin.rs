//! Applications behind the gateway: a thread that accepts, a thread for each connection, a
//! record of every byte that came, and whatever behaviour a test hands in.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;

use serde_json::json;
use socket2::{Domain, Socket, Type};

use super::gate::Gate;
use super::message::{Request, fingerprint};
use super::peer::Peer;

/// An origin on a port of its own, gone when dropped.
pub struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    stopped: AtomicBool,
    open: AtomicUsize,
    handles: Mutex<Vec<Weak<TcpStream>>>,
    received: Mutex<Vec<Arc<Mutex<Vec<u8>>>>>,
    requests: Mutex<Vec<Request>>,
}

impl Origin {
    /// Answers 200 with what it was asked: method, target, fields in order, body.
    pub fn echo() -> Self {
        Self::serving(|request, peer| {
            let body = json!({
                "method": request.method,
                "target": request.target,
                "headers": request.headers,
                "body": fingerprint(&request.body),
            })
            .to_string();
            let length = body.len();
            let kind = "Content-Type: application/json";
            peer.send(format!("HTTP/1.1 200 OK\r\n{kind}\r\nContent-Length: {length}\r\n\r\n{body}"));
        })
    }

    /// Answers 200 with this body.
    pub fn saying(body: &str) -> Self {
        Self::answering(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    }

    /// Answers every request with these bytes and keeps the connection.
    pub fn answering(bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref().to_vec();
        Self::serving(move |_, peer| {
            peer.send(&bytes);
        })
    }

    /// Answers every request with these bytes and closes the connection.
    pub fn answering_once(bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref().to_vec();
        Self::on_request(move |_, mut peer| {
            peer.send(&bytes);
        })
    }

    /// Reads requests one after another and lets `answer` answer each.
    pub fn serving(answer: impl Fn(&Request, &mut Peer) + Send + Sync + 'static) -> Self {
        Self::start(move |mut peer, shared| {
            while let Some(request) = peer.request() {
                shared.requests.lock().unwrap().push(request.clone());
                answer(&request, &mut peer);
            }
        })
    }

    /// Answers `ok` to each request that the gate lets pass.
    pub fn behind(gate: &Gate) -> Self {
        let gate = gate.clone();
        Self::serving(move |_, peer| {
            gate.pass();
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        })
    }

    /// Reads one request of each connection and hands the connection over.
    pub fn on_request(answer: impl Fn(Request, Peer) + Send + Sync + 'static) -> Self {
        Self::start(move |mut peer, shared| {
            if let Some(request) = peer.request() {
                shared.requests.lock().unwrap().push(request.clone());
                answer(request, peer);
            }
        })
    }

    /// Hands over each connection as it comes, with its number from 0.
    pub fn on_connection(serve: impl Fn(usize, Peer) + Send + Sync + 'static) -> Self {
        let counted = AtomicUsize::new(0);
        Self::start(move |peer, _| serve(counted.fetch_add(1, Ordering::SeqCst), peer))
    }

    /// As [`Origin::serving`], at every address of this machine: 127.0.0.2 is as good as another server.
    pub fn everywhere(answer: impl Fn(&Request, &mut Peer) + Send + Sync + 'static) -> Self {
        Self::start_at("0.0.0.0:0", move |mut peer, _| {
            while let Some(request) = peer.request() {
                answer(&request, &mut peer);
            }
        })
    }

    fn start(serve: impl Fn(Peer, &Shared) + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0", serve)
    }

    fn start_at(bind: &str, serve: impl Fn(Peer, &Shared) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(bind).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        let serve = Arc::new(serve);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { return };
                let peer = accepting.admit(stream);
                let (serve, shared) = (Arc::clone(&serve), Arc::clone(&accepting));
                thread::spawn(move || {
                    let served = Served(shared);
                    serve(peer, &served.0);
                });
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request it read whole, in the order of their ends.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The last request it read whole.
    #[track_caller]
    pub fn last_request(&self) -> Request {
        self.requests().pop().expect("the origin was asked nothing")
    }

    /// Every byte that came, a connection an element.
    pub fn received(&self) -> Vec<Vec<u8>> {
        self.shared.received.lock().unwrap().iter().map(|bytes| bytes.lock().unwrap().clone()).collect()
    }

    /// How many connections were ever made to it.
    pub fn connections(&self) -> usize {
        self.shared.received.lock().unwrap().len()
    }

    /// How many connections are being served.
    pub fn open_connections(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Asserts that not one byte ever came.
    #[track_caller]
    pub fn assert_untouched(&self) {
        let bytes = self.received().concat();
        assert!(bytes.is_empty(), "the origin saw {:?}", String::from_utf8_lossy(&bytes));
    }
}

impl Shared {
    fn admit(&self, stream: TcpStream) -> Peer {
        let peer = Peer::new(stream);
        self.handles.lock().unwrap().push(peer.handle());
        self.received.lock().unwrap().push(peer.received());
        self.open.fetch_add(1, Ordering::SeqCst);
        peer
    }
}

/// Counts a connection off, also when what serves it panics.
struct Served(Arc<Shared>);

impl Drop for Served {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        // Also while a test fails: a panic here would end all tests, without a word of which.
        for handle in self.shared.handles.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if let Some(stream) = handle.upgrade() {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }
}

/// An address where a connect is refused for as long as the socket is held.
pub fn refused_address() -> (SocketAddr, Socket) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    (socket.local_addr().unwrap().as_socket().unwrap(), socket)
}
