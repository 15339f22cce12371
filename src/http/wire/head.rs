//! One request's head (RFC 9112 §3 and §5), line by line as its bytes come.

use std::ops::Range;

use memchr::memchr;

use super::{Framing, HeadLimits, Malformed};

/// Octets of a request line besides its target: method, version, blanks and CR.
const REQUEST_LINE_REST_MAX: usize = 128;

/// A part of a head, by the octets of the head.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    from: u32,
    to: u32,
}

impl Span {
    /// Heads are bounded far below what does not fit.
    fn new(from: usize, to: usize) -> Self {
        Self { from: from as u32, to: to as u32 }
    }

    /// The octets.
    pub(crate) fn range(self) -> Range<usize> {
        self.from as usize..self.to as usize
    }

    /// What stands there.
    pub(crate) fn of(self, head: &[u8]) -> &[u8] {
        head.get(self.range()).unwrap_or_default()
    }
}

/// A field's name, and its value without the blanks around it (RFC 9112 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: Span,
    pub(crate) value: Span,
}

/// How far a request's head has been read, and what has been found, so that no byte is looked at twice however they come. What it
/// accepts has one reading only.
#[derive(Debug, Default)]
pub struct Head {
    searched: usize,
    line_start: usize,
    request_line: bool,
    hosts: u32,
    http_1_0: bool,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
    method: Span,
    target: Span,
    fields: Vec<Field>,
}

impl Head {
    /// Looks at `bytes` (the head from its first byte) from where the last look ended.
    /// `Some(len)` is a complete head's length.
    ///
    /// # Errors
    /// Why it is refused. Nothing behind it can be framed.
    pub fn read(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<Option<usize>, Malformed> {
        while let Some(at) = memchr(b'\n', bytes.get(self.searched..).unwrap_or_default()) {
            let lf = self.searched + at;
            if lf >= limits.head_bytes_max {
                break;
            }
            let line = bytes.get(self.line_start..lf).unwrap_or_default();
            // Here too, so that the verdict doesn't depend on whether the line came in one piece.
            self.begins_a_request(line)?;
            if !self.request_line && line.len() > limits.target_bytes_max + REQUEST_LINE_REST_MAX {
                return Err(Malformed::TargetTooLong);
            }
            let line = line.strip_suffix(b"\r").ok_or(Malformed::LineEnd)?;
            if !self.request_line {
                // RFC 9112 §2.2: a robust server ignores an empty line before the request line.
                if !line.is_empty() {
                    self.request(line, limits)?;
                    self.request_line = true;
                }
            } else if line.is_empty() {
                self.finish()?;
                return Ok(Some(lf + 1));
            } else {
                self.field(line, limits)?;
            }
            self.searched = lf + 1;
            self.line_start = lf + 1;
        }
        self.searched = bytes.len();
        self.too_long(bytes, limits)
    }

    /// Whether there is more of it than the empty lines that may stand before a request.
    pub(crate) fn has_begun(&self, bytes: &[u8]) -> bool {
        self.request_line || !matches!(bytes.get(self.line_start..), None | Some([] | [b'\r']))
    }

    /// Forgets what was read: another head comes.
    pub fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Self { fields, ..Self::default() };
    }

    /// How many fields it has room for.
    pub(crate) fn room(&self) -> usize {
        self.fields.capacity()
    }

    /// How what follows the head is framed.
    #[must_use]
    pub fn framing(&self) -> Framing {
        match (self.chunked, self.length) {
            (true, _) => Framing::Chunked,
            (false, Some(length)) if length > 0 => Framing::Length(length),
            _ => Framing::Nothing,
        }
    }

    /// Whether it says `Upgrade` and has no body: one that has is read as that body first by no two servers alike, so it is never taken
    /// up.
    #[must_use]
    pub fn asks_to_upgrade(&self) -> bool {
        self.upgrade && self.framing() == Framing::Nothing
    }

    /// Whether it is of HTTP/1.0.
    pub(crate) fn is_http_1_0(&self) -> bool {
        self.http_1_0
    }

    pub(crate) fn method(&self) -> Span {
        self.method
    }

    pub(crate) fn target(&self) -> Span {
        self.target
    }

    pub(crate) fn fields(&self) -> &[Field] {
        &self.fields
    }

    fn too_long(&self, bytes: &[u8], limits: &HeadLimits) -> Result<Option<usize>, Malformed> {
        self.begins_a_request(bytes.get(self.line_start..).unwrap_or_default())?;
        let line = bytes.len() - self.line_start;
        if !self.request_line && line > limits.target_bytes_max + REQUEST_LINE_REST_MAX {
            return Err(Malformed::TargetTooLong);
        }
        if bytes.len() >= limits.head_bytes_max {
            return Err(Malformed::FieldsTooLarge);
        }
        Ok(None)
    }

    /// What begins with no octet of a method will never be a request: it is not waited for.
    fn begins_a_request(&self, line: &[u8]) -> Result<(), Malformed> {
        let begins = |first: u8| first == b'\r' || is_token(first);
        if self.request_line || line.first().is_none_or(|first| begins(*first)) {
            return Ok(());
        }
        Err(Malformed::RequestLine)
    }

