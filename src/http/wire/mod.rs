//! HTTP/1.1 framing as RFC 9112 writes it, read more strictly than hyper reads it.
//!
//! A gateway may not pass on a message that two parsers could read differently. hyper (by
//! httparse) takes a bare LF for a line's end, a list of transfer codings, two equal lengths:
//! each is legal to tolerate and each has smuggled requests elsewhere. [`Scanner`] therefore
//! reads every byte of a connection before hyper does and says of each how it is framed: head,
//! body, or not HTTP. What it accepts has one reading only.
//!
//! It is a pure core: bytes in, verdicts out; no I/O, no allocation, each byte looked at once.
//! The I/O around it is [`super::guard`].

mod chunk;
mod head;
mod malformed;

use head::Head;

pub(crate) use chunk::Chunk;
pub use malformed::Malformed;

/// Bounds on one request's head.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    /// All octets of a head: request line, fields and the blank line.
    pub head_bytes_max: usize,
    /// Octets of the request target; a longer one is answered with 414.
    pub target_bytes_max: usize,
    /// Field lines; more are answered with 431.
    pub fields_max: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { head_bytes_max: 64 * 1024, target_bytes_max: 8 * 1024, fields_max: 100 }
    }
}

/// Octets of chunk extensions and trailers that a body may have: fewer than hyper takes (16 KiB), so that
/// the refusal is ours.
const CHUNK_OVERHEAD_MAX: usize = 15 * 1024;

/// What [`Scanner::scan`] found in the bytes it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan {
    /// So many bytes, from the start, may go on.
    pub passed: usize,
    /// What the rest is.
    pub rest: Rest,
}

/// What follows the bytes that may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Nothing: all passed.
    Nothing,
    /// The start of a head: give these bytes again with more behind them.
    PartialHead,
    /// A message that must be refused; nothing after it can be framed.
    Refused(Malformed),
}

/// Where in the stream of messages the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Head,
    Body {
        left: u64,
    },
    Chunked(Chunk),
    /// Behind a head that asks for an upgrade, or behind a refusal: bytes without a reading.
    Opaque,
}

/// Reads a connection's bytes in order and frames them.
#[derive(Debug)]
pub struct Scanner {
    limits: HeadLimits,
    place: Place,
    head: Head,
    heads: u64,
    opaque_bytes: bool,
}

impl Scanner {
    /// A scanner at the start of a connection.
    #[must_use]
    pub fn new(limits: HeadLimits) -> Self {
        Self { limits, place: Place::Head, head: Head::default(), heads: 0, opaque_bytes: false }
    }

    /// Complete heads passed so far.
    #[must_use]
    pub fn heads(&self) -> u64 {
        self.heads
    }

    /// Whether the next byte begins (or goes on with) a head.
    #[must_use]
    pub fn at_head(&self) -> bool {
        self.place == Place::Head
    }

    /// Whether bytes now go by unread: an upgrade was asked for.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        self.place == Place::Opaque
    }

    /// Whether bytes have gone by unread.
    #[must_use]
    pub fn passed_opaque(&self) -> bool {
        self.opaque_bytes
    }

    /// The upgrade was declined: heads follow again.
    pub fn resume(&mut self) {
        if self.place == Place::Opaque {
            self.place = Place::Head;
        }
    }

    /// Frames `bytes`, which follow directly on all that passed before.
    pub fn scan(&mut self, bytes: &[u8]) -> Scan {
        let mut passed = 0;
        loop {
            let rest = bytes.get(passed..).unwrap_or_default();
            if rest.is_empty() {
                return Scan { passed, rest: Rest::Nothing };
            }
            match self.place {
                Place::Opaque => {
                    self.opaque_bytes = true;
                    return Scan { passed: bytes.len(), rest: Rest::Nothing };
                }
                Place::Body { left } => {
                    let step = left.min(rest.len() as u64);
                    passed += step as usize;
                    self.place = if left == step { Place::Head } else { Place::Body { left: left - step } };
                }
                Place::Chunked(chunk) => {
                    match chunk.scan(rest, self.limits.head_bytes_max.min(CHUNK_OVERHEAD_MAX)) {
                        Ok((step, next)) => {
                            passed += step;
                            self.place = next.map_or(Place::Head, Place::Chunked);
                        }
                        Err((step, why)) => {
                            self.place = Place::Opaque;
                            return Scan { passed: passed + step, rest: Rest::Refused(why) };
                        }
                    }
                }
                Place::Head => match self.head.scan(rest, &self.limits) {
                    Ok(None) => return Scan { passed, rest: Rest::PartialHead },
                    Ok(Some(len)) => {
                        passed += len;
                        self.heads += 1;
                        self.place = self.head.body();
                        self.head = Head::default();
                    }
                    Err(why) => {
                        self.place = Place::Opaque;
                        return Scan { passed, rest: Rest::Refused(why) };
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests;
