//! A client of HTTP/2 that says what it is told to, frame by frame.

use std::net::SocketAddr;
use std::time::Duration;

use crate::harness::{ACME, Client, DEADLINE};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const PROTOCOL_ERROR: u32 = 1;
pub const ENHANCE_YOUR_CALM: u32 = 11;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame as it is sent.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field as a literal that is not indexed, its name and value as they are (RFC 7541 §6.2.2).
pub fn field(name: &str, value: &[u8]) -> Vec<u8> {
    let mut coded = vec![0];
    for text in [name.as_bytes(), value] {
        assert!(text.len() < 127);
        coded.push(u8::try_from(text.len()).unwrap());
        coded.extend_from_slice(text);
    }
    coded
}

/// A head of these fields.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| field(name, value.as_bytes())).collect()
}

/// What every request says first.
pub fn pseudo(method: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![(":method", method), (":scheme", "http"), (":authority", ACME), (":path", "/")]
}

/// A request without a body.
pub fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block(&pseudo("GET")))
}

/// The beginning of one with a body.
pub fn post(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &block(&pseudo("POST")))
}

/// What was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The code of a RST_STREAM or GOAWAY.
    pub fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

/// One connection.
pub struct Raw(pub Client);

impl Raw {
    /// Connects and greets.
    pub fn connect(address: SocketAddr) -> Self {
        let mut client = Client::connect(address);
        client.patience(DEADLINE);
        client.send(PREFACE);
        client.send(frame(SETTINGS, 0, 0, &[]));
        let mut raw = Self(client);
        raw.next(|frame| frame.kind == SETTINGS).expect("SETTINGS");
        raw.send(&frame(SETTINGS, ACK, 0, &[]));
        raw
    }

    /// Says something; what the gateway has cut is no matter here.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.send(bytes)
    }

    /// The next frame of that kind; `None` when the connection ended before.
    pub fn next(&mut self, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        loop {
            let head = self.0.take(9).ok()?;
            let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            let payload = if length == 0 { Vec::new() } else { self.0.take(length).ok()? };
            let stream = u32::from_be_bytes(head[5..9].try_into().unwrap());
            let frame = Frame { kind: head[3], flags: head[4], stream, payload };
            if wanted(&frame) {
                return Some(frame);
            }
        }
    }

    /// The code that the connection is ended with.
    #[track_caller]
    pub fn farewell(&mut self) -> u32 {
        // A graceful one says no error first.
        self.next(|frame| frame.kind == GOAWAY && frame.code() != 0).expect("a GOAWAY with an error").code()
    }

    /// The code that a stream is reset with.
    #[track_caller]
    pub fn reset(&mut self, stream: u32) -> u32 {
        self.next(|frame| frame.kind == RST_STREAM && frame.stream == stream).expect("a RST_STREAM").code()
    }

    /// Asks, and is answered with 200.
    #[track_caller]
    pub fn is_served(&mut self, stream: u32) {
        self.send(&get(stream));
        let head = self.next(|frame| frame.kind == HEADERS && frame.stream == stream).expect("an answer");
        assert_eq!(head.payload.first(), Some(&0x88), "the status is 200");
    }
}

/// How long a test waits at most for a flood to be noticed.
pub const FLOOD: Duration = Duration::from_secs(20);
