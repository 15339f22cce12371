//! Endpoints with a fault.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::server::Builder;
use http::Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::fault::{Fault, Transport};
use crate::harness::{Gate, H2Origin, Origin, Respond, greet, refused_address};
use crate::transports::cover::Cover;
use crate::transports::tls::{Authority, acceptor};

/// An endpoint with a fault; it holds what has to live as long as that.
pub(super) struct Faulty {
    pub(super) url: String,
    origin: Option<Origin>,
    two: Option<H2Origin>,
    cover: Option<Cover>,
    held: Gate,
    sockets: Vec<socket2::Socket>,
}

impl Faulty {
    pub(super) fn new(fault: Fault, by: Transport) -> Self {
        let mut faulty = Self {
            url: String::new(),
            origin: None,
            two: None,
            cover: None,
            held: Gate::shut(),
            sockets: Vec::new(),
        };
        let address = match (fault, by) {
            (Fault::Refuses, _) => {
                let (address, socket) = refused_address();
                faulty.sockets.push(socket);
                address
            }
            (Fault::BlackHole, _) => {
                let (address, sockets) = black_hole();
                faulty.sockets.extend(sockets);
                address
            }
            (Fault::SaysNothing, _) => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listener.local_addr().unwrap();
                faulty.sockets.push(listener.into());
                address
            }
            (_, Transport::Http2) => faulty.two.insert(two(fault)).address(),
            (_, Transport::Http1) => faulty.origin.insert(one(fault, faulty.held.clone())).address(),
            (_, Transport::Tls) => {
                let origin = faulty.origin.insert(one(fault, faulty.held.clone()));
                let acceptor = acceptor(&Authority::new(), "127.0.0.1", None);
                faulty.cover.insert(Cover::tls(origin.address(), acceptor)).address()
            }
        };
        faulty.url = by.url(address);
        faulty
    }

    /// How often it was asked.
    pub(super) fn asked(&self) -> usize {
        self.origin.as_ref().map_or(0, |origin| origin.requests().len())
            + self.two.as_ref().map_or(0, H2Origin::connections)
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.held.throw_open();
    }
}

/// Over HTTP/1.1.
fn one(fault: Fault, gate: Gate) -> Origin {
    match fault {
        Fault::Refuses | Fault::BlackHole | Fault::SaysNothing => unreachable!("nobody is asked"),
        Fault::ClosesAtOnce => Origin::on_request(|_, peer| drop(peer)),
        Fault::ResetsBeforeHead => Origin::on_request(|_, peer| peer.reset()),
        Fault::ResetsInHead => Origin::on_request(|_, mut peer| {
            peer.send("HTTP/1.1 200 OK\r\nContent-");
            peer.patience(Duration::from_millis(50));
            // Until the gateway has read that: a reset may overtake it.
            let _ = peer.fill();
            peer.reset();
        }),
        Fault::ResetsInBody => Origin::on_request(|_, mut peer| {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
            peer.patience(Duration::from_millis(50));
            let _ = peer.fill();
            peer.reset();
        }),
        Fault::Truncates => Origin::answering_once("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
        Fault::StallsBeforeHead => Origin::on_request(move |_, _kept| {
            gate.pass();
        }),
        Fault::StallsInBody => Origin::on_request(move |_, mut peer| {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
            gate.pass();
        }),
        Fault::Garbage => Origin::answering_once("\0\0garbage\r\n\r\n"),
        Fault::Slow => Origin::serving(|_, peer| {
            for byte in "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow".bytes() {
                peer.send([byte]);
                std::thread::yield_now();
            }
        }),
    }
}

/// Over HTTP/2.
fn two(fault: Fault) -> H2Origin {
    match fault {
        Fault::ClosesAtOnce => H2Origin::raw(async |mut io| greet(&mut io).await),
        Fault::ResetsInHead => H2Origin::raw(async |mut io| {
            greet(&mut io).await;
            // HEADERS of 9 octets, of which one comes; more would follow in any case.
            io.write_all(b"\0\0\x09\x01\0\0\0\0\x01\x88").await.unwrap();
            reset(io);
        }),
        Fault::Garbage => H2Origin::raw(async |mut io| {
            greet(&mut io).await;
            io.write_all(b"\xff\xff\xffgarbage\r\n\r\n").await.unwrap();
            while io.read_u8().await.is_ok() {}
        }),
        _ => H2Origin::serving(Builder::new(), async move |_, respond| misbehave(fault, respond).await),
    }
}

/// What fails with the stream alone.
async fn misbehave(fault: Fault, mut respond: Respond) {
    if fault == Fault::ResetsBeforeHead {
        return respond.send_reset(Reason::INTERNAL_ERROR);
    }
    if fault == Fault::StallsBeforeHead {
        let _ = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
        return;
    }
    let length = if fault == Fault::Slow { "4" } else { "10" };
    let head = Response::builder().header("content-length", length).body(()).unwrap();
    let mut body = respond.send_response(head, false).unwrap();
    if fault == Fault::Slow {
        for byte in [&b"s"[..], b"l", b"o", b"w"] {
            body.send_data(Bytes::from_static(byte), false).unwrap();
            tokio::task::yield_now().await;
        }
        body.send_data(Bytes::new(), true).unwrap();
        return;
    }
    body.send_data(Bytes::from_static(b"half"), fault == Fault::Truncates).unwrap();
    match fault {
        Fault::ResetsInBody => {
            // Until it has gone out: a reset would take its place.
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            body.send_reset(Reason::INTERNAL_ERROR);
        }
        Fault::StallsInBody => drop(std::future::poll_fn(|cx| body.poll_reset(cx)).await),
        _ => {}
    }
}

fn reset(io: tokio::net::TcpStream) {
    let io: TcpStream = io.into_std().unwrap();
    socket2::SockRef::from(&io).set_linger(Some(Duration::ZERO)).unwrap();
}

/// A listener that never accepts, with its queue full: SYNs go unanswered.
fn black_hole() -> (SocketAddr, Vec<socket2::Socket>) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    // One fills the queue.
    let filler = TcpStream::connect(address).unwrap();
    (address, vec![socket, filler.into()])
}
