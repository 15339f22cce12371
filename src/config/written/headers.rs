//! Changes to header fields.

use http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{FromText, Text};
use crate::config::decode::{Entries, List, Spanned};

/// Header fields to set and to remove.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct HeaderRules {
    /// Fields that get exactly this value, whatever was there.
    #[serde(default)]
    pub set: Entries<Spanned<Text<HeaderValueText>>>,
    /// Fields that are dropped.
    #[serde(default)]
    pub remove: List<Spanned<Text<HeaderName>>>,
}

/// The value of a header field.
#[derive(Clone, Debug)]
pub(in crate::config) struct HeaderValueText {
    pub value: HeaderValue,
    /// Whether it has a `{`, which is kept for values that depend on the request.
    pub has_template: bool,
}

impl FromText for HeaderValueText {
    const WHAT: &'static str = "the value of a header";

    fn from_text(text: &str) -> Result<Self, String> {
        let value = HeaderValue::from_str(text.trim()).map_err(|_| {
            "the value of a header can't have control characters\nwrite it on one line".to_owned()
        })?;
        Ok(Self { value, has_template: text.contains('{') })
    }
}
