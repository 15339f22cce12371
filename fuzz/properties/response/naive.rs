//! A reader of whole answers: RFC 9112 as it is written, with the gateway's bounds, and nothing for speed.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};

use super::{End, Exchange, Reading, Why};

/// Octets of a head.
const HEAD_MAX: usize = 256 * 1024;
/// Fields of a head.
const FIELDS_MAX: usize = 256;
/// Interim responses.
const INTERIMS_MAX: usize = 32;
/// Octets of a body's chunk extensions and trailer lines.
const OVERHEAD_MAX: usize = 64 * 1024;
/// Trailer fields.
const TRAILERS_MAX: usize = 99;

/// A head, and what it says of what follows.
struct Head {
    status: StatusCode,
    version: Version,
    fields: HeaderMap,
    framing: Framing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
    Close,
}

/// What an answer is, and what is wrong with it, if something is.
pub(super) fn read(asked: &Exchange<'_>) -> (Reading, Option<Why>) {
    let mut rest = asked.answer;
    let mut interims = 0;
    let head = loop {
        let Some(len) = head_len(rest) else {
            // What ends in the middle of a head is none.
            return match asked.open && rest.len() < HEAD_MAX {
                true => (Reading::new(End::Waits), None),
                false if asked.answer.is_empty() => (Reading::new(End::Silent), Some(Why::Short)),
                false if rest.len() < HEAD_MAX => (Reading::new(End::Refused), Some(Why::Short)),
                false => (Reading::new(End::Refused), Some(Why::Grammar)),
            };
        };
        let (text, behind) = rest.split_at(len);
        rest = behind;
        let why = match head(text) {
            Err(why) => why,
            Ok(head) if head.status == StatusCode::SWITCHING_PROTOCOLS && asked.upgrade => {
                let head = Some((head.status, head.version, head.fields));
                let switched = Reading { head, body: rest.to_vec(), ..Reading::new(End::Switched) };
                return (switched, None);
            }
            Ok(head) if head.status == StatusCode::SWITCHING_PROTOCOLS => Why::Unasked,
            Ok(head) if !head.status.is_informational() => break head,
            Ok(_) if interims == INTERIMS_MAX => Why::Interims,
            Ok(_) => {
                interims += 1;
                continue;
            }
        };
        return (Reading::new(End::Refused), Some(why));
    };
    let mut reading = Reading::new(End::Complete);
    let keeps = keeps(&head);
    let why = body(&head, asked, &mut rest, &mut reading);
    // RFC 9112 §9.3; what nobody has asked for stands where the next response should (§6.3).
    reading.reusable = reading.end == End::Complete && keeps && asked.open && rest.is_empty();
    reading.head = Some((head.status, head.version, head.fields));
    (reading, why)
}

/// Up to the first empty line behind the first line; empty lines before that are passed over, which §2.2 asks of servers
/// and forbids nobody.
fn head_len(text: &[u8]) -> Option<usize> {
    let (mut begun, mut at) = (false, 0);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        if !line.ends_with(b"\n") {
            return None;
        }
        if !matches!(line, b"\n" | b"\r\n") {
            begun = true;
        } else if begun {
            return Some(at);
        }
    }
    None
}

fn head(text: &[u8]) -> Result<Head, Why> {
    if text.len() > HEAD_MAX {
        return Err(Why::Grammar);
    }
    // §2.2: a single LF may be taken for the end of a line; a CR that is none may not be taken for anything.
    let lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut lines = lines.skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty());
    let (version, status) = status_line(lines.next().unwrap_or_default()).ok_or(Why::Grammar)?;
    let mut fields = HeaderMap::new();
    let mut count = 0;
    for line in lines {
        let (name, value) = field(line).ok_or(Why::Grammar)?;
        fields.append(name, value);
        count += 1;
    }
    if count > FIELDS_MAX {
        return Err(Why::Grammar);
    }
    let framing = framing(version, &fields)?;
    Ok(Head { status, version, fields, framing })
}

/// §4: `HTTP-version SP status-code [ SP reason-phrase ]`.
fn status_line(line: &[u8]) -> Option<(Version, StatusCode)> {
    let (version, line) = line.split_first_chunk::<9>()?;
    let version = match version {
        b"HTTP/1.0 " => Version::HTTP_10,
        b"HTTP/1.1 " => Version::HTTP_11,
        _ => return None,
    };
    let (code, reason) = line.split_first_chunk::<3>()?;
    let is_reason = reason.is_empty() || reason.starts_with(b" ") && reason.iter().all(is_text);
    let status = StatusCode::from_bytes(code).ok()?;
    is_reason.then_some((version, status))
}

/// §5: a name is a token, and no white space stands before its colon; obsolete folding is none.
fn field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let value = value.iter().all(is_text).then(|| trim(value))?;
    Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
}

