//! Branding: how a tenant looks, and what of it differs from the default.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::types::Color;

/// How tenants look, as it was written: what is missing is as the default has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Branding {
    /// The name that users see.
    pub name: Option<String>,
    /// The logo.
    pub logo: Option<Image>,
    /// The picture for tabs.
    pub favicon: Option<Image>,
    /// The path below which files are served, with a slash at its end.
    pub serve_at: Option<String>,
    /// Colours by name.
    pub colors: BTreeMap<String, Color>,
    /// Where users find help.
    pub support_email: Option<String>,
    /// The language of clients that ask for none that there is: a language tag in lower case.
    pub language: Option<String>,
    /// Whether proxied HTML is given the look.
    pub inject: Option<bool>,
    /// What else is changed in it.
    pub rewrite: Option<Vec<HtmlRewrite>>,
    /// Statuses of the application's that pages take the place of.
    pub intercept: Option<Vec<u16>>,
    /// Words of pages, by language in lower case and by code.
    pub texts: BTreeMap<String, BTreeMap<String, PageText>>,
    /// Templates of pages, by the name of their file.
    pub error_pages: Option<Arc<BTreeMap<String, String>>>,
    /// Keys of the operator's own.
    pub own: BTreeMap<String, String>,
}

impl Branding {
    /// The code whose texts stand for all that have none.
    pub const DEFAULT: &'static str = "default";

    /// The path below which files are served, unless another is written.
    pub const SERVE_AT: &'static str = "/.brand/";

    /// Whether nothing is written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// It, with what is missing taken from another. Mappings are merged by their keys.
    #[must_use]
    pub fn over(&self, default: &Self) -> Self {
        let mut texts = default.texts.clone();
        for (language, own) in &self.texts {
            texts.entry(language.clone()).or_default().extend(own.clone());
        }
        let mut colors = default.colors.clone();
        colors.extend(self.colors.clone());
        let mut own = default.own.clone();
        own.extend(self.own.clone());
        Self {
            name: self.name.clone().or_else(|| default.name.clone()),
            logo: self.logo.clone().or_else(|| default.logo.clone()),
            favicon: self.favicon.clone().or_else(|| default.favicon.clone()),
            serve_at: self.serve_at.clone().or_else(|| default.serve_at.clone()),
            colors,
            support_email: self.support_email.clone().or_else(|| default.support_email.clone()),
            language: self.language.clone().or_else(|| default.language.clone()),
            inject: self.inject.or(default.inject),
            rewrite: self.rewrite.clone().or_else(|| default.rewrite.clone()),
            intercept: self.intercept.clone().or_else(|| default.intercept.clone()),
            texts,
            error_pages: self.error_pages.clone().or_else(|| default.error_pages.clone()),
            own,
        }
    }
}

/// The words of a page; what is missing is as Tollgate has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageText {
    /// Its heading.
    pub title: Option<String>,
    /// What it says below.
    pub message: Option<String>,
}

/// A change to some elements of pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HtmlRewrite {
    /// Which: a CSS selector.
    pub select: String,
    /// The text that they hold from now on.
    pub set_inner: Option<String>,
    /// The same as HTML.
    pub set_inner_html: Option<String>,
    /// Attributes and their values.
    pub set_attributes: BTreeMap<String, String>,
    /// Whether they are left out.
    pub remove: bool,
    /// Whether a tenant of the API says it, who may not have anything run or loaded by pages.
    pub guarded: bool,
}

/// A picture, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// What was written: a path, or a data: URL.
    pub written: String,
    /// Its media type.
    pub media_type: &'static str,
    /// Its content.
    pub content: Arc<[u8]>,
}
