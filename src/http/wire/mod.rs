//! HTTP/1.1 framing as RFC 9112 writes it, read strictly.
//!
//! A gateway may not pass on a message that two parsers could read differently. Parsers at large take a bare LF for a line's end, a list
//! of transfer codings, two equal lengths: each is legal to tolerate and each has smuggled requests elsewhere. What [`Head`] and
//! the decoder of contents accept has one reading only.
//!
//! It is a pure core: bytes in, verdicts out; no I/O, each byte looked at once. The I/O around it is in `http1`.

mod chunk;
mod content;
mod head;
mod malformed;

use chunk::Chunk;
pub(crate) use content::{Decoded, Decoder};
pub use head::Head;
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

/// How what follows a request's head is framed (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is nothing: the next octet begins another head.
    Nothing,
    /// So many octets, more than none.
    Length(u64),
    /// Chunks.
    Chunked,
}

#[cfg(test)]
mod tests;
