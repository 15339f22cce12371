//! Parameters of a query (`application/x-www-form-urlencoded`).

use std::borrow::Cow;

use crate::types::ValueTest;

/// Whether a test holds for the first parameter of a name, both decoded.
pub(super) fn holds(query: Option<&str>, name: &str, test: &ValueTest) -> bool {
    let value = query.and_then(|query| first(query, name));
    match (test, value) {
        (ValueTest::Is(exact), Some(value)) => decodes_to(value, exact),
        _ => test.holds_for_any(value.map(decoded).into_iter()),
    }
}

/// The first parameter of that name, as it was sent.
fn first<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs
        .filter(|(key, value)| !(key.is_empty() && value.is_empty()))
        .find_map(|(key, value)| decodes_to(key, name).then_some(value))
}

/// Compares form-encoded text with plain text, without decoding it into a new one.
fn decodes_to(encoded: &str, plain: &str) -> bool {
    let mut encoded = encoded.bytes();
    let mut plain = plain.bytes();
    loop {
        let next = match encoded.next() {
            Some(b'+') => Some(b' '),
            Some(b'%') => match octet(&mut encoded) {
                Some(octet) => Some(octet),
                None => return false,
            },
            other => other,
        };
        match (next, plain.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
}

/// The text decoded; a broken encoding stays as it is.
fn decoded(encoded: &str) -> Cow<'_, [u8]> {
    if !encoded.contains(['+', '%']) {
        return Cow::Borrowed(encoded.as_bytes());
    }
    let mut plain = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        match (byte, octet(&mut ahead)) {
            (b'+', _) => plain.push(b' '),
            (b'%', Some(octet)) => {
                plain.push(octet);
                rest = ahead;
            }
            (other, _) => plain.push(other),
        }
    }
    Cow::Owned(plain)
}

/// Two hexadecimal digits.
fn octet(bytes: &mut impl Iterator<Item = u8>) -> Option<u8> {
    let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
    let (high, low) = (digit()?, digit()?);
    Some((high * 16 + low) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Pattern;

    #[test]
    fn the_first_parameter_of_a_name_counts_decoded() {
        let is = |query: &str, value: &str| holds(Some(query), "v", &ValueTest::Is(value.into()));
        assert!(is("v=2", "2") && is("a&v=%32%20a&v=3", "2 a") && is("%76=2+a", "2 a") && is("v", ""));
        assert!(!is("v=3&v=2", "2") && !is("vv=2", "2") && !is("", "") && !is("v=%zz", "zz"));
        let like = ValueTest::Like(Pattern::new("a.b").unwrap());
        assert!(holds(Some("v=a%20b"), "v", &like) && holds(Some("v=a+b"), "v", &like));
        assert!(!holds(Some("v=a%20b%20"), "v", &like) && !holds(None, "v", &like));
        assert!(holds(Some("v=%zz"), "v", &ValueTest::Present));
        assert!(holds(Some("w=1"), "v", &ValueTest::Absent) && holds(None, "v", &ValueTest::Absent));
    }
}
