//! Responses against a table of RFC 9112, and bodies against themselves however they are cut.

use super::*;
use proptest::prelude::*;

fn parse(text: &str) -> Result<Option<Head>, Garbled> {
    head(&mut BytesMut::from(text), &Reading::default(), &Method::GET, &mut HeaderMap::new())
}

/// Reads a whole response that comes in pieces; the connection ends behind the last one.
fn read(text: &[u8], cuts: &[usize], method: &Method) -> Result<(u16, Vec<u8>, HeaderMap), Garbled> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(text.len());
    let mut buffer = BytesMut::new();
    let mut at = 0;
    let mut response = None;
    let (mut body, mut trailers) = (Vec::new(), HeaderMap::new());
    for end in ends {
        buffer.extend_from_slice(&text[at..end]);
        at = end;
        if response.is_none() {
            response = head(&mut buffer, &Reading::default(), method, &mut HeaderMap::new())?;
        }
        let Some(head) = &mut response else { continue };
        loop {
            match head.decoder.next(&mut buffer).map_err(|_| Garbled)? {
                Decoded::Data(data) => body.extend_from_slice(&data),
                Decoded::Trailers(fields) => trailers = fields,
                Decoded::End | Decoded::More => break,
            }
        }
    }
    let mut head = response.ok_or(Garbled)?;
    if head.decoder.close() { Ok((head.response.status().as_u16(), body, trailers)) } else { Err(Garbled) }
}

fn body(text: &str) -> Result<String, Garbled> {
    read(text.as_bytes(), &[], &Method::GET).map(|(_, body, _)| String::from_utf8(body).unwrap())
}

#[test]
fn bodies_are_framed_by_length_chunks_or_the_end() {
    assert_eq!(body("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").as_deref(), Ok("hello"));
    assert_eq!(body("HTTP/1.1 200\r\n\r\nto the end").as_deref(), Ok("to the end"));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n";
    let (_, content, trailers) = read(chunked.as_bytes(), &[], &Method::GET).unwrap();
    assert_eq!(content, b"hello world");
    assert_eq!(trailers["x-sum"], "1");
}

#[test]
fn head_204_and_304_have_no_body_whatever_they_say() {
    for (status, method) in [(200, Method::HEAD), (204, Method::GET), (304, Method::GET)] {
        let text = format!("HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(
            read(text.as_bytes(), &[], &method).map(|(status, body, _)| (status, body)),
            Ok((status, vec![]))
        );
    }
}

#[test]
fn what_ends_before_its_end_is_broken() {
    for text in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nContent-Le",
    ] {
        assert_eq!(body(text), Err(Garbled), "{text:?}");
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_no_response() {
    let head = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n");
    for text in [
        head("Content-Length: 5\r\nTransfer-Encoding: chunked"),
        head("Content-Length: 5\r\nContent-Length: 5"),
        head("Content-Length: 5, 5"),
        head("Content-Length: +5"),
        head("Content-Length:"),
        head("Transfer-Encoding: xchunked"),
        head("Transfer-Encoding: chunked, gzip"),
        head("Transfer-Encoding: gzip, chunked"),
        head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
        "HTTP/1.1 2000 OK\r\n\r\n".to_owned(),
        "HTTP/1.1 099 OK\r\n\r\n".to_owned(),
        "HTTP/2.0 200 OK\r\n\r\n".to_owned(),
        "ICY 200 OK\r\n\r\n".to_owned(),
        "<html>".to_owned(),
        head("Bad Name: x"),
        head(" folded: x"),
    ] {
        assert!(parse(&text).is_err(), "{text:?}");
    }
}

#[test]
fn connections_are_kept_as_the_version_says() {
    let keeps = |text: &str| parse(text).unwrap().unwrap().keep_alive;
    assert!(keeps("HTTP/1.1 204 X\r\n\r\n"));
    assert!(!keeps("HTTP/1.1 204 X\r\nConnection: x, Close\r\n\r\n"));
    assert!(!keeps("HTTP/1.0 200 X\r\nContent-Length: 0\r\n\r\n"));
    assert!(keeps("HTTP/1.0 200 X\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"));
    assert!(!keeps("HTTP/1.1 200 X\r\n\r\n"));
}

#[test]
fn connections_end_whatever_else_is_said_beside_close() {
    let keeps = |text: &str| parse(text).unwrap().unwrap().keep_alive;
    assert!(!keeps("HTTP/1.0 200 X\r\nContent-Length: 0\r\nConnection: keep-alive, close\r\n\r\n"));
    assert!(!keeps(
        "HTTP/1.0 200 X\r\nConnection: close\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"
    ));
}

#[test]
fn a_204_that_says_it_has_a_body_is_the_connections_last_response() {
    let keeps =
        |field: &str| parse(&format!("HTTP/1.1 204 X\r\n{field}\r\n\r\n")).unwrap().unwrap().keep_alive;
    assert!(keeps("Content-Length: 0"));
    assert!(!keeps("Content-Length: 5") && !keeps("Transfer-Encoding: chunked"));
    assert!(parse("HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n").unwrap().unwrap().keep_alive);
}

#[test]
fn a_head_is_too_long_however_much_of_it_comes_at_once() {
    let text = |len: usize| format!("HTTP/1.1 204 X\r\nA: {}\r\n\r\n", "a".repeat(len - 23));
    assert!(parse(&text(HEAD_MAX)).unwrap().is_some());
    assert_eq!(parse(&text(HEAD_MAX + 1)).map(|_| ()), Err(Garbled));
}

#[test]
fn lengths_are_what_63_bits_hold_in_digits() {
    let length = |value: &str| {
        let head = parse(&format!("HTTP/1.1 200 X\r\nContent-Length: {value}\r\n\r\n"))?;
        Ok(head.unwrap().decoder.left().unwrap())
    };
    assert_eq!(length("00000000000000000000000000005"), Ok(5));
    assert_eq!(length("9223372036854775807"), Ok(i64::MAX as u64));
    assert_eq!(length("9223372036854775808"), Err(Garbled));
}

const GOOD: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Empty:\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nA: b\r\nC: d\r\n\r\n",
    "HTTP/1.1 404 \r\n\r\nto the end",
];

proptest! {
    #[test]
    fn the_reading_does_not_depend_on_how_bytes_are_cut(
        which in 0..GOOD.len(), cuts in proptest::collection::vec(any::<usize>(), 0..12),
    ) {
        let text = GOOD[which].as_bytes();
        prop_assert_eq!(read(text, &cuts, &Method::GET), read(text, &[], &Method::GET));
    }

    #[test]
    fn no_bytes_make_it_panic(
        which in 0..GOOD.len(), at in any::<prop::sample::Index>(),
        noise in proptest::collection::vec(any::<u8>(), 0..20), cuts in proptest::collection::vec(any::<usize>(), 0..4),
    ) {
        let mut text = GOOD[which].as_bytes().to_vec();
        let at = at.index(text.len() + 1);
        text.splice(at..at, noise);
        let _ = read(&text, &cuts, &Method::GET);
    }
}
