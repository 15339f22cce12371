//! HTTP/1 messages as the tests write and read them: bytes first, meaning second.
//!
//! The readers are lenient on purpose. A test wants to see what a gateway really sent, not what
//! a library would have made of it.

use std::hash::{DefaultHasher, Hash, Hasher};

/// A request to send. It says what it is told to, in the order it was told.
#[derive(Clone)]
pub struct Message {
    head: String,
    body: Vec<u8>,
}

/// A GET with a Host and nothing else.
pub fn get(host: &str, target: &str) -> Message {
    request("GET", host, target)
}

/// A POST of a body with its Content-Length.
pub fn post(host: &str, target: &str, body: impl AsRef<[u8]>) -> Message {
    request("POST", host, target).body(body)
}

/// Any method, with a Host.
pub fn request(method: &str, host: &str, target: &str) -> Message {
    Message { head: format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n"), body: Vec::new() }
}

impl Message {
    /// Adds a field line.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head += &format!("{name}: {value}\r\n");
        self
    }

    /// Adds a body and the Content-Length that goes with it.
    pub fn body(self, body: impl AsRef<[u8]>) -> Self {
        let length = body.as_ref().len().to_string();
        let mut message = self.header("Content-Length", &length);
        message.body = body.as_ref().to_vec();
        message
    }

    /// Adds a chunked body of these chunks, without trailers.
    pub fn chunks(self, chunks: &[&[u8]]) -> Self {
        self.chunks_and_trailers(chunks, "")
    }

    /// Adds a chunked body of these chunks and trailer lines (each with its CRLF).
    pub fn chunks_and_trailers(self, chunks: &[&[u8]], trailers: &str) -> Self {
        let mut message = self.header("Transfer-Encoding", "chunked");
        for chunk in chunks {
            message.body.extend_from_slice(&chunk_of(chunk));
        }
        message.body.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
        message
    }

    /// The bytes that go on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head.clone().into_bytes();
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Whether the answer has no body whatever its head says.
    pub(super) fn is_head(&self) -> bool {
        self.head.starts_with("HEAD ")
    }
}

/// One chunk with its size line.
pub(super) fn chunk_of(data: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{:x}\r\n", data.len()).into_bytes();
    bytes.extend_from_slice(data);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// A request as an origin received it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// As on the request line.
    pub method: String,
    /// As on the request line.
    pub target: String,
    /// As on the request line.
    pub version: String,
    /// In order, names as they came.
    pub headers: Vec<(String, String)>,
    /// Without its framing.
    pub body: Vec<u8>,
    /// In order.
    pub trailers: Vec<(String, String)>,
}

impl Request {
    /// The only value of a field; panics when there are several.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        only(&self.headers, name)
    }

    /// Every value of a field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        all(&self.headers, name)
    }
}

/// A response as a client received it.
#[derive(Clone, Debug)]
pub struct Response {
    /// `HTTP/1.1`, or what stood there.
    pub version: String,
    /// The three digits.
    pub status: u16,
    /// In order, names as they came.
    pub headers: Vec<(String, String)>,
    /// What of the body came, without its framing.
    pub body: Vec<u8>,
    /// In order.
    pub trailers: Vec<(String, String)>,
    /// Whether that was all of it.
    pub ending: Ending,
}

/// How a response's body ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its framing said so.
    Complete,
    /// It had no framing and the connection was closed.
    Closed,
    /// The connection ended before its framing did.
    Broken,
    /// The rest never came, and the connection stayed open.
    Stalled,
}

impl Response {
    /// The only value of a field; panics when there are several.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        only(&self.headers, name)
    }

    /// Every value of a field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        all(&self.headers, name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The `code` of a problem, empty when this is none.
    pub fn code(&self) -> String {
        let problem: Option<serde_json::Value> = serde_json::from_slice(&self.body).ok();
        problem.and_then(|problem| Some(problem.get("code")?.as_str()?.to_owned())).unwrap_or_default()
    }

    /// Asserts a refusal with this status and code.
    #[track_caller]
    pub fn assert_refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{self:#?}\n{}", self.text());
    }

    /// Asserts a whole response with this status.
    #[track_caller]
    pub fn assert_status(&self, status: u16) {
        assert_eq!(self.status, status, "{self:#?}\n{}", self.text());
        assert!(self.version.starts_with("HTTP/1."), "{self:#?}");
        assert!(matches!(self.ending, Ending::Complete | Ending::Closed), "{self:#?}");
    }
}

/// A short name for a body too long to print.
pub fn fingerprint(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("{}:{:016x}", body.len(), hasher.finish())
}

/// Splits a head (without its empty line) into its first line and its fields.
pub(super) fn parse_head(head: &[u8]) -> (String, Vec<(String, String)>) {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default().to_owned();
    (first, parse_fields(lines))
}

pub(super) fn parse_fields<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    lines
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            (name.to_owned(), value.trim().to_owned())
        })
        .collect()
}

pub(super) fn all<'a>(fields: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
}

#[track_caller]
fn only<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let values = all(fields, name);
    assert!(values.len() < 2, "{name} is there {} times: {values:?}", values.len());
    values.first().copied()
}