    fn request(&mut self, line: &[u8], limits: &HeadLimits) -> Result<(), Malformed> {
        let space = memchr(b' ', line).ok_or(Malformed::RequestLine)?;
        let (method, rest) = line.split_at(space);
        let rest = rest.get(1..).unwrap_or_default();
        if method.is_empty() || !method.iter().copied().all(is_token) {
            return Err(Malformed::RequestLine);
        }
        let space = memchr(b' ', rest).ok_or(Malformed::RequestLine)?;
        let (target, version) = rest.split_at(space);
        match version {
            b" HTTP/1.1" => {}
            b" HTTP/1.0" => self.http_1_0 = true,
            _ if version.starts_with(b" HTTP/") && is_version(version) => return Err(Malformed::Version),
            _ => return Err(Malformed::RequestLine),
        }
        if target.len() > limits.target_bytes_max {
            return Err(Malformed::TargetTooLong);
        }
        if method == b"CONNECT" {
            return Err(Malformed::Connect);
        }
        if !target.iter().copied().all(is_target) || std::str::from_utf8(target).is_err() {
            return Err(Malformed::Target);
        }
        let from = self.line_start + method.len() + 1;
        self.method = Span::new(self.line_start, self.line_start + method.len());
        self.target = Span::new(from, from + target.len());
        match target.first() {
            Some(b'/') => Ok(()),
            Some(b'*') if target.len() == 1 && method == b"OPTIONS" => Ok(()),
            // Rare, so the same parser may look at it as will later.
            Some(_) if has_http_scheme(target) && http::Uri::try_from(target).is_ok() => Ok(()),
            _ => Err(Malformed::Target),
        }
    }

    fn field(&mut self, line: &[u8], limits: &HeadLimits) -> Result<(), Malformed> {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return Err(Malformed::ObsFold);
        }
        if self.fields.len() >= limits.fields_max {
            return Err(Malformed::FieldsTooLarge);
        }
        let colon = memchr(b':', line).ok_or(Malformed::FieldName)?;
        let (name, value) = line.split_at(colon);
        if name.is_empty() || !name.iter().copied().all(is_token) {
            return Err(Malformed::FieldName);
        }
        let value = value.get(1..).unwrap_or_default();
        if value.iter().fold(false, |bad, b| bad | ((*b < b' ') & (*b != b'\t')) | (*b == 0x7f)) {
            return Err(if memchr(b'\r', value).is_some() {
                Malformed::LineEnd
            } else {
                Malformed::FieldValue
            });
        }
        let blanks = value.len() - value.trim_ascii_start().len();
        let from = self.line_start + name.len() + 1 + blanks;
        let value = value.trim_ascii();
        let (name_at, value_at) =
            (Span::new(self.line_start, self.line_start + name.len()), Span::new(from, from + value.len()));
        self.fields.push(Field { name: name_at, value: value_at });
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.hosts += 1,
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.upgrade = true,
            14 if name.eq_ignore_ascii_case(b"content-length") => self.length(value)?,
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.coding(value)?,
            _ => {}
        }
        Ok(())
    }

    fn length(&mut self, value: &[u8]) -> Result<(), Malformed> {
        match self.length.replace(content_length(value)?) {
            Some(_) => Err(Malformed::ContentLength),
            None => Ok(()),
        }
    }

    fn coding(&mut self, value: &[u8]) -> Result<(), Malformed> {
        match std::mem::replace(&mut self.chunked, true) {
            true => Err(Malformed::TransferEncoding),
            false => transfer_encoding(value),
        }
    }

    fn finish(&self) -> Result<(), Malformed> {
        if self.chunked && (self.length.is_some() || self.http_1_0) {
            return Err(Malformed::TransferEncoding);
        }
        if self.hosts > 1 || (self.hosts == 0 && !self.http_1_0) {
            return Err(Malformed::Host);
        }
        Ok(())
    }
}

/// RFC 9110 §8.6: `1*DIGIT`; a list of equal numbers is refused like any other list.
fn content_length(value: &[u8]) -> Result<u64, Malformed> {
    if value.is_empty() {
        return Err(Malformed::ContentLength);
    }
    let mut length = 0_u64;
    for digit in value {
        if !digit.is_ascii_digit() {
            return Err(Malformed::ContentLength);
        }
        length = length
            .checked_mul(10)
            .and_then(|n| n.checked_add(u64::from(digit - b'0')))
            .ok_or(Malformed::ContentLength)?;
    }
    // A number of 64 bits with a sign is what many read it into.
    if i64::try_from(length).is_err() { Err(Malformed::ContentLength) } else { Ok(length) }
}

/// RFC 9112 §6.1: exactly `chunked`. Its repetition is an error; another coding is not implemented.
fn transfer_encoding(value: &[u8]) -> Result<(), Malformed> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let mut codings = value.split(|b| *b == b',').map(|coding| coding.trim_ascii());
    let known_only = codings.all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(b"chunked"));
    Err(if known_only { Malformed::TransferEncoding } else { Malformed::TransferCoding })
}

/// RFC 9110 §5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    TOKEN.get(usize::from(byte)).copied().unwrap_or(false)
}

static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let marks = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    #[allow(clippy::indexing_slicing)] // evaluated at compile time
    while at < 256 {
        table[at] = (at as u8).is_ascii_alphanumeric();
        at += 1;
    }
    let mut mark = 0;
    #[allow(clippy::indexing_slicing)] // evaluated at compile time
    while mark < marks.len() {
        table[marks[mark] as usize] = true;
        mark += 1;
    }
    table
};

/// What RFC 3986 lets stand in a target, and what clients send unencoded all the same (`{`, `|`, UTF-8).
/// Not a fragment: it is no part of a target (RFC 9112 §3.2), and parsers differ on what to do with one.
fn is_target(byte: u8) -> bool {
    byte > b' ' && !matches!(byte, b'#' | b'"' | b'<' | b'>' | b'`' | 0x7f)
}

fn is_version(version: &[u8]) -> bool {
    matches!(version.get(6..), Some([major, b'.', minor]) if major.is_ascii_digit() && minor.is_ascii_digit())
}

fn has_http_scheme(target: &[u8]) -> bool {
    let after = |scheme: &[u8]| {
        target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            && target.len() > scheme.len()
    };
    after(b"http://") || after(b"https://")
}
