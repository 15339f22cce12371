//! Features of plans and tenants.

use schemars::JsonSchema;
use serde::Deserialize;

use super::text::{FromText, Text};
use crate::config::decode::{Spanned, WordOr};
use crate::config::document::Moment;

/// A feature: its name, or how it is rolled out.
pub(in crate::config) type Feature = WordOr<String, FeatureTerms>;

/// How a feature is rolled out.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct FeatureTerms {
    /// Its name.
    pub name: Spanned<String>,
    /// Whether it is had: `false` takes one of its plan's from a tenant. Default true.
    pub enabled: Option<bool>,
    /// How many of a hundred tenants have it; always the same ones, and more of them with a larger number. Default 100.
    #[schemars(range(min = 0, max = 100))]
    pub percent: Option<Spanned<u32>>,
    /// From when on it is had: 2026-12-01 or 2026-12-01T09:00 in the tenant's time zone, or with an offset,
    /// 2026-12-01T09:00:00Z.
    pub from: Option<Spanned<Text<Moment>>>,
    /// From when on it is not had any more.
    pub until: Option<Spanned<Text<Moment>>>,
}

impl FromText for Moment {
    const WHAT: &'static str = "a moment, like 2026-12-01 or 2026-12-01T09:00:00Z";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|()| {
            format!(
                "`{text}` is no date and no moment\nwrite a day like 2026-12-01, a time like 2026-12-01T09:00 (both in the tenant's time zone), or with an offset like 2026-12-01T09:00:00Z"
            )
        })
    }
}
