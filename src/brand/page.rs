//! A page for somebody who reads: a refusal, in the look and the language of the tenant.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderValue;
use minijinja::{Value, context};

use super::phrases::{self, Phrases};
use super::{Brand, language, templates};

/// What a page is about.
#[derive(Debug, Clone, Copy)]
pub struct Refusal<'a> {
    /// The status.
    pub status: u16,
    /// The refusal's code.
    pub code: &'static str,
    /// What a program is told of it, for templates.
    pub detail: &'a str,
    /// The tenant, where it is known.
    pub tenant: Option<&'a str>,
    /// The request's id.
    pub request_id: &'a str,
    /// Seconds after which it may be worth to try again.
    pub retry_after_s: Option<u64>,
}

/// A page, and what its head has to say.
#[derive(Debug)]
pub struct Page {
    /// The document.
    pub html: Bytes,
    /// Its language.
    pub language: HeaderValue,
    /// What it may do: nothing but show itself.
    pub policy: HeaderValue,
}

/// The rules of the built-in page, behind the properties of a brand.
const CSS: &str = include_str!("page.css");

/// Of templates it is not known what they are styled by. Scripts they can't have: what they show may have been written by anyone.
static OF_TEMPLATES: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; base-uri 'none'; form-action 'none'",
);

/// What the words of the default language are kept with.
static ENGLISH: LazyLock<HeaderValue> = LazyLock::new(|| HeaderValue::from_static(phrases::DEFAULT));

impl Brand {
    /// The page of a refusal, for a client that reads these languages.
    #[must_use]
    pub fn page(&self, refusal: &Refusal<'_>, languages: Option<&HeaderValue>) -> Page {
        let settings = &self.settings;
        let default = settings.language.as_deref().unwrap_or(phrases::DEFAULT);
        let is_there = |tag: &str| {
            settings.texts.contains_key(tag) || (phrases::of(tag).is_some_and(|known| known.tag == tag))
        };
        let language = language::choose(languages, is_there, default);
        let phrases =
            phrases::of(&language).or_else(|| phrases::of(default)).unwrap_or_else(Phrases::default);
        let (title, message) = self.words(&language, refusal, phrases);
        let retry = refusal.retry_after_s.map(|seconds| phrases.retry.replace("{}", &seconds.to_string()));
        let style = self.style.css.as_str();
        let context = context! {
            brand => self.context(),
            logo_url => self.logo.as_deref().map_or(Value::UNDEFINED, Value::from),
            favicon_url => self.favicon.as_deref().map_or(Value::UNDEFINED, Value::from),
            style => Value::from_safe_string(format!("{style}{CSS}")),
            language => &*language,
            title => title,
            message => message,
            retry_text => retry.map_or(Value::UNDEFINED, Value::from),
            support_text => phrases.support,
            status => refusal.status,
            code => refusal.code,
            detail => refusal.detail,
            tenant => refusal.tenant.map_or(Value::UNDEFINED, Value::from),
            request_id => refusal.request_id,
            retry_after => refusal.retry_after_s.map_or(Value::UNDEFINED, Value::from),
        };
        let own = settings.templates.as_ref();
        let own = own.and_then(|own| own.render(refusal.code, refusal.status, &context));
        let (html, policy) = match own {
            Some(html) => (html, OF_TEMPLATES.clone()),
            None => (templates::built_in(&context), self.policy()),
        };
        let language = HeaderValue::from_str(&language).unwrap_or_else(|_| ENGLISH.clone());
        Page { html: html.into(), language, policy }
    }

    /// Heading and message: the tenant's own, else those that are built in.
    fn words<'w>(
        &'w self,
        language: &str,
        refusal: &Refusal<'_>,
        phrases: &'w Phrases,
    ) -> (&'w str, &'w str) {
        let (title, message) = phrases.page(refusal.code, refusal.status);
        let texts = self.settings.texts.get(language);
        let text = texts.and_then(|texts| texts.get(refusal.code).or_else(|| texts.get("default")));
        let own = |text: Option<&'w String>, built_in| text.map_or(built_in, String::as_str);
        match text {
            Some(text) => (own(text.title.as_ref(), title), own(text.message.as_ref(), message)),
            None => (title, message),
        }
    }

    /// What templates know as `brand`.
    fn context(&self) -> Value {
        let settings = &self.settings;
        let colors = settings.colors.iter();
        let colors = Value::from_pairs(colors.map(|(name, color)| (name.as_str(), color.to_string())));
        let fixed = [
            ("name", Value::from(settings.name.as_str())),
            ("support_email", settings.support_email.as_deref().map_or(Value::UNDEFINED, Value::from)),
            ("colors", colors),
        ];
        let own = settings.own.iter().map(|(name, value)| (name.as_str(), Value::from(value.as_str())));
        Value::from_pairs(own.chain(fixed))
    }

    /// The built-in page has one style sheet, known by its hash (CSP 3, §2.3.1).
    fn policy(&self) -> HeaderValue {
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        context.update(self.style.css.as_bytes());
        context.update(CSS.as_bytes());
        let hash = STANDARD.encode(context.finish());
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'none'"
        );
        HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
    }
}
