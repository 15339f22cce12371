//! Quantities as operators write them: durations (`250ms`), sizes (`64KiB`) and rates (`100/s`).
//!
//! Each type parses what it prints. The parsers take whole numbers only: `1.5s` is `1500ms`, so
//! that no value is ever rounded behind the operator's back.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

/// The longest duration: a thousand years, far below what overflows an `Instant`.
const SECONDS_MAX: u64 = 1_000 * 366 * 86_400;

/// How many per how long: `100/s`, `600/min`, `5/10s`.
///
/// The count is at least one; a period is at least a millisecond and at most a day times 365.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How many units a period allows; at least 1.
    pub count: u32,
    /// The period; never zero.
    pub period: Duration,
}

/// A length of time as written in a configuration: `250ms`, `5s`, `1m`, `24h`, `10d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeSpan(pub Duration);

/// A number of bytes: `512B`, `64KiB`, `10MiB`, `1KB`, or a plain integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// Why a text is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUnit {
    /// Not a duration.
    #[error("`{0}` is not a duration\nwrite a whole number and ms, s, m, h or d, like 250ms, 5s, 1m or 24h")]
    Duration(String),
    /// Not a size.
    #[error(
        "`{0}` is not a size\nwrite a whole number and B, KB, MB, GB, KiB, MiB or GiB, like 64KiB or 10MiB"
    )]
    Size(String),
    /// Not a rate.
    #[error("`{0}` is not a rate\nwrite a count and a period, like 100/s, 600/min or 5000/h")]
    Rate(String),
    /// A rate of nothing: the limit would refuse every request.
    #[error("a rate of zero lets nothing pass\nsuspend the tenant instead, or leave the limit out")]
    RateZero,
    /// More than the type holds.
    #[error("`{0}` is too large")]
    TooLarge(String),
}

impl FromStr for TimeSpan {
    type Err = InvalidUnit;

    fn from_str(text: &str) -> Result<Self, InvalidUnit> {
        let (number, unit) = split_number(text).ok_or_else(|| InvalidUnit::Duration(text.into()))?;
        let too_large = || InvalidUnit::TooLarge(text.into());
        let number: u64 = number.parse().map_err(|_| too_large())?;
        let millis = match unit {
            "ms" => Some(number),
            "s" => number.checked_mul(1_000),
            "m" | "min" => number.checked_mul(60_000),
            "h" => number.checked_mul(3_600_000),
            "d" => number.checked_mul(86_400_000),
            _ => return Err(InvalidUnit::Duration(text.into())),
        };
        match millis {
            Some(millis) if millis <= SECONDS_MAX * 1_000 => Ok(Self(Duration::from_millis(millis))),
            _ => Err(too_large()),
        }
    }
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let (unit_millis, unit) = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")]
            .into_iter()
            .find(|(unit_millis, _)| millis >= *unit_millis && millis.is_multiple_of(*unit_millis))
            .unwrap_or((1, "ms"));
        write!(f, "{}{unit}", millis / unit_millis)
    }
}

impl FromStr for ByteSize {
    type Err = InvalidUnit;

