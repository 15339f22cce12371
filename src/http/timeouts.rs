//! How long a client gives its request: `grpc-timeout` (grpc/doc/PROTOCOL-HTTP2.md) and `X-Request-Timeout`; and the
//! same, less what has passed, for the endpoint.

use std::fmt::Write as _;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName};

use super::names::{GRPC_TIMEOUT, X_REQUEST_TIMEOUT};

/// What the fields of a request ask for, each in the notation that it is in.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    grpc: Option<Duration>,
    plain: Option<(Duration, Notation)>,
}

/// How `X-Request-Timeout` is written: the application can be expected to read what its client wrote, and no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notation {
    /// `5`: whole seconds.
    Seconds,
    /// `1.5`.
    Decimal,
    /// `5s`, `1.5s`.
    Suffixed,
    /// `500ms`.
    Milliseconds,
}

impl Timeouts {
    /// Reads the fields. What is given twice, or makes no sense, asks for nothing: nobody has promised to
    /// refuse it.
    #[must_use]
    pub fn of(fields: &HeaderMap) -> Self {
        Self {
            grpc: only(fields, &GRPC_TIMEOUT).and_then(grpc),
            plain: only(fields, &X_REQUEST_TIMEOUT).and_then(plain),
        }
    }

    /// Takes what was understood out of the fields.
    pub fn take(fields: &mut HeaderMap) -> Self {
        let timeouts = Self::of(fields);
        if timeouts.grpc.is_some() {
            fields.remove(&GRPC_TIMEOUT);
        }
        if timeouts.plain.is_some() {
            fields.remove(&X_REQUEST_TIMEOUT);
        }
        timeouts
    }

    /// The shortest.
    #[must_use]
    pub fn shortest(&self) -> Option<Duration> {
        let plain = self.plain.map(|(plain, _)| plain);
        match (self.grpc, plain) {
            (Some(grpc), Some(plain)) => Some(grpc.min(plain)),
            (one, other) => one.or(other),
        }
    }

    /// The lines that tell the next hop that so much is left, each with its end: at least a millisecond, and at most
    /// the 27 h that `grpc-timeout` has digits for.
    #[must_use]
    pub fn lines(&self, left: Duration) -> String {
        let mut lines = String::new();
        let ms = left.as_millis().clamp(1, 99_999_999);
        if self.grpc.is_some() {
            let _ = write!(lines, "{GRPC_TIMEOUT}: {ms}m\r\n");
        }
        if let Some((_, notation)) = self.plain {
            let (whole, thousandths) = (ms / 1_000, ms % 1_000);
            let _ = match notation {
                // Rounded up: zero often stands for no timeout.
                Notation::Seconds => write!(lines, "{X_REQUEST_TIMEOUT}: {}\r\n", ms.div_ceil(1_000)),
                Notation::Decimal => write!(lines, "{X_REQUEST_TIMEOUT}: {whole}.{thousandths:03}\r\n"),
                Notation::Suffixed => write!(lines, "{X_REQUEST_TIMEOUT}: {whole}.{thousandths:03}s\r\n"),
                Notation::Milliseconds => write!(lines, "{X_REQUEST_TIMEOUT}: {ms}ms\r\n"),
            };
        }
        lines
    }
}

fn only<'f>(fields: &'f HeaderMap, name: &HeaderName) -> Option<&'f str> {
    let mut values = fields.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

