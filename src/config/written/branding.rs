//! Branding: its type is checked, its use comes later.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::config::decode::Entries;

/// How a tenant looks. Keys of the operator's own may stand beside these.
#[derive(Debug, Default, JsonSchema)]
pub(in crate::config) struct Branding {
    /// The name that its users see.
    name: Option<String>,
    /// The file of its logo.
    logo: Option<String>,
    /// Colours by name, like primary and background.
    colors: Option<Entries<String>>,
    /// Where its users find help.
    support_email: Option<String>,
    /// The folder of templates for error pages.
    error_pages: Option<String>,
    /// Whether a stylesheet link and {{brand.…}} tokens are put into proxied HTML.
    inject: Option<bool>,
    /// The path below which brand.css, brand.json and the logo are served.
    serve_at: Option<String>,
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
                        "colors" => branding.colors = map.next_value()?,
                        "support_email" => branding.support_email = map.next_value()?,
                        "error_pages" => branding.error_pages = map.next_value()?,
                        "inject" => branding.inject = map.next_value()?,
                        "serve_at" => branding.serve_at = map.next_value()?,
                        _ => _ = map.next_value::<IgnoredAny>()?,
                    }
                }
                Ok(branding)
            }
        }

        deserializer.deserialize_map(BrandingVisitor)
    }
}
