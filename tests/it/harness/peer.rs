//! One TCP connection with a deadline on every read and write, reading HTTP/1 leniently.
//! The gateway's client and an origin's side of a connection are both made of it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use super::DEADLINE;
use super::message::{Ending, Request, Response, all, chunk_of, parse_fields, parse_head};

/// One end of a connection.
pub struct Peer {
    stream: Arc<TcpStream>,
    buffer: Vec<u8>,
    received: Arc<Mutex<Vec<u8>>>,
}

/// Why a read brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// The other side ended its half in order.
    Closed,
    /// The other side reset the connection.
    Reset,
    /// Nothing came before the deadline.
    Deadline,
}

impl Peer {
    pub(super) fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: Arc::new(stream), buffer: Vec::new(), received: Arc::default() }
    }

    /// Every byte that arrived so far and was read.
    pub(super) fn received(&self) -> Arc<Mutex<Vec<u8>>> {
        Arc::clone(&self.received)
    }

    /// A handle on the socket that doesn't keep it open.
    pub(super) fn handle(&self) -> Weak<TcpStream> {
        Arc::downgrade(&self.stream)
    }

    /// This end's address.
    pub fn local(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    /// Changes how long a read waits.
    pub fn patience(&mut self, patience: Duration) {
        self.stream.set_read_timeout(Some(patience)).unwrap();
    }

    /// Sends these bytes; false when the other side is gone.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        (&*self.stream).write_all(bytes.as_ref()).is_ok()
    }

    /// Sends one chunk of a chunked body.
    pub fn send_chunk(&mut self, data: impl AsRef<[u8]>) -> bool {
        self.send(chunk_of(data.as_ref()))
    }

    /// Writes until the other side takes no more for `patience`, or `limit` is reached; how much
    /// it took.
    pub fn flood(&mut self, limit: usize, patience: Duration) -> usize {
        self.stream.set_write_timeout(Some(patience)).unwrap();
        let block = [b'x'; 64 * 1024];
        let mut sent = 0;
        while sent < limit {
            match (&*self.stream).write(&block[..block.len().min(limit - sent)]) {
                Ok(0) | Err(_) => break,
                Ok(written) => sent += written,
            }
        }
        self.stream.set_write_timeout(Some(DEADLINE)).unwrap();
        sent
    }

    /// Ends this side's half in order.
    pub fn finish_sending(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Closes with an RST. A shutdown first would send a FIN instead.
    pub fn reset(self) {
        socket2::SockRef::from(&*self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Reads what comes next.
    pub fn fill(&mut self) -> Result<(), Silence> {
        let mut block = [0; 64 * 1024];
        match (&*self.stream).read(&mut block) {
            Ok(0) => Err(Silence::Closed),
            Ok(read) => {
                self.buffer.extend_from_slice(&block[..read]);
                self.received.lock().unwrap().extend_from_slice(&block[..read]);
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(Silence::Deadline)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => self.fill(),
            Err(_) => Err(Silence::Reset),
        }
    }

    /// Reads and forgets until the connection ends, and says how.
    pub fn drain(&mut self) -> Silence {
        loop {
            self.buffer.clear();
            if let Err(silence) = self.fill() {
                return silence;
            }
        }
    }

    /// What was read and not taken yet.
    pub fn unread(&self) -> &[u8] {
        &self.buffer
    }

    /// Exactly `length` bytes.
    pub fn take(&mut self, length: usize) -> Result<Vec<u8>, Silence> {
        while self.buffer.len() < length {
            self.fill()?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// The next request with its body; none when the connection ends first.
    pub fn request(&mut self) -> Option<Request> {
        let mut request = self.request_head()?;
        self.request_body(&mut request).ok()?;
        Some(request)
    }

    /// The next request's head.
    pub fn request_head(&mut self) -> Option<Request> {
        let head = self.until(b"\r\n\r\n").ok()?;
        let (line, headers) = parse_head(&head);
        let mut words = line.split(' ').map(str::to_owned);
        let mut word = || words.next().unwrap_or_default();
        Some(Request { method: word(), target: word(), version: word(), headers, ..Request::default() })
    }

    /// The body that belongs to a head just read.
    pub fn request_body(&mut self, request: &mut Request) -> Result<(), Silence> {
        if is_chunked(&request.headers) {
            request.trailers = self.chunked(&mut request.body)?;
        } else if let Some(length) = content_length(&request.headers) {
            request.body = self.take(length)?;
        }
        Ok(())
    }

    /// The next response, an informational one included.
    pub fn response(&mut self, to_head: bool) -> Result<Response, Silence> {
        let mut response = self.response_head()?;
        let bodyless = to_head || response.status < 200 || matches!(response.status, 204 | 304);
        if bodyless {
            return Ok(response);
        }
        let mut body = Vec::new();
        response.ending = if is_chunked(&response.headers) {
            match self.chunked(&mut body) {
                Ok(trailers) => {
                    response.trailers = trailers;
                    Ending::Complete
                }
                Err(silence) => broken(silence),
            }
        } else if let Some(length) = content_length(&response.headers) {
            self.up_to(length, &mut body)
        } else {
            self.up_to(usize::MAX, &mut body)
        };
        response.body = body;
        Ok(response)
    }

    /// The next response's head only.
    pub fn response_head(&mut self) -> Result<Response, Silence> {
        let head = self.until(b"\r\n\r\n")?;
        let (line, headers) = parse_head(&head);
        let mut words = line.splitn(3, ' ');
        let version = words.next().unwrap_or_default().to_owned();
        let status = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        Ok(Response {
            version,
            status,
            headers,
            body: Vec::new(),
            trailers: Vec::new(),
            ending: Ending::Complete,
        })
    }

    /// One chunk of a chunked body; empty for the last, whose trailers stay unread.
    pub fn chunk(&mut self) -> Result<Vec<u8>, Silence> {
        let line = self.until(b"\r\n")?;
        let size = String::from_utf8_lossy(&line);
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)
            .unwrap_or_else(|_| panic!("a bad chunk size: {size:?}"));
        let data = self.take(size)?;
        if size > 0 {
            self.take(2)?;
        }
        Ok(data)
    }

    fn chunked(&mut self, body: &mut Vec<u8>) -> Result<Vec<(String, String)>, Silence> {
        loop {
            let chunk = self.chunk()?;
            if chunk.is_empty() {
                break;
            }
            body.extend_from_slice(&chunk);
        }
        let mut trailers = Vec::new();
        loop {
            let line = self.until(b"\r\n")?;
            if line.is_empty() {
                return Ok(trailers);
            }
            trailers.extend(parse_fields([String::from_utf8_lossy(&line).as_ref()].into_iter()));
        }
    }

    fn up_to(&mut self, length: usize, body: &mut Vec<u8>) -> Ending {
        loop {
            let wanted = (length - body.len()).min(self.buffer.len());
            body.extend(self.buffer.drain(..wanted));
            if body.len() == length {
                return Ending::Complete;
            }
            match self.fill() {
                Ok(()) => {}
                Err(Silence::Closed) if length == usize::MAX => return Ending::Closed,
                Err(silence) => return broken(silence),
            }
        }
    }

    /// What stands before `end`, which is taken too.
    fn until(&mut self, end: &[u8]) -> Result<Vec<u8>, Silence> {
        let mut searched = 0;
        loop {
            let found = self.buffer[searched..].windows(end.len()).position(|window| window == end);
            if let Some(found) = found {
                let at = searched + found;
                let before = self.buffer.drain(..at + end.len()).take(at).collect();
                return Ok(before);
            }
            searched = self.buffer.len().saturating_sub(end.len() - 1);
            self.fill()?;
        }
    }
}

fn broken(silence: Silence) -> Ending {
    match silence {
        Silence::Closed | Silence::Reset => Ending::Broken,
        Silence::Deadline => Ending::Stalled,
    }
}

fn is_chunked(headers: &[(String, String)]) -> bool {
    all(headers, "transfer-encoding").last().is_some_and(|value| value.to_lowercase().ends_with("chunked"))
}

fn content_length(headers: &[(String, String)]) -> Option<usize> {
    all(headers, "content-length").first()?.parse().ok()
}