/// Up to eight digits and a unit.
fn grpc(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number = digits_of(digits, 8)?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

/// Seconds, with up to nine decimals and an `s` or without; or milliseconds, with `ms`.
fn plain(text: &str) -> Option<(Duration, Notation)> {
    if let Some(digits) = text.strip_suffix("ms") {
        return Some((Duration::from_millis(digits_of(digits, 12)?), Notation::Milliseconds));
    }
    let number = text.strip_suffix('s').unwrap_or(text);
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let nanos = digits_of(decimals, 9)? * 10_u64.pow(9 - u32::try_from(decimals.len()).ok()?);
    let timeout = Duration::new(digits_of(whole, 9)?, u32::try_from(nanos).ok()?);
    let notation = match (text.ends_with('s'), number.contains('.')) {
        (true, _) => Notation::Suffixed,
        (false, true) => Notation::Decimal,
        (false, false) => Notation::Seconds,
    };
    Some((timeout, notation))
}

/// A number of at most so many digits, and nothing else.
fn digits_of(text: &str, digits_max: usize) -> Option<u64> {
    let is_number =
        !text.is_empty() && text.len() <= digits_max && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn fields(lines: &[(&HeaderName, &str)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in lines {
            fields.append(*name, HeaderValue::from_str(value).unwrap());
        }
        fields
    }

    fn asked(name: &HeaderName, value: &str) -> Option<Duration> {
        Timeouts::of(&fields(&[(name, value)])).shortest()
    }

    #[test]
    fn grpc_timeouts_have_a_unit() {
        let asked = |value| asked(&GRPC_TIMEOUT, value);
        assert_eq!(asked("2H"), Some(Duration::from_secs(7_200)));
        assert_eq!(asked("2M"), Some(Duration::from_secs(120)));
        assert_eq!(
            (asked("3S"), asked("3000m")),
            (Some(Duration::from_secs(3)), Some(Duration::from_secs(3)))
        );
        assert_eq!(
            (asked("5u"), asked("5n")),
            (Some(Duration::from_micros(5)), Some(Duration::from_nanos(5)))
        );
        assert!(asked("99999999H").is_some());
        for nonsense in ["", "S", "3", "3s", "-3S", "+3S", "3.5S", "123456789m", "3 S", "3é"] {
            assert_eq!(Timeouts::of(&fields(&[(&GRPC_TIMEOUT, nonsense)])).shortest(), None, "{nonsense:?}");
        }
    }

    #[test]
    fn plain_timeouts_are_seconds_or_say_what_they_are() {
        let asked = |value| asked(&X_REQUEST_TIMEOUT, value);
        assert_eq!((asked("5"), asked("5s")), (Some(Duration::from_secs(5)), Some(Duration::from_secs(5))));
        assert_eq!(
            (asked("1.5"), asked("0.25s")),
            (Some(Duration::from_millis(1_500)), Some(Duration::from_millis(250)))
        );
        assert_eq!((asked("250ms"), asked("0")), (Some(Duration::from_millis(250)), Some(Duration::ZERO)));
        for nonsense in ["", "s", "ms", "-1", "1.", ".5", "1e3", "5m", "1.5ms", "soon", "12345678901"] {
            assert_eq!(asked(nonsense), None, "{nonsense:?}");
        }
    }

    #[test]
    fn the_shorter_counts_and_what_is_given_twice_does_not() {
        let both = fields(&[(&GRPC_TIMEOUT, "2S"), (&X_REQUEST_TIMEOUT, "3")]);
        assert_eq!(Timeouts::of(&both).shortest(), Some(Duration::from_secs(2)));
        let twice = fields(&[(&X_REQUEST_TIMEOUT, "2"), (&X_REQUEST_TIMEOUT, "3")]);
        assert_eq!(Timeouts::of(&twice).shortest(), None);
    }

    #[test]
    fn only_what_was_understood_is_taken() {
        let mut fields = fields(&[(&GRPC_TIMEOUT, "soon"), (&X_REQUEST_TIMEOUT, "3")]);
        Timeouts::take(&mut fields);
        assert!(fields.contains_key(&GRPC_TIMEOUT) && !fields.contains_key(&X_REQUEST_TIMEOUT));
    }

    #[test]
    fn what_is_left_is_told_in_the_clients_notation() {
        let told = |value, left| {
            Timeouts::of(&fields(&[(&X_REQUEST_TIMEOUT, value)])).lines(Duration::from_millis(left))
        };
        assert_eq!(told("5", 4_020), "x-request-timeout: 5\r\n");
        assert_eq!(told("5", 0), "x-request-timeout: 1\r\n", "never no timeout");
        assert_eq!(told("5.0", 4_020), "x-request-timeout: 4.020\r\n");
        assert_eq!(told("5s", 4_020), "x-request-timeout: 4.020s\r\n");
        assert_eq!(told("5000ms", 4_020), "x-request-timeout: 4020ms\r\n");
        let grpc = Timeouts::of(&fields(&[(&GRPC_TIMEOUT, "5S")]));
        assert_eq!(grpc.lines(Duration::from_millis(4_020)), "grpc-timeout: 4020m\r\n");
        assert_eq!(grpc.lines(Duration::MAX), "grpc-timeout: 99999999m\r\n");
        assert_eq!(Timeouts::default().lines(Duration::ZERO), "");
    }

    proptest! {
        #[test]
        fn what_is_told_reads_back(value in "[0-9]{1,4}(\\.[0-9]{1,3})?(s|ms)?", left_ms in 1_u64..99_999_999) {
            if let Some((_, notation)) = plain(&value) {
                let told = Timeouts { grpc: Some(Duration::ZERO), plain: Some((Duration::ZERO, notation)) };
                let lines = told.lines(Duration::from_millis(left_ms));
                let read: Vec<Duration> = lines
                    .lines()
                    .map(|line| line.split_once(": ").unwrap())
                    .map(|(name, value)| if name == "grpc-timeout" { grpc(value) } else { plain(value).map(|(t, _)| t) })
                    .map(Option::unwrap)
                    .collect();
                prop_assert_eq!(read[0], Duration::from_millis(left_ms));
                prop_assert!(read[1] >= read[0] && read[1] < read[0] + Duration::from_secs(1));
            }
        }
    }
}
