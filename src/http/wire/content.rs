//! A message's content behind its head (RFC 9112 §6, §7), for requests and responses alike.

use bytes::{Buf, Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::{Chunk, Malformed};

/// Trailer fields that are parsed: [`Chunk`] lets no more pass.
const TRAILERS_MAX: usize = 100;

/// How content is framed, and how far it has been read.
#[derive(Debug)]
pub(crate) enum Decoder {
    /// There is none, or it has ended.
    Ended,
    /// So many octets to come.
    Length(u64),
    /// Chunks; the trailer fields so far.
    Chunked(Chunk, Vec<u8>),
    /// To the connection's end.
    Close,
}

/// The next of it.
#[derive(Debug, PartialEq)]
pub(crate) enum Decoded {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
    /// More bytes are needed.
    More,
}

impl Decoder {
    /// Chunks, from the first; of extensions and trailers there may be so many octets.
    pub(crate) fn chunked(overhead_max: u32) -> Self {
        Self::Chunked(Chunk::new(overhead_max), Vec::new())
    }

    /// Whether nothing is to come.
    pub(crate) fn is_ended(&self) -> bool {
        matches!(self, Self::Ended)
    }

    /// The octets to come, where that is known.
    pub(crate) fn left(&self) -> Option<u64> {
        match self {
            Self::Ended => Some(0),
            Self::Length(left) => Some(*left),
            Self::Chunked(..) | Self::Close => None,
        }
    }

    /// So many octets have been taken elsewhere, of those whose number is known.
    pub(crate) fn pass(&mut self, octets: u64) {
        if let Self::Length(left) = self {
            *left = left.saturating_sub(octets);
            if *left == 0 {
                *self = Self::Ended;
            }
        }
    }

    /// The connection has ended: whether that is the content's end.
    pub(crate) fn close(&mut self) -> bool {
        let ended = matches!(self, Self::Close | Self::Ended);
        *self = Self::Ended;
        ended
    }

    /// Takes the next piece off the front of `read`.
    ///
    /// # Errors
    /// It does not follow its framing. What came before the octet that is wrong has been given.
    pub(crate) fn next(&mut self, read: &mut BytesMut) -> Result<Decoded, Malformed> {
        match self {
            Self::Ended => Ok(Decoded::End),
            _ if read.is_empty() => Ok(Decoded::More),
            Self::Close => Ok(Decoded::Data(read.split().freeze())),
            Self::Length(left) => {
                let len = (*left).min(read.len() as u64);
                *left -= len;
                if *left == 0 {
                    *self = Self::Ended;
                }
                Ok(Decoded::Data(read.split_to(len as usize).freeze()))
            }
            Self::Chunked(chunk, trailers) => {
                let peeled = chunk.peel(read)?;
                if let Some(from) = peeled.trailers_from {
                    trailers.extend_from_slice(read.get(from..peeled.framing).unwrap_or_default());
                }
                read.advance(peeled.framing);
                if peeled.content > 0 {
                    return Ok(Decoded::Data(read.split_to(peeled.content).freeze()));
                }
                if !peeled.ended {
                    return Ok(Decoded::More);
                }
                let fields = trailer_fields(trailers)?;
                *self = Self::Ended;
                Ok(if fields.is_empty() { Decoded::End } else { Decoded::Trailers(fields) })
            }
        }
    }
}

fn trailer_fields(text: &[u8]) -> Result<HeaderMap, Malformed> {
    let mut fields = HeaderMap::new();
    if text.len() <= 2 {
        return Ok(fields);
    }
    let mut slots = [httparse::EMPTY_HEADER; TRAILERS_MAX];
    match httparse::parse_headers(text, &mut slots) {
        Ok(httparse::Status::Complete((_, parsed))) => {
            for field in parsed {
                let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Malformed::Chunk)?;
                fields.append(name, HeaderValue::from_bytes(field.value).map_err(|_| Malformed::Chunk)?);
            }
            Ok(fields)
        }
        _ => Err(Malformed::Chunk),
    }
}
