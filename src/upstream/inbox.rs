//! A response on its way from an endpoint: its head, and its body's framing (RFC 9112 §4, §6, §7).

use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Response, StatusCode, Version};

pub(super) use crate::http::wire::{Decoded, Decoder};
use crate::types::FieldNames;

/// Fields that a response may have.
const FIELDS_MAX: usize = 256;
/// Octets that a response's head may have.
pub(super) const HEAD_MAX: usize = 256 * 1024;
/// Octets of chunk extensions and trailers that a response may have.
const CHUNK_OVERHEAD_MAX: u32 = 64 * 1024;

/// What came is no response, or can be read in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Garbled;

/// A response's head.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) response: Response<()>,
    pub(super) decoder: Decoder,
    /// Whether the connection can serve another request behind this response.
    pub(super) keep_alive: bool,
}

/// What one head leaves to the next that this worker reads.
#[derive(Debug, Default)]
pub(super) struct Reading {
    names: FieldNames,
    /// Where a head's names and values stand in it; kept for its memory.
    spans: RefCell<Vec<Span>>,
}

/// Where a field stands.
#[derive(Debug)]
struct Span {
    name: Range<usize>,
    value: Range<usize>,
}

/// Takes a head off the front of `read`, if all of it is there. Its fields may stand in `room`, an empty map.
pub(super) fn head(
    read: &mut BytesMut,
    reading: &Reading,
    method: &Method,
    room: &mut HeaderMap,
) -> Result<Option<Head>, Garbled> {
    if read.is_empty() {
        return Ok(None);
    }
    let mut slots = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; FIELDS_MAX];
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let len = match config.parse_response_with_uninit_headers(&mut parsed, read, &mut slots) {
        // However much came at once: what is too long in pieces is too long whole.
        Ok(httparse::Status::Complete(len)) if len <= HEAD_MAX => len,
        Ok(httparse::Status::Partial) if read.len() < HEAD_MAX => return Ok(None),
        Ok(_) | Err(_) => return Err(Garbled),
    };
    let start = read.as_ptr() as usize;
    let mut spans = reading.spans.borrow_mut();
    spans.clear();
    for field in parsed.headers.iter() {
        let name = (field.name.as_ptr() as usize).checked_sub(start).ok_or(Garbled)?;
        // An empty value may be a slice from elsewhere.
        let value = match field.value.is_empty() {
            true => 0,
            false => (field.value.as_ptr() as usize).checked_sub(start).ok_or(Garbled)?,
        };
        spans.push(Span { name: name..name + field.name.len(), value: value..value + field.value.len() });
    }
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(Garbled)?;
    let version = if parsed.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    let text = read.split_to(len).freeze();
    debug_assert!(room.is_empty());
    let mut fields = std::mem::take(room);
    // With some that the gateway adds.
    fields.try_reserve(spans.len() + 4).map_err(|_| Garbled)?;
    let mut framing = Framing::default();
    for Span { name, value } in spans.drain(..) {
        let name = text.get(name).ok_or(Garbled)?;
        let name = reading.names.name(name).map_err(|_| Garbled)?;
        if value.end > text.len() {
            return Err(Garbled);
        }
        let value = text.slice(value);
        framing.note(&name, &value)?;
        fields.append(name, field_value(value));
    }
    let (decoder, keep_alive) = framing.decide(status, version, method)?;
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.version_mut() = version;
    *response.headers_mut() = fields;
    Ok(Some(Head { response, decoder, keep_alive }))
}

/// A value that has been found in a head. Not looked at once more: that is a look at each octet.
fn field_value(value: Bytes) -> HeaderValue {
    // SAFETY: nothing but what `httparse` takes for a field's value, which is what a `HeaderValue` may have: no control character but the
    // tab, and no DEL. In debug builds, as in all tests, it is looked at.
    #[allow(unsafe_code)]
    unsafe {
        HeaderValue::from_maybe_shared_unchecked(value)
    }
}

/// RFC 9112 §6.3, without its tolerance: a length beside chunks, two lengths, a list of lengths, and any
/// coding but one `chunked` could be read differently behind us.
#[derive(Debug, Default)]
struct Framing {
    chunked: bool,
    length: Option<u64>,
    /// The connection's options (RFC 9110 §7.6.1) that say what becomes of it.
    close: bool,
    keep_alive: bool,
}

impl Framing {
    fn note(&mut self, name: &HeaderName, value: &[u8]) -> Result<(), Garbled> {
        if *name == CONTENT_LENGTH {
            let length = number(value).ok_or(Garbled)?;
            if self.length.replace(length).is_some() {
                return Err(Garbled);
            }
        } else if *name == TRANSFER_ENCODING {
            if !value.eq_ignore_ascii_case(b"chunked") || std::mem::replace(&mut self.chunked, true) {
                return Err(Garbled);
            }
        } else if *name == CONNECTION {
            for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                self.close |= option.eq_ignore_ascii_case(b"close");
                self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            }
        }
        Ok(())
    }

    fn decide(
        self,
        status: StatusCode,
        version: Version,
        method: &Method,
    ) -> Result<(Decoder, bool), Garbled> {
        if self.chunked && (self.length.is_some() || version == Version::HTTP_10) {
            return Err(Garbled);
        }
        // RFC 9112 §9.3: `close` counts whatever else is said.
        let keeps = !self.close && (version != Version::HTTP_10 || self.keep_alive);
        // A 204 must not say that it has a body (RFC 9110 §8.6, RFC 9112 §6.1). What says so may send one, where the next
        // response should stand.
        let lies = status == StatusCode::NO_CONTENT
            && (self.chunked || self.length.is_some_and(|length| length > 0));
        let keep_alive = keeps && !lies;
        let bodiless = *method == Method::HEAD
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        Ok(match self.length {
            _ if bodiless => (Decoder::Ended, keep_alive),
            _ if self.chunked => (Decoder::chunked(CHUNK_OVERHEAD_MAX), keep_alive),
            Some(0) => (Decoder::Ended, keep_alive),
            Some(length) => (Decoder::Length(length), keep_alive),
            None => (Decoder::Close, false),
        })
    }
}

/// RFC 9110 §8.6: `1*DIGIT`, of what 63 bits hold: a number of 64 bits with a sign is what many read it into.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let number = digits.iter().try_fold(0_i64, |sum, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        sum.checked_mul(10)?.checked_add(i64::from(digit))
    })?;
    u64::try_from(number).ok()
}

/// Heads of responses, one after the other, as a connection reads them. For whoever measures that.
#[derive(Debug, Default)]
pub struct ResponseHeads(Reading);

impl ResponseHeads {
    /// Takes the next one off the front of what was read.
    pub fn take(&mut self, read: &mut BytesMut) -> Option<Response<()>> {
        head(read, &self.0, &Method::GET, &mut HeaderMap::new()).ok().flatten().map(|head| head.response)
    }
}

#[cfg(test)]
#[path = "inbox_tests.rs"]
mod tests;
