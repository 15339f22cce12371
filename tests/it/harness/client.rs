//! A client that says exactly what a test wants said, over one connection.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::ops::{Deref, DerefMut};

use socket2::{Domain, Socket, Type};

use super::message::{Message, Response};
use super::peer::{Peer, Silence};
use super::wait::DEADLINE;

/// A connection to a gateway (or to anything else).
pub struct Client {
    peer: Peer,
}

impl Client {
    /// Connects.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap_or_else(|error| panic!("connect to {address}: {error}"))
    }

    /// Connects, unless the other side refuses.
    pub fn try_connect(address: SocketAddr) -> std::io::Result<Self> {
        Ok(Self { peer: Peer::new(TcpStream::connect_timeout(&address, DEADLINE)?) })
    }

    /// Connects from another loopback address, to be another client.
    #[track_caller]
    pub fn connect_from(source: &str, address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let source: IpAddr = source.parse().unwrap();
        socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
        socket.connect_timeout(&address.into(), DEADLINE).unwrap();
        Self { peer: Peer::new(socket.into()) }
    }

    /// Sends a request and reads its final response.
    #[track_caller]
    pub fn ask(&mut self, message: &Message) -> Response {
        self.send(message.bytes());
        self.answer_to(message)
    }

    /// Reads the final response to a request that was sent.
    #[track_caller]
    pub fn answer_to(&mut self, message: &Message) -> Response {
        loop {
            match self.peer.response(message.is_head()) {
                Ok(response) if response.status < 200 && response.status != 101 => {}
                Ok(response) => return response,
                Err(silence) => panic!("no response: {silence:?}, {:?}", self.seen()),
            }
        }
    }

    /// Reads the next response, informational or final.
    #[track_caller]
    pub fn answer(&mut self) -> Response {
        match self.peer.response(false) {
            Ok(response) => response,
            Err(silence) => panic!("no response: {silence:?}, {:?}", self.seen()),
        }
    }

    /// Asserts that the connection ends and brings nothing more.
    #[track_caller]
    pub fn assert_closed(&mut self) {
        let unread = String::from_utf8_lossy(self.peer.unread()).into_owned();
        assert_eq!(unread, "", "expected a closed connection");
        match self.peer.fill() {
            Err(Silence::Closed | Silence::Reset) => {}
            Err(Silence::Deadline) => panic!("the connection was left open"),
            Ok(()) => panic!("more came: {:?}", String::from_utf8_lossy(self.peer.unread())),
        }
    }

    /// Closes with an RST.
    pub fn reset(self) {
        self.peer.reset();
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.peer.received().lock().unwrap()).into_owned()
    }
}

impl Deref for Client {
    type Target = Peer;

    fn deref(&self) -> &Peer {
        &self.peer
    }
}

impl DerefMut for Client {
    fn deref_mut(&mut self) -> &mut Peer {
        &mut self.peer
    }
}
