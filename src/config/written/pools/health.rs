//! Health checks, and ejection of endpoints that fail.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

use http::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use crate::config::decode::{List, Spanned};
use crate::config::written::text::Text;
use crate::types::TimeSpan;

/// Active health checks.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct HealthCheck {
    /// The path that is asked for. Without one, taking a connection is enough.
    pub path: Option<Spanned<String>>,
    /// From one check to the next. Default 5s.
    pub interval: Option<Spanned<TimeSpan>>,
    /// How long an answer may take, at most `interval`. Default 1s.
    pub timeout: Option<Spanned<TimeSpan>>,
    /// After how many successes in a row an endpoint is healthy. Default 2.
    #[schemars(range(min = 1, max = 100))]
    pub healthy: Option<Spanned<u32>>,
    /// After how many failures in a row it is not. Default 3.
    #[schemars(range(min = 1, max = 100))]
    pub unhealthy: Option<Spanned<u32>>,
    /// The statuses of a healthy endpoint: single ones and ranges. Default [200-399].
    #[schemars(length(min = 1))]
    pub expect: Option<Spanned<List<Spanned<Statuses>>>>,
    /// The Host header to send. Default: the endpoint's own.
    pub host: Option<Spanned<String>>,
    /// GET, HEAD or OPTIONS. Default GET.
    pub method: Option<Spanned<Text<Method>>>,
}

/// A status like 204, or a range like 200-399.
#[derive(Clone, Debug)]
pub(in crate::config) struct Statuses(pub RangeInclusive<u16>);

/// Ejection of endpoints that fail.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct OutlierDetection {
    /// After how many failures in a row: 5xx, no connection, a reset, no answer in time. Default 5.
    #[schemars(range(min = 1, max = 1000))]
    pub consecutive_failures: Option<Spanned<u32>>,
    /// How often ejections end and success rates are compared. Default 10s.
    pub interval: Option<Spanned<TimeSpan>>,
    /// For how long, the first time; each further ejection lasts as much longer. Default 30s.
    pub base_ejection: Option<Spanned<TimeSpan>>,
    /// For how long at most. Default 300s.
    pub max_ejection: Option<Spanned<TimeSpan>>,
    /// The largest part of endpoints that may be out, in percent; one always may. Default 50.
    #[schemars(range(min = 1, max = 100))]
    pub max_ejected_percent: Option<Spanned<u32>>,
    /// Eject endpoints whose success rate is far below that of the others. Default: not; `{}` does with its defaults.
    pub success_rate: Option<SuccessRate>,
    /// Of how many tenants' requests failures must be before they count against an endpoint, so that one tenant's can't
    /// take it from the others. Default 2.
    #[schemars(range(min = 1, max = 8))]
    pub min_tenants: Option<Spanned<u32>>,
}

/// Comparison of success rates.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct SuccessRate {
    /// How many endpoints must have had enough requests. Default 5.
    #[schemars(range(min = 1))]
    pub min_hosts: Option<Spanned<u32>>,
    /// How many requests in an interval are enough. Default 100.
    #[schemars(range(min = 1))]
    pub min_volume: Option<Spanned<u32>>,
    /// How many standard deviations below the mean are too many. Default 1.9.
    #[schemars(range(min = 0.001, max = 100.0))]
    pub stdev_factor: Option<Spanned<f64>>,
}

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StatusesVisitor;

        impl Visitor<'_> for StatusesVisitor {
            type Value = Statuses;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status from 100 to 599, or a range like 200-399")
            }

            fn visit_u64<E: de::Error>(self, status: u64) -> Result<Statuses, E> {
                match u16::try_from(status) {
                    Ok(status @ 100..=599) => Ok(Statuses(status..=status)),
                    _ => Err(E::invalid_type(de::Unexpected::Unsigned(status), &self)),
                }
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Statuses, E> {
                let status =
                    |text: &str| text.trim().parse().ok().filter(|status| (100..=599).contains(status));
                let ends = text.split_once('-').and_then(|(first, last)| status(first).zip(status(last)));
                match ends {
                    Some((first, last)) if first > last => {
                        Err(E::custom(format!("`{text}` is an empty range\nwrite {last}-{first}")))
                    }
                    Some((first, last)) => Ok(Statuses(first..=last)),
                    None => Err(E::invalid_type(de::Unexpected::Str(text), &self)),
                }
            }
        }

        deserializer.deserialize_any(StatusesVisitor)
    }
}

impl JsonSchema for Statuses {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Statuses".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 100, "maximum": 599 },
                { "type": "string", "pattern": "^ *[1-5][0-9]{2} *- *[1-5][0-9]{2} *$" }
            ]
        })
    }
}
