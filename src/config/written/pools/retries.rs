//! Retries.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use crate::config::decode::{List, Spanned};
use crate::types::{ByteSize, Percent, TimeSpan};

/// Retries of requests that are idempotent, or had no effect for certain.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Retries {
    /// The most for one request. Default 2.
    #[schemars(range(max = 10))]
    pub max: Option<Spanned<u32>>,
    /// After what: connect_failure, reset, and statuses from 500 to 599, of which 504 is also an endpoint that does not
    /// answer in time. Default [connect_failure, reset, 502, 503, 504].
    pub on: Option<Spanned<List<RetryOn>>>,
    /// The largest part of the pool's requests in flight that may be retries. Default 20%.
    pub budget: Option<Spanned<Percent>>,
    /// The largest part of one tenant's requests in flight that may be retries. Default 50%.
    pub tenant_budget: Option<Spanned<Percent>>,
    /// How long each try may take to its response's head. Default: as long as `timeouts.response_header` lets it.
    pub per_try_timeout: Option<Spanned<TimeSpan>>,
    /// The wait before a retry.
    #[serde(default)]
    pub backoff: Backoff,
    /// The largest request body that is kept to be sent again, up to 16MiB. Default 64KiB.
    pub buffer: Option<Spanned<ByteSize>>,
}

/// The wait before a retry: a random one up to a bound that doubles with each.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Backoff {
    /// The bound before the first retry. Default 25ms.
    pub base: Option<Spanned<TimeSpan>>,
    /// The greatest bound. Default 250ms.
    pub max: Option<Spanned<TimeSpan>>,
}

/// What a retry follows: connect_failure, reset, or a status.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) enum RetryOn {
    ConnectFailure,
    Reset,
    Status(u16),
}

impl<'de> Deserialize<'de> for RetryOn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RetryVisitor;

        impl Visitor<'_> for RetryVisitor {
            type Value = RetryOn;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`connect_failure`, `reset` or a status from 500 to 599")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<RetryOn, E> {
                match word {
                    "connect_failure" => Ok(RetryOn::ConnectFailure),
                    "reset" => Ok(RetryOn::Reset),
                    // Words of other proxies, which stand for statuses.
                    "timeout" => Err(E::custom("`timeout` is written as its status\nwrite 504")),
                    "5xx" | "gateway-error" | "gateway_error" => Err(E::custom(format!(
                        "`{word}` is written as its statuses\nwrite them, like 502, 503, 504"
                    ))),
                    _ => Err(E::unknown_variant(word, &["connect_failure", "reset"])),
                }
            }

            fn visit_u64<E: de::Error>(self, status: u64) -> Result<RetryOn, E> {
                match u16::try_from(status) {
                    Ok(status @ 500..=599) => Ok(RetryOn::Status(status)),
                    _ => Err(E::invalid_type(de::Unexpected::Unsigned(status), &self)),
                }
            }
        }

        deserializer.deserialize_any(RetryVisitor)
    }
}

impl JsonSchema for RetryOn {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "RetryOn".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "enum": ["connect_failure", "reset"] },
                { "type": "integer", "minimum": 500, "maximum": 599 }
            ]
        })
    }
}
