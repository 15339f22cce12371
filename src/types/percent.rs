//! A part of a whole, as operators write it: `20%`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A whole number of hundredths, from `0%` to `100%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u8);

/// A text is no part of a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a percentage\nwrite a whole number from 0 to 100 and %, like 20%")]
pub struct InvalidPercent(String);

impl Percent {
    /// So many hundredths; more than 100 are 100.
    #[must_use]
    pub const fn new(hundredths: u8) -> Self {
        Self(if hundredths > 100 { 100 } else { hundredths })
    }

    /// How many hundredths, from 0 to 100.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl FromStr for Percent {
    type Err = InvalidPercent;

    fn from_str(text: &str) -> Result<Self, InvalidPercent> {
        let number = text.strip_suffix('%').map(str::trim_end);
        let digits = number.filter(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()));
        let hundredths = digits.and_then(|digits| digits.parse::<u8>().ok()).filter(|number| *number <= 100);
        hundredths.map(Self).ok_or_else(|| InvalidPercent(text.to_owned()))
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl<'de> Deserialize<'de> for Percent {
    /// A bare number is refused: `0.2`, `20` and `20%` would mean the same to some and not to others.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PercentVisitor;

        impl Visitor<'_> for PercentVisitor {
            type Value = Percent;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a percentage like 20%")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Percent, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(PercentVisitor)
    }
}

impl JsonSchema for Percent {
    fn schema_name() -> Cow<'static, str> {
        "Percent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A percentage: 0% to 100%.",
            "pattern": "^0*([0-9]|[1-9][0-9]|100) *%$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentages_parse() {
        let percent = |text: &str| text.parse::<Percent>().ok().map(Percent::get);
        assert_eq!(percent("0%"), Some(0));
        assert_eq!(percent("20%"), Some(20));
        assert_eq!(percent("100 %"), Some(100));
        for text in ["", "%", "20", "101%", "-1%", "+5%", "0.5%", "20%%", "300%", "many%"] {
            assert_eq!(percent(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_again(hundredths: u8) {
            let percent = Percent::new(hundredths);
            prop_assert!(percent.get() <= 100);
            prop_assert_eq!(percent.to_string().parse(), Ok(percent));
        }
    }
}
