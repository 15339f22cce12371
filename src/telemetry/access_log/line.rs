//! An entry as a line of JSON. Written by hand: it is most of what an entry costs, and any bytes that a
//! client sends must come out as valid JSON.

use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

use super::buffer::{Record, Texts};
use crate::types::{push_address, push_number};

/// What stands before a value.
macro_rules! key {
    ($name:literal) => {
        key!($name, "")
    };
    ($name:literal, $before:literal) => {
        concat!(",\"", $name, "\":", $before).as_bytes()
    };
}

/// Formats lines; it remembers the second it last wrote, because most lines share it.
#[derive(Debug, Default)]
pub(super) struct Formatter {
    second: u64,
    // `2026-01-02T03:04:05`, empty before the first line.
    second_text: String,
}

impl Formatter {
    /// Appends one line with its newline. What an entry does not have is left out.
    pub(super) fn line(&mut self, out: &mut Vec<u8>, record: &Record, texts: Texts<'_>) {
        let [request_id, tenant, route, pool, endpoint, method, host, path, query, sni, client_cert] = texts;
        out.extend_from_slice(b"{\"time\":\"");
        self.time(out, record.started);
        out.push(b'"');
        text(out, key!("request_id", "\""), request_id);
        text(out, key!("tenant", "\""), tenant);
        text(out, key!("route", "\""), route);
        text(out, key!("pool", "\""), pool);
        text(out, key!("endpoint", "\""), endpoint);
        text(out, key!("method", "\""), method);
        text(out, key!("host", "\""), host);
        text(out, key!("path", "\""), path);
        text(out, key!("query", "\""), query);
        text(out, key!("protocol", "\""), Some(record.protocol.as_bytes()));
        text(out, key!("tls_version", "\""), record.tls.map(|(version, _)| version.as_bytes()));
        text(out, key!("tls_cipher", "\""), record.tls.map(|(_, cipher)| cipher.as_bytes()));
        text(out, key!("sni", "\""), sni);
        text(out, key!("client_cert", "\""), client_cert);
        number(out, key!("status"), record.status);
        text(out, key!("code", "\""), record.code.map(str::as_bytes));
        text(out, key!("tripped", "\""), record.tripped.map(str::as_bytes));
        number(out, key!("bytes_in"), record.request_bytes);
        number(out, key!("bytes_out"), record.response_bytes);
        milliseconds(out, key!("duration_ms"), record.total);
        milliseconds(out, key!("queue_ms"), record.queue);
        if let Some(upstream) = record.upstream {
            milliseconds(out, key!("upstream_ms"), upstream);
        }
        address(out, key!("client", "\""), record.client);
        number(out, key!("retries"), record.retries);
        out.extend_from_slice(b"}\n");
    }

    /// RFC 3339 in UTC to the millisecond.
    fn time(&mut self, out: &mut Vec<u8>, since_epoch: Duration) {
        let second = since_epoch.as_secs();
        if second != self.second || self.second_text.is_empty() {
            let at = i64::try_from(second).ok().and_then(|s| jiff::Timestamp::from_second(s).ok());
            let text = at.unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string();
            self.second_text = text.trim_end_matches('Z').to_owned();
            self.second = second;
        }
        out.extend_from_slice(self.second_text.as_bytes());
        let [hundreds, tens, ones] = padded(since_epoch.subsec_millis());
        out.extend_from_slice(&[b'.', hundreds, tens, ones, b'Z']);
    }
}

fn text(out: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
    if let Some(value) = value {
        out.extend_from_slice(key);
        escape(out, value);
        out.push(b'"');
    }
}

fn number(out: &mut Vec<u8>, key: &[u8], value: impl itoa::Integer) {
    out.extend_from_slice(key);
    push_number(out, value);
}

fn milliseconds(out: &mut Vec<u8>, key: &[u8], value: Duration) {
    out.extend_from_slice(key);
    // Rounded to the microsecond, as the three decimals show it.
    let micros = u64::from((value.subsec_nanos() + 500) / 1_000);
    let micros = value.as_secs().saturating_mul(1_000_000).saturating_add(micros);
    push_number(out, micros / 1_000);
    let [hundreds, tens, ones] = padded((micros % 1_000) as u32);
    out.extend_from_slice(&[b'.', hundreds, tens, ones]);
}

fn address(out: &mut Vec<u8>, key: &[u8], address: IpAddr) {
    out.extend_from_slice(key);
    push_address(out, address);
    out.push(b'"');
}

/// A number below 1000 in three digits.
fn padded(value: u32) -> [u8; 3] {
    [value / 100, value / 10 % 10, value % 10].map(|digit| b'0' + digit as u8)
}

/// The inside of a JSON string (RFC 8259 §7). Bytes that are no UTF-8 become U+FFFD.
fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    // Nearly every text is plain. Looked at without a branch, so that many bytes are looked at at once.
    let is_plain = |byte: &u8| matches!(byte, 0x20..=0x7e) & (*byte != b'"') & (*byte != b'\\');
    if bytes.iter().fold(true, |plain, byte| plain & is_plain(byte)) {
        return out.extend_from_slice(bytes);
    }
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid().as_bytes();
        while let Some(at) = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f | 0x7f)) {
            let (plain, from) = rest.split_at(at);
            out.extend_from_slice(plain);
            let Some((odd, after)) = from.split_first() else { break };
            match odd {
                b'"' | b'\\' => out.extend_from_slice(&[b'\\', *odd]),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\t' => out.extend_from_slice(b"\\t"),
                // DEL too, which JSON allows: a terminal that shows the log should not obey it.
                _ => drop(write!(out, "\\u{odd:04x}")),
            }
            rest = after;
        }
        out.extend_from_slice(rest);
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(f: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        f(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn times_are_rfc_3339_to_the_millisecond() {
        let mut formatter = Formatter::default();
        for (nanos, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_709_210_096_007_999_999, "2024-02-29T12:34:56.007Z"),
            (1_709_210_096_999_999_999, "2024-02-29T12:34:56.999Z"),
            (1_709_210_097_000_000_000, "2024-02-29T12:34:57.000Z"),
        ] {
            assert_eq!(written(|out| formatter.time(out, Duration::from_nanos(nanos))), text);
        }
    }

    #[test]
    fn durations_are_milliseconds_with_three_decimals() {
        let ms = |duration| written(|out| milliseconds(out, key!("ms"), duration));
        assert_eq!(ms(Duration::ZERO), ",\"ms\":0.000");
        assert_eq!(ms(Duration::from_nanos(12_345_600)), ",\"ms\":12.346");
        assert_eq!(ms(Duration::from_nanos(999_999_999)), ",\"ms\":1000.000");
        assert_eq!(ms(Duration::MAX), ",\"ms\":18446744073709551.615");
    }

    proptest! {
        #[test]
        fn any_bytes_make_a_json_string_of_themselves(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut out = Vec::new();
            text(&mut out, key!("k", "\""), Some(&bytes));
            let json = format!("{{{}}}", std::str::from_utf8(&out[1..]).expect("UTF-8"));
            let back: serde_json::Value = serde_json::from_str(&json).expect("JSON");
            prop_assert_eq!(back["k"].as_str().expect("a string"), String::from_utf8_lossy(&bytes));
            prop_assert!(json.bytes().all(|byte| byte >= 0x20 && byte != 0x7f));
        }
    }
}
