//! Quotas, and the store that keeps them.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use super::text::{FromText, Text};
use crate::config::decode::Spanned;
use crate::config::document::{CalendarUnit, Meter, OnOutage, StoreLocation, TimeZone, Window};
use crate::config::suggest;
use crate::types::{Rate, TimeSpan};

/// How much a tenant may use in a window of time, counted durably.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Quota {
    /// Its name: one word, unique among the tenant's quotas. A tenant's replaces its plan's of the same name.
    pub name: Spanned<String>,
    /// What it counts.
    pub meter: Spanned<MeterWord>,
    /// How much there may be in a window: a number of requests, a size like 5GiB, or seconds (also 10h).
    pub limit: Spanned<Amount>,
    /// The window: minute, hour, day, week (from Monday), month or year of the calendar, or a duration like 24h for a
    /// rolling one, at any moment the last so long.
    pub per: Spanned<Per>,
    /// The time zone of the window's calendar, like Europe/Berlin. Default: the tenant's, else UTC.
    pub time_zone: Option<Spanned<Text<TimeZone>>>,
    /// What happens past the limit. Default reject.
    pub on_exceed: Option<Spanned<OnExceed>>,
    /// The rate at which requests pass past the limit, with `on_exceed: throttle`.
    pub throttle: Option<Spanned<Rate>>,
    /// From how much on it is warned, as a part of the limit (80%) or as an amount; nothing is refused for it.
    pub soft: Option<Spanned<Threshold>>,
}

/// A counted quantity.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Meter")]
pub(in crate::config) enum MeterWord {
    /// Requests, each as many units as its route's `cost`.
    Requests,
    /// Bytes of request bodies.
    RequestBytes,
    /// Bytes of response bodies.
    ResponseBytes,
    /// Time that requests spend upstream.
    UpstreamSeconds,
}

/// What happens past a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum OnExceed {
    /// Requests are refused.
    Reject,
    /// Requests pass at the rate of `throttle`.
    Throttle,
    /// Requests pass, and are counted.
    Allow,
}

/// What becomes of a request while the store does not answer.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "OnStoreOutage")]
pub(in crate::config) enum OnOutageWord {
    /// The gateway decides by what it knows itself, and tells the store later.
    Local,
    /// It is refused with 503.
    Deny,
}

/// How much, in what its meter counts: a number, a size or a duration.
#[derive(Clone, Debug)]
pub(in crate::config) enum Amount {
    Number(u64),
    Text(String),
}

/// A part of a limit, or an amount.
#[derive(Clone, Debug)]
pub(in crate::config) enum Threshold {
    Percent(u64),
    Amount(Amount),
}

/// A window.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct Per(pub Window);

impl From<MeterWord> for Meter {
    fn from(word: MeterWord) -> Self {
        match word {
            MeterWord::Requests => Self::Requests,
            MeterWord::RequestBytes => Self::RequestBytes,
            MeterWord::ResponseBytes => Self::ResponseBytes,
            MeterWord::UpstreamSeconds => Self::UpstreamSeconds,
        }
    }
}

impl From<OnOutageWord> for OnOutage {
    fn from(word: OnOutageWord) -> Self {
        match word {
            OnOutageWord::Local => Self::Local,
            OnOutageWord::Deny => Self::Deny,
        }
    }
}

/// A number or a text, of which the text's meaning comes with the meter.
struct AmountVisitor(&'static str);

impl Visitor<'_> for AmountVisitor {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Amount, E> {
        Ok(Amount::Number(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
        Ok(Amount::Text(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AmountVisitor("a number like 100000, or a size like 5GiB"))
    }
}

impl<'de> Deserialize<'de> for Threshold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let visitor = AmountVisitor("a part of the limit like 80%, or an amount");
        let amount = deserializer.deserialize_any(visitor)?;
        let percent = match &amount {
            Amount::Text(text) => text.strip_suffix('%').and_then(|number| number.trim_end().parse().ok()),
            Amount::Number(_) => None,
        };
        Ok(percent.map_or(Self::Amount(amount), Self::Percent))
    }
}

impl<'de> Deserialize<'de> for Per {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::<Self>::deserialize(deserializer).map(|text| text.0)
    }
}

impl FromText for Per {
    const WHAT: &'static str = "a window, like month or 24h";

    fn from_text(text: &str) -> Result<Self, String> {
        if let Some(unit) = CalendarUnit::ALL.into_iter().find(|unit| unit.as_str() == text) {
            return Ok(Self(Window::Calendar(unit)));
        }
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            let span: TimeSpan =
                text.parse().map_err(|error: crate::types::InvalidUnit| error.to_string())?;
            return Ok(Self(Window::Rolling(span.0)));
        }
        let hint = suggest::hint(text, CalendarUnit::ALL.map(CalendarUnit::as_str)).unwrap_or_default();
        let hint = if hint.starts_with("did") { hint } else { format!("{hint}, or a duration like 24h") };
        Err(format!("`{text}` is no window\n{hint}"))
    }
}

impl FromText for TimeZone {
    const WHAT: &'static str = "a time zone, like Europe/Berlin";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|()| {
            let names = Self::names();
            let near = suggest::hint(text, names.iter().map(String::as_str));
            let hint = near.unwrap_or_else(|| {
                "write a name of the IANA database, like UTC, Europe/Berlin or America/New_York".to_owned()
            });
            format!("`{text}` is no time zone\n{hint}")
        })
    }
}

impl FromText for StoreLocation {
    const WHAT: &'static str = "a store, like sqlite:state/tollgate.db";

    /// Messages show no more than the scheme: what follows may be a password.
    fn from_text(text: &str) -> Result<Self, String> {
        let hint = "write sqlite:PATH, like sqlite:state/tollgate.db";
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(format!("a store has a scheme\n{hint}"));
        };
        match scheme {
            "sqlite" if rest.starts_with("//") => {
                let path = rest.trim_start_matches('/');
                let path = if rest.starts_with("///") { format!("/{path}") } else { path.to_owned() };
                Err(format!("a path follows `sqlite:`, not a URL\nwrite sqlite:{path}"))
            }
            "sqlite" if rest.is_empty() || rest.starts_with(':') => {
                Err(format!("a store needs a file: what it keeps must outlive the process\n{hint}"))
            }
            "sqlite" => Ok(Self::Sqlite(rest.into())),
            "postgres" | "postgresql" => Ok(Self::Postgres),
            _ => Err(format!("`{scheme}` is no kind of store\n{hint}")),
        }
    }
}

impl JsonSchema for Amount {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let units = "^[0-9]+ *(|B|KB|MB|GB|TB|KiB|MiB|GiB|TiB|ms|s|m|min|h|d)$";
        json_schema!({ "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "string", "pattern": units }] })
    }
}

impl JsonSchema for Threshold {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Threshold".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let units = "^[0-9]+ *(|%|B|KB|MB|GB|TB|KiB|MiB|GiB|TiB|ms|s|m|min|h|d)$";
        json_schema!({ "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "string", "pattern": units }] })
    }
}

impl JsonSchema for Per {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Window".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "enum": CalendarUnit::ALL.map(CalendarUnit::as_str) },
            { "type": "string", "pattern": "^[0-9]+ *(ms|s|m|min|h|d)$" }
        ] })
    }
}
