//! HTTP/1.1 as far as this benchmark speaks it: requests without bodies, answers with Content-Length, one
//! after the other on a kept-alive connection. Anything else is an error, and is counted as one.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A head, or an answer's body, may not be longer.
const BYTES_MAX: usize = 64 * 1024;
const FIELDS_MAX: usize = 64;

/// One connection, and what has been read of it and not yet used.
pub struct Wire {
    stream: TcpStream,
    bytes: Vec<u8>,
}

/// What the origin needs of a request.
pub struct Request {
    pub path: String,
    /// X-Tenant-Id where a gateway has said it, else the first label of Host.
    pub tenant: String,
}

/// What the load needs of an answer, whose body has been read.
pub struct Answer {
    pub status: u16,
    /// The other side will close the connection.
    pub closes: bool,
}

impl Wire {
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, bytes: Vec::with_capacity(1_024) })
    }

    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The next request; `None` where the client has closed between two.
    pub async fn request(&mut self) -> io::Result<Option<Request>> {
        loop {
            if let Some((request, length)) = parse_request(&self.bytes)? {
                self.consume(length);
                return Ok(Some(request));
            }
            if !self.more().await? {
                return if self.bytes.is_empty() { Ok(None) } else { Err(malformed("cut off")) };
            }
        }
    }

    /// The answer to what was written; `None` where the other side has closed without a byte of one.
    pub async fn answer(&mut self) -> io::Result<Option<Answer>> {
        loop {
            if let Some((answer, length)) = parse_answer(&self.bytes)? {
                while self.bytes.len() < length {
                    if !self.more().await? {
                        return Err(malformed("a body cut off"));
                    }
                }
                self.consume(length);
                return Ok(Some(answer));
            }
            match self.more().await {
                Ok(true) => {}
                Ok(false) if self.bytes.is_empty() => return Ok(None),
                Err(error) if self.bytes.is_empty() && error.kind() == io::ErrorKind::ConnectionReset => {
                    return Ok(None);
                }
                Ok(false) => return Err(malformed("a head cut off")),
                Err(error) => return Err(error),
            }
        }
    }

    async fn more(&mut self) -> io::Result<bool> {
        if self.bytes.len() >= BYTES_MAX {
            return Err(malformed("too long"));
        }
        Ok(self.stream.read_buf(&mut self.bytes).await? > 0)
    }

    fn consume(&mut self, length: usize) {
        self.bytes.drain(..length.min(self.bytes.len()));
    }
}

/// With the length of its head, once that is complete.
fn parse_request(bytes: &[u8]) -> io::Result<Option<(Request, usize)>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut head = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(length) = head.parse(bytes).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let mut tenant = None;
    let mut host = None;
    for field in head.headers.iter() {
        if field.name.eq_ignore_ascii_case("x-tenant-id") {
            tenant = Some(text(field.value)?);
        } else if field.name.eq_ignore_ascii_case("host") {
            host = text(field.value)?.split('.').next();
        }
    }
    let request = Request {
        path: head.path.unwrap_or("/").to_owned(),
        tenant: tenant.or(host).unwrap_or_default().to_owned(),
    };
    Ok(Some((request, length)))
}

/// With the length of its head and body, once the head is complete.
fn parse_answer(bytes: &[u8]) -> io::Result<Option<(Answer, usize)>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(length) = head.parse(bytes).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let mut body = None;
    let mut closes = head.version == Some(0);
    for field in head.headers.iter() {
        if field.name.eq_ignore_ascii_case("content-length") {
            body = text(field.value)?.parse::<usize>().ok();
        } else if field.name.eq_ignore_ascii_case("connection") {
            closes |= field.value.eq_ignore_ascii_case(b"close");
        }
    }
    let body = body.filter(|body| *body < BYTES_MAX).ok_or_else(|| malformed("no usable Content-Length"))?;
    Ok(Some((Answer { status: head.code.unwrap_or_default(), closes }, length + body)))
}

fn text(value: &[u8]) -> io::Result<&str> {
    std::str::from_utf8(value).map_err(io::Error::other)
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
