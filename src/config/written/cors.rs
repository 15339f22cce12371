//! Cross-origin requests.

use http::{HeaderName, Method};
use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{FromText, Text};
use crate::config::decode::{List, Spanned, WordOr};
use crate::types::{OriginPattern, TimeSpan};

/// What is said of cross-origin requests: a mapping, or off.
pub(in crate::config) type CorsSetting = WordOr<CorsWord, Cors>;

/// Not by the gateway.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum CorsWord {
    /// They are the application's own affair.
    Off,
}

/// Which pages of other origins may do what (CORS). Preflights are answered by the gateway.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Cors {
    /// Origins: https://app.example.com, "https://*.example.com" for all hosts below, "null", or "*" for every one.
    #[schemars(length(min = 1))]
    pub allow_origins: Spanned<List<Spanned<Text<OriginPattern>>>>,
    /// Methods, or "*" for whichever is asked for. Default GET, HEAD and POST.
    pub allow_methods: Option<List<Spanned<Text<NameOrAny<Method>>>>>,
    /// Fields of requests, or "*" for whichever are asked for. Default: those that need no permission.
    #[serde(default)]
    pub allow_headers: List<Spanned<Text<NameOrAny<HeaderName>>>>,
    /// Fields of responses that pages may read, or "*". Default: those that need no permission.
    #[serde(default)]
    pub expose_headers: List<Spanned<Text<NameOrAny<HeaderName>>>>,
    /// Whether requests may carry cookies and other credentials. Default false.
    pub allow_credentials: Option<Spanned<bool>>,
    /// For how long browsers may remember the answer to a preflight. Default: as they like, 5 s as a rule.
    pub max_age: Option<Spanned<TimeSpan>>,
    /// Whether pages of the public network may ask, where the gateway is in a private one. Default false.
    pub allow_private_network: Option<Spanned<bool>>,
}

/// A name, or `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) enum NameOrAny<N> {
    /// `*`.
    Any,
    /// This.
    Name(N),
}

impl<N: FromText> FromText for NameOrAny<N> {
    const WHAT: &'static str = N::WHAT;

    fn from_text(text: &str) -> Result<Self, String> {
        if text == "*" { Ok(Self::Any) } else { N::from_text(text).map(Self::Name) }
    }
}

impl FromText for OriginPattern {
    const WHAT: &'static str = "an origin, like https://app.example.com";

    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|error| {
            format!("`{text}` is no origin: {error}\nwrite it like https://app.example.com or \"https://*.example.com\", or \"*\"")
        })
    }
}
