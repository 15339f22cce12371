//! The audit log of the store.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};

use crate::types::TimeSpan;

/// The shortest time that the log is kept for: other gateways on the same store follow it to know what has changed.
const RETAIN_MIN: Duration = Duration::from_secs(3_600);

/// The audit log.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Audit {
    /// For how long entries are kept, at least 1h, or `forever`. Default 400d.
    pub retain: Option<Retain>,
}

/// How long something is kept.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) enum Retain {
    Forever,
    For(Duration),
}

impl<'de> Deserialize<'de> for Retain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RetainVisitor;

        impl Visitor<'_> for RetainVisitor {
            type Value = Retain;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration like 400d, or `forever`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Retain, E> {
                match text {
                    "forever" => Ok(Retain::Forever),
                    _ => match text.parse::<TimeSpan>() {
                        Ok(span) if span.0 >= RETAIN_MIN => Ok(Retain::For(span.0)),
                        _ => Err(wrong(text)),
                    },
                }
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Retain, E> {
                Err(wrong(number))
            }
        }

        /// Nobody guesses whether 0 or `never` keeps all or nothing.
        fn wrong<E: de::Error>(written: impl fmt::Display) -> E {
            E::custom(format!(
                "`{written}` is not how long the audit log can be kept\nwrite at least 1h, like 400d, or `forever` to keep all of it"
            ))
        }

        deserializer.deserialize_any(RetainVisitor)
    }
}

impl JsonSchema for Retain {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Retain".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "const": "forever" }, generator.subschema_for::<TimeSpan>()] })
    }
}