    fn from_str(text: &str) -> Result<Self, InvalidUnit> {
        let (number, unit) = split_number(text).ok_or_else(|| InvalidUnit::Size(text.into()))?;
        let factor: u64 = match unit {
            "" | "B" => 1,
            "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "TB" => 1_000_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            _ => return Err(InvalidUnit::Size(text.into())),
        };
        let number: u64 = number.parse().map_err(|_| InvalidUnit::TooLarge(text.into()))?;
        number.checked_mul(factor).map(Self).ok_or_else(|| InvalidUnit::TooLarge(text.into()))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (factor, unit) = [(1_u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
            .into_iter()
            .find(|(factor, _)| self.0 >= *factor && self.0.is_multiple_of(*factor))
            .unwrap_or((1, "B"));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

impl FromStr for Rate {
    type Err = InvalidUnit;

    fn from_str(text: &str) -> Result<Self, InvalidUnit> {
        let invalid = || InvalidUnit::Rate(text.into());
        let (count, period) = text.split_once('/').ok_or_else(invalid)?;
        let (count, period) = (count.trim_end(), period.trim_start());
        if count.is_empty() || !count.bytes().all(|b| b.is_ascii_digit()) {
            return Err(invalid());
        }
        let count: u32 = count.parse().map_err(|_| InvalidUnit::TooLarge(text.into()))?;
        let seconds = |n| Ok(Duration::from_secs(n));
        let period = match period {
            "s" | "sec" | "second" => seconds(1),
            "m" | "min" | "minute" => seconds(60),
            "h" | "hour" => seconds(3_600),
            "d" | "day" => seconds(86_400),
            other => other.parse::<TimeSpan>().map(|span| span.0).map_err(|_| invalid()),
        }?;
        if period.is_zero() || period > Duration::from_secs(365 * 86_400) {
            return Err(invalid());
        }
        if count == 0 { Err(InvalidUnit::RateZero) } else { Ok(Self { count, period }) }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.period.as_secs() {
            1 if self.period.subsec_nanos() == 0 => write!(f, "{}/s", self.count),
            60 if self.period.subsec_nanos() == 0 => write!(f, "{}/min", self.count),
            3_600 if self.period.subsec_nanos() == 0 => write!(f, "{}/h", self.count),
            86_400 if self.period.subsec_nanos() == 0 => write!(f, "{}/d", self.count),
            _ => write!(f, "{}/{}", self.count, TimeSpan(self.period)),
        }
    }
}

fn split_number(text: &str) -> Option<(&str, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    if number.is_empty() { None } else { Some((number, unit.trim_start())) }
}

/// Reads a quantity from its text, or, for sizes, from a plain integer.
struct QuantityVisitor<T> {
    expected: &'static str,
    of_integer: fn(u64) -> Option<T>,
}

impl<T: FromStr<Err = InvalidUnit>> Visitor<'_> for QuantityVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        (self.of_integer)(number)
            .ok_or_else(|| E::invalid_type(de::Unexpected::Unsigned(number), &self.expected))
    }
}

macro_rules! quantity {
    ($name:ident, $schema_name:literal, $expected:literal, $of_integer:expr, $schema:tt) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(QuantityVisitor { expected: $expected, of_integer: $of_integer })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                Cow::Borrowed($schema_name)
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

quantity!(Rate, "Rate", "a rate like 100/s", |_| None, {
    "type": "string",
    "description": "A count per period: 100/s, 600/min, 5000/h, 5/10s.",
    "pattern": "^[0-9]+ */ *(s|sec|second|m|min|minute|h|hour|d|day|[0-9]+ *(ms|s|m|min|h|d))$"
});
quantity!(TimeSpan, "Duration", "a duration like 5s", |_| None, {
    "type": "string",
    "description": "A duration: 250ms, 5s, 1m, 24h, 10d.",
    "pattern": "^[0-9]+ *(ms|s|m|min|h|d)$"
});
quantity!(ByteSize, "ByteSize", "a size like 64KiB", |bytes| Some(ByteSize(bytes)), {
    "description": "A size: 512B, 64KiB, 10MiB, 1KB, or a number of bytes.",
    "anyOf": [
        { "type": "integer", "minimum": 0 },
        { "type": "string", "pattern": "^[0-9]+ *(|B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$" }
    ]
});

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(text: &str) -> Option<Duration> {
        text.parse::<TimeSpan>().ok().map(|span| span.0)
    }

    #[test]
    fn durations_parse() {
        assert_eq!(span("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(span("5s"), Some(Duration::from_secs(5)));
        assert_eq!(span("1m"), Some(Duration::from_secs(60)));
        assert_eq!(span("24h"), Some(Duration::from_secs(86_400)));
        assert_eq!(span("10d"), Some(Duration::from_secs(864_000)));
        for text in
            ["", "5", "s", "-5s", "1.5s", "5 parsecs", "99999999999999999999s", "18446744073709551615d"]
        {
            assert_eq!(span(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_parse() {
        let size = |text: &str| text.parse::<ByteSize>().ok().map(|size| size.0);
        assert_eq!(size("64KiB"), Some(65_536));
        assert_eq!(size("10MiB"), Some(10 << 20));
        assert_eq!(size("5GiB"), Some(5 << 30));
        assert_eq!(size("1KB"), Some(1_000));
        assert_eq!(size("512B"), Some(512));
        assert_eq!(size("512"), Some(512));
        for text in ["", "KiB", "1kib", "1.5MiB", "99999999999TiB", "99999999999999999999"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn rates_parse() {
        let rate = |text: &str| text.parse::<Rate>().ok().map(|rate| (rate.count, rate.period.as_secs()));
        assert_eq!(rate("100/s"), Some((100, 1)));
        assert_eq!(rate("600/min"), Some((600, 60)));
        assert_eq!(rate("600 / m"), Some((600, 60)));
        assert_eq!(rate("7/hour"), Some((7, 3_600)));
        assert_eq!(rate("7/d"), Some((7, 86_400)));
        assert_eq!(rate("5/10s"), Some((5, 10)));
        for text in ["", "/s", "5", "5/", "5/0s", "-5/s", "5/fortnight", "4294967296/s", "5/400d"] {
            assert_eq!(rate(text), None, "{text}");
        }
        assert_eq!("0/s".parse::<Rate>(), Err(InvalidUnit::RateZero));
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_again(millis in 0..SECONDS_MAX * 1_000, bytes: u64, count in 1_u32.., period in 1_u64..365 * 86_400_000) {
            let span = TimeSpan(Duration::from_millis(millis));
            prop_assert_eq!(span.to_string().parse::<TimeSpan>(), Ok(span));
            let size = ByteSize(bytes);
            prop_assert_eq!(size.to_string().parse::<ByteSize>(), Ok(size));
            let rate = Rate { count, period: Duration::from_millis(period) };
            prop_assert_eq!(rate.to_string().parse::<Rate>(), Ok(rate));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,20}", more in "[0-9]{0,22} ?[a-zA-Z/]{0,4}") {
            for text in [text, more] {
                let _ = (text.parse::<TimeSpan>(), text.parse::<ByteSize>(), text.parse::<Rate>());
            }
        }
    }
}