/// §6.3, without what it lets a recipient repair.
fn framing(version: Version, fields: &HeaderMap) -> Result<Framing, Why> {
    let lengths: Vec<_> = fields.get_all("content-length").iter().map(HeaderValue::as_bytes).collect();
    let codings: Vec<_> = fields.get_all("transfer-encoding").iter().map(HeaderValue::as_bytes).collect();
    let length = match lengths[..] {
        [] => None,
        [length] => Some(number(length, 10).ok_or(Why::Length)?),
        _ => return Err(Why::Length),
    };
    match codings[..] {
        [] => Ok(length.map_or(Framing::Close, Framing::Length)),
        [coding] if !coding.eq_ignore_ascii_case(b"chunked") => Err(Why::Coding),
        [_] if length.is_some() || version == Version::HTTP_10 => Err(Why::Both),
        [_] => Ok(Framing::Chunked),
        _ => Err(Why::Coding),
    }
}

/// Whether the connection may go on behind the response (§9.3).
fn keeps(head: &Head) -> bool {
    let option = |option: &[u8]| {
        let lines = head.fields.get_all("connection").iter().map(HeaderValue::as_bytes);
        lines
            .flat_map(|line| line.split(|byte| *byte == b','))
            .any(|one| trim(one).eq_ignore_ascii_case(option))
    };
    // A 204 must not say that it has a body (RFC 9110 §8.6, RFC 9112 §6.1). Who says so may send one.
    let lies =
        head.status == StatusCode::NO_CONTENT && !matches!(head.framing, Framing::Close | Framing::Length(0));
    !lies && !option(b"close") && (head.version == Version::HTTP_11 || option(b"keep-alive"))
}

/// Takes the body off the front of `rest`.
fn body(head: &Head, asked: &Exchange<'_>, rest: &mut &[u8], reading: &mut Reading) -> Option<Why> {
    let bodiless = asked.method == Method::HEAD || matches!(head.status.as_u16(), 204 | 304);
    let cut = |reading: &mut Reading| {
        reading.end = if asked.open { End::Waits } else { End::Cut };
        (!asked.open).then_some(Why::Short)
    };
    match head.framing {
        _ if bodiless => None,
        Framing::Length(length) => {
            let len = usize::try_from(length).unwrap_or(usize::MAX).min(rest.len());
            reading.body.extend_from_slice(&rest[..len]);
            *rest = &rest[len..];
            if (len as u64) < length { cut(reading) } else { None }
        }
        Framing::Close => {
            reading.body.extend_from_slice(std::mem::take(rest));
            if asked.open { cut(reading) } else { None }
        }
        Framing::Chunked => match chunks(rest, reading) {
            Ok(true) => None,
            Ok(false) => cut(reading),
            Err(why) => {
                reading.end = End::Cut;
                Some(why)
            }
        },
    }
}

/// §7.1. Whether it is whole.
fn chunks(rest: &mut &[u8], reading: &mut Reading) -> Result<bool, Why> {
    let mut overhead = 0;
    loop {
        let Some(line) = line(rest)? else { return Ok(false) };
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (size, extension) = line.split_at(digits);
        let size = number(size, 16).ok_or(Why::Chunk)?;
        // What an extension is nobody has to know; white space before one is bad, and to be removed (§7.1.1).
        let blanks = extension.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let extension = &extension[blanks..];
        overhead += extension.len();
        if !(extension.is_empty() || extension.starts_with(b";")) || overhead > OVERHEAD_MAX {
            return Err(Why::Chunk);
        }
        if size == 0 {
            break;
        }
        let len = usize::try_from(size).unwrap_or(usize::MAX).min(rest.len());
        reading.body.extend_from_slice(&rest[..len]);
        *rest = &rest[len..];
        match rest {
            [b'\r', b'\n', behind @ ..] if len as u64 == size => *rest = behind,
            [] | [b'\r'] => return Ok(false),
            _ => return Err(Why::Chunk),
        }
    }
    let (mut trailers, mut count) = (HeaderMap::new(), 0);
    loop {
        let Some(line) = line(rest)? else { return Ok(false) };
        if line.is_empty() {
            reading.with_trailers(trailers);
            return Ok(true);
        }
        count += 1;
        overhead += line.len();
        if count > TRAILERS_MAX || overhead > OVERHEAD_MAX {
            return Err(Why::Chunk);
        }
        let (name, value) = field(line).ok_or(Why::Chunk)?;
        trailers.append(name, value);
    }
}

/// A line that CR LF ends, without those; `None`: it is not all there.
fn line<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Why> {
    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let line = rest[..end].strip_suffix(b"\r").filter(|line| line.iter().all(is_text)).ok_or(Why::Chunk)?;
    *rest = &rest[end + 1..];
    Ok(Some(line))
}

/// Digits alone, of what 63 bits hold.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let text =
        std::str::from_utf8(digits).ok().filter(|text| text.chars().all(|digit| digit.is_digit(radix)))?;
    i64::from_str_radix(text, radix).ok()?.try_into().ok()
}

fn is_text(byte: &u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

fn trim(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let from = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
    let to = value.iter().rposition(|byte| !blank(byte)).map_or(from, |last| last + 1);
    &value[from..to]
}
