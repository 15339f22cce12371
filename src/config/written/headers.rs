//! Changes to header fields.

use http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{FromText, Text};
use crate::config::decode::{Entries, List, Spanned};
use crate::types::{FieldValue, Wording};

/// Header fields to remove, to set and to add to, in this order.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct HeaderRules {
    /// Fields that get exactly this value, whatever was there. In braces: what each request fills in, like "{tenant.id}".
    #[serde(default)]
    pub set: Entries<Spanned<Text<FieldValue>>>,
    /// Fields that get one line more with this value.
    #[serde(default)]
    pub add: Entries<Spanned<Text<FieldValue>>>,
    /// Fields that are dropped.
    #[serde(default)]
    pub remove: List<Spanned<Text<HeaderName>>>,
}

impl FromText for FieldValue {
    const WHAT: &'static str = "the value of a header";

    fn from_text(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let value = HeaderValue::from_str(text).map_err(|_| {
            "the value of a header can't have control characters\nwrite it on one line".to_owned()
        })?;
        match text.contains('{') {
            true => Wording::parse(text).map(Self::Filled).map_err(|error| error.to_string()),
            false => Ok(Self::Fixed(value)),
        }
    }
}

impl FromText for Wording {
    const WHAT: &'static str = "a text, like \"/new/{path.id}\"";

    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|error| error.to_string())
    }
}
