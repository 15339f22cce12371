//! How a tenant looks where the gateway itself speaks: its pages, and what of it stands in them.
//!
//! A [`Brand`] is made once of a configuration or a tenant, and shared: tenants that have nothing of their own share the
//! default. Whatever it holds may have been written by a tenant's own people, so nothing of it is ever markup or style.

mod accept;
mod assets;
pub mod html;
mod language;
mod page;
mod palette;
mod phrases;
mod templates;

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use bytes::Bytes;
use http::{HeaderMap, Method, Response};

pub use accept::prefers_html;
pub use page::{Page, Refusal};
pub use templates::Templates;

use crate::types::Color;
use assets::Assets;
use html::{Injection, Rule};
use palette::Style;

/// How a tenant looks.
#[derive(Debug)]
pub struct Brand {
    settings: Settings,
    style: Style,
    /// The logo as a URL that holds it: pages ask for nothing.
    logo: Option<String>,
    /// The favicon likewise.
    favicon: Option<String>,
    /// What is done to proxied HTML, if it is.
    injection: Option<Arc<Injection>>,
    /// What is served of it, unless nothing is written of it.
    assets: Option<Assets>,
}

/// What a brand is made of.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The name that users see.
    pub name: String,
    /// The logo.
    pub logo: Option<Image>,
    /// The picture for tabs.
    pub favicon: Option<Image>,
    /// The path below which its files are served, with a slash at its end; empty where none are.
    pub serve_at: String,
    /// Colours by name.
    pub colors: BTreeMap<String, Color>,
    /// Where users find help.
    pub support_email: Option<String>,
    /// The language of clients that ask for none that there is.
    pub language: Option<String>,
    /// Whether proxied HTML is given the look.
    pub inject: bool,
    /// What else is changed in it.
    pub rules: Vec<Rule>,
    /// Statuses of the application's that pages take the place of.
    pub intercept: Vec<u16>,
    /// Words of pages, by language in lower case and by code, `default` for all others.
    pub texts: BTreeMap<String, BTreeMap<String, Text>>,
    /// Templates in the place of the built-in one.
    pub templates: Option<Arc<Templates>>,
    /// Keys of the operator's own.
    pub own: BTreeMap<String, String>,
}

/// A picture.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its media type.
    pub media_type: &'static str,
    /// Its content.
    pub content: Arc<[u8]>,
}

/// The words of a page.
#[derive(Debug, Clone, Default)]
pub struct Text {
    /// Its heading.
    pub title: Option<String>,
    /// What it says below.
    pub message: Option<String>,
}

/// Octets of a logo, and of a favicon, that a page carries within it. A larger one is left out of pages.
const LOGO_INLINE_MAX: usize = 64 * 1024;
const FAVICON_INLINE_MAX: usize = 8 * 1024;

impl Brand {
    /// Makes it.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let style = Style::of(&settings.colors);
        let inline = |image: &Option<Image>, longest| {
            let image = image.as_ref().filter(|image| image.content.len() <= longest)?;
            Some(format!("data:{};base64,{}", image.media_type, STANDARD.encode(&image.content)))
        };
        let logo = inline(&settings.logo, LOGO_INLINE_MAX);
        let favicon = inline(&settings.favicon, FAVICON_INLINE_MAX);
        let assets = (!settings.serve_at.is_empty()).then(|| Assets::new(&settings, &style.css));
        let injection =
            assets.as_ref().filter(|_| settings.inject).map(|assets| Arc::new(injection(&settings, assets)));
        Self { settings, style, logo, favicon, injection, assets }
    }

    /// Whether a page takes the place of the application's answer of this status.
    #[must_use]
    pub fn intercepts(&self, status: u16) -> bool {
        self.settings.intercept.contains(&status)
    }

    /// What is done to proxied HTML, if it is.
    #[must_use]
    pub fn injection(&self) -> Option<&Arc<Injection>> {
        self.injection.as_ref()
    }

    /// Whether it has files that are served.
    #[must_use]
    pub fn has_files(&self) -> bool {
        self.assets.is_some()
    }

    /// The answer to a request for one of its files: a style sheet, what it is as JSON, its pictures. `None` where it is for something else.
    #[must_use]
    pub fn answer(&self, method: &Method, path: &str, fields: &HeaderMap) -> Option<Response<Bytes>> {
        self.assets.as_ref()?.answer(method, path, fields)
    }

    /// Its templates, which other brands may share.
    #[must_use]
    pub fn templates(&self) -> Option<&Arc<Templates>> {
        self.settings.templates.as_ref()
    }
}

impl Default for Brand {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

fn injection(settings: &Settings, assets: &Assets) -> Injection {
    let colors: Vec<(String, String)> =
        settings.colors.iter().map(|(name, color)| (format!("colors.{name}"), color.to_string())).collect();
    let own = settings.own.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let mut texts: Vec<(&str, &str)> = own.collect();
    texts.push(("name", &settings.name));
    texts.extend(settings.support_email.as_deref().map(|address| ("support_email", address)));
    texts.extend(colors.iter().map(|(name, color)| (name.as_str(), color.as_str())));
    let url = |stem: &str, ending| assets.url(stem, ending).unwrap_or_default();
    let (stylesheet, logo, favicon) = (url("brand", Some("css")), url("logo", None), url("favicon", None));
    let urls = [("logo", &logo), ("favicon", &favicon), ("stylesheet", &stylesheet)];
    let urls: Vec<_> =
        urls.iter().filter(|(_, url)| !url.is_empty()).map(|(key, url)| (*key, url.as_str())).collect();
    let theme = settings.colors.get("primary").map(ToString::to_string);
    Injection::new(&settings.serve_at, &stylesheet, theme, &texts, &urls, &settings.rules)
}
