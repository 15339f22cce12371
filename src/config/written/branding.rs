//! Branding: how a tenant looks.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::text::{FromText, Text};
use crate::config::decode::{Entries, List, Spanned};
use crate::types::Color;

/// How a tenant looks. Keys of the operator's own may stand beside these: texts, for templates and as {{brand.KEY}}.
#[derive(Debug, Default, JsonSchema)]
pub(in crate::config) struct Branding {
    /// The name that its users see.
    pub name: Option<Spanned<String>>,
    /// The file of its logo (.svg, .png, .jpg, .webp, .gif), or a data: URL with it in base64.
    pub logo: Option<Spanned<String>>,
    /// The file of its favicon (also .ico), or a data: URL with it in base64.
    pub favicon: Option<Spanned<String>>,
    /// Colours by name, like primary and background: "#2457f5", "#25f" or "rgb(36, 87, 245)".
    pub colors: Option<Entries<Spanned<Text<Color>>>>,
    /// Where its users find help.
    pub support_email: Option<Spanned<String>>,
    /// The language of clients that ask for none that there is, like de or pt-BR. Default en.
    pub language: Option<Spanned<String>>,
    /// Its own words for pages: by language, then by the refusal's code, or `default` for all that have none.
    pub texts: Option<Entries<Entries<PageText>>>,
    /// The folder of templates for error pages: error.html, maintenance.html, STATUS.html, CODE.html (Jinja).
    pub error_pages: Option<Spanned<String>>,
    /// Whether a stylesheet link and {{brand.…}} tokens are put into proxied HTML. Default false.
    pub inject: Option<Spanned<bool>>,
    /// The path below which brand.css, brand.json, logo and favicon are served. Default /.brand/.
    pub serve_at: Option<Spanned<String>>,
    /// What is changed in proxied HTML where `inject` is true.
    pub rewrite: Option<Spanned<List<Spanned<HtmlRewrite>>>>,
    /// Statuses from 400 to 599 of the application's own that pages take the place of, like [502, 503, 504].
    pub intercept: Option<Spanned<List<Spanned<u16>>>>,
    /// The operator's own keys.
    #[schemars(skip)]
    pub own: Vec<(Spanned<String>, String)>,
}

/// The words of a page.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct PageText {
    /// Its heading.
    pub title: Option<String>,
    /// What it says below.
    pub message: Option<String>,
}

/// A change to some elements of a page.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct HtmlRewrite {
    /// Which elements: a CSS selector, like #footer or a.help.
    pub select: Spanned<String>,
    /// The text that takes the place of what they hold. It may have {{brand.…}} tokens.
    pub set_inner: Option<String>,
    /// The same, as HTML: never a place for what a customer may write.
    pub set_inner_html: Option<String>,
    /// Attributes and their new values, which may have {{brand.…}} tokens.
    #[serde(default)]
    pub set_attributes: Entries<String>,
    /// Whether they are left out with all that they hold. Default false.
    pub remove: Option<bool>,
}

impl FromText for Color {
    const WHAT: &'static str = "a colour, like \"#2457f5\"";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error| format!("`{text}` is {error}"))
    }
}

// Written out, because `flatten`, which would take the other keys, loses the places of errors.
impl<'de> Deserialize<'de> for Branding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BrandingVisitor;

        impl<'de> Visitor<'de> for BrandingVisitor {
            type Value = Branding;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Branding, A::Error> {
                let mut branding = Branding::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "name" => branding.name = map.next_value()?,
                        "logo" => branding.logo = map.next_value()?,
                        "favicon" => branding.favicon = map.next_value()?,
                        "colors" => branding.colors = map.next_value()?,
                        "support_email" => branding.support_email = map.next_value()?,
                        "language" => branding.language = map.next_value()?,
                        "texts" => branding.texts = map.next_value()?,
                        "error_pages" => branding.error_pages = map.next_value()?,
                        "inject" => branding.inject = map.next_value()?,
                        "serve_at" => branding.serve_at = map.next_value()?,
                        "rewrite" => branding.rewrite = map.next_value()?,
                        "intercept" => branding.intercept = map.next_value()?,
                        _ => {
                            let value = map.next_value::<Spanned<String>>()?;
                            let Spanned { value, mark, key: place } = value;
                            branding.own.push((Spanned { value: key, mark, key: place }, value));
                        }
                    }
                }
                Ok(branding)
            }
        }

        deserializer.deserialize_map(BrandingVisitor)
    }
}
