//! Proxied HTML in the look of the tenant: a style sheet and `theme-color` into `<head>`, tokens replaced, elements changed.
//!
//! Pages are taken for windows-1252 whatever they are in: in it every octet is a character and back, so what is not changed stays
//! as it is to the octet, and what is put in is ASCII, which is the same in every charset that is not refused (`head`).

mod coding;
mod gzip;
mod head;
mod policy;
mod progress;
#[cfg(test)]
mod tests;
mod tokens;
mod transform;
mod validator;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use http::HeaderMap;
use lol_html::errors::RewritingError;
use lol_html::html_content::{BailOut, ContentType, Element, TextChunk, TextType};
use lol_html::{
    AsciiCompatibleEncoding, DocumentContentHandlers, ElementContentHandlers, HandlerResult, MemorySettings,
    Selector, Settings,
};

pub use coding::{Broken, Coding};
pub use head::{accepted_codings, prepare};
pub use transform::{Pulled, Transform};

use progress::Progress;
use tokens::{Tokens, escaped};

use crate::types::Place;

/// Octets that rewriting a page may buffer of it.
const BUFFER_MAX: usize = 64 * 1024;

/// A change to some elements.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Which: a CSS selector.
    pub select: String,
    /// What becomes of them.
    pub change: Change,
}

/// What becomes of an element.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// What it holds from now on: a text, which may have tokens.
    pub inner: Option<String>,
    /// The same as HTML.
    pub inner_html: Option<String>,
    /// Attributes, whose values may have tokens.
    pub attributes: BTreeMap<String, String>,
    /// Whether it is left out.
    pub remove: bool,
    /// Whether who wrote it may say nothing that is run or loaded.
    pub guarded: bool,
}

/// What a brand does to pages.
#[derive(Debug)]
pub struct Injection {
    /// The path of the style sheet.
    stylesheet: String,
    /// Where the gateway serves it, and other files.
    serve_at: String,
    theme: Option<String>,
    tokens: Tokens,
    rules: Vec<(Selector, Change)>,
    /// What all of it comes to, as hexadecimal digits.
    edition: String,
}

impl Injection {
    /// What it does, ready to be done. Rules whose selector is none are left out: they were checked before.
    #[must_use]
    pub fn new(
        serve_at: &str,
        stylesheet: &str,
        theme: Option<String>,
        texts: &[(&str, &str)],
        urls: &[(&str, &str)],
        rules: &[Rule],
    ) -> Self {
        let mut tokens = Tokens::default();
        texts.iter().for_each(|(key, value)| tokens.insert(key, value));
        urls.iter().for_each(|(key, url)| tokens.insert_url(key, url));
        let filled =
            |text: &str, place| tokens.replace(text, place, false).0.unwrap_or_else(|| text.to_owned());
        let edition = edition(&(env!("CARGO_PKG_VERSION"), serve_at, stylesheet, &theme, &tokens, rules));
        let rules = rules.iter().filter_map(|rule| {
            let selector = rule.select.parse().ok()?;
            let Change { inner, inner_html, attributes, remove, guarded } = &rule.change;
            let attributes = attributes.iter().map(|(name, value)| {
                // The tokens last: what they stand for is escaped already.
                (name.clone(), filled(&escaped_but_tokens(value), Place::of(name)))
            });
            Some((
                selector,
                Change {
                    inner: inner.as_ref().map(|text| filled(&escaped_but_tokens(text), Place::Text)),
                    inner_html: inner_html.as_ref().map(|html| ascii(html)),
                    attributes: attributes.collect(),
                    remove: *remove,
                    guarded: *guarded,
                },
            ))
        });
        let rules = rules.collect();
        let (serve_at, stylesheet) = (serve_at.to_owned(), stylesheet.to_owned());
        Self { stylesheet, serve_at, theme, tokens, rules, edition }
    }

    /// Has a client's head ask the origin for what it knows of the page, and not of the look; whether the client has the page in this
    /// look already, if the origin's has not changed.
    pub fn asked(&self, fields: &mut HeaderMap) -> bool {
        validator::untag(fields, &self.edition)
    }

    /// What stands at the beginning of `<head>`.
    fn head(&self, nonce: Option<&str>) -> String {
        let nonce = nonce.map(|nonce| format!(" nonce=\"{}\"", escaped(nonce))).unwrap_or_default();
        let mut head = format!("<link rel=\"stylesheet\" href=\"{}\"{nonce}>", escaped(&self.stylesheet));
        if let Some(theme) = &self.theme {
            head.push_str(&format!("<meta name=\"theme-color\" content=\"{}\">", escaped(theme)));
        }
        head
    }

    /// The rewriter's settings for one page. What is put into it is counted.
    fn settings(
        self: &Arc<Self>,
        nonce: Option<&str>,
        progress: &Rc<Progress>,
    ) -> Settings<'static, 'static> {
        let memory = MemorySettings::new()
            .with_preallocated_parsing_buffer_size(1024)
            .with_max_allowed_memory_usage(BUFFER_MAX)
            .with_graceful_bail_out_on_memory_limit_exceeded(true);
        let mut settings = Settings::new()
            .with_memory_settings(memory)
            .with_strict(false)
            .with_adjust_charset_on_meta_tag(false)
            .with_graceful_bail_out_on_content_handler_error(true);
        if let Some(bytes) = AsciiCompatibleEncoding::new(encoding_rs::WINDOWS_1252) {
            settings = settings.with_encoding(bytes);
        }
        if let Ok(head) = "head".parse::<Selector>() {
            let (content, done) = (self.head(nonce), Cell::new(false));
            let handler = ElementContentHandlers::default().element(move |element: &mut Element<'_, '_>| {
                if !done.replace(true) {
                    element.prepend(&content, ContentType::Html);
                }
                Ok(())
            });
            settings = settings.append_element_content_handler((Cow::Owned(head), handler));
        }
        for (at, (selector, _)) in self.rules.iter().enumerate() {
            let (own, progress) = (Arc::clone(self), Rc::clone(progress));
            let handler = ElementContentHandlers::default().element(move |element: &mut Element<'_, '_>| {
                own.rules.get(at).map_or(Ok(()), |(_, change)| apply(change, element, &progress))
            });
            settings = settings.append_element_content_handler((Cow::Owned(selector.clone()), handler));
        }
        if let Ok(all) = "*".parse::<Selector>() {
            let (own, progress) = (Arc::clone(self), Rc::clone(progress));
            let handler = ElementContentHandlers::default()
                .element(move |element: &mut Element<'_, '_>| own.attributes(element, &progress));
            settings = settings.append_element_content_handler((Cow::Owned(all), handler));
        }
        // Within SVG their text is said to be text like any other (HTML §13.2.6.5), and it is run all the same.
        let within_code = Rc::new(Cell::new(0_u32));
        if let Ok(code) = "script, style".parse::<Selector>() {
            let within = Rc::clone(&within_code);
            let handler = ElementContentHandlers::default().element(move |element: &mut Element<'_, '_>| {
                if let Some(at_end) = element.end_tag_handlers() {
                    within.set(within.get() + 1);
                    let within = Rc::clone(&within);
                    at_end.push(Box::new(move |_| {
                        within.set(within.get().saturating_sub(1));
                        Ok(())
                    }));
                }
                Ok(())
            });
            settings = settings.append_element_content_handler((Cow::Owned(code), handler));
        }
        let (own, progress) = (Arc::clone(self), Rc::clone(progress));
        let begun = Rc::new(RefCell::new(String::new()));
        let held = Rc::clone(&begun);
        let text = DocumentContentHandlers::default().text(move |chunk: &mut TextChunk<'_>| {
            if within_code.get() == 0 {
                own.text(chunk, &mut begun.borrow_mut(), &progress);
            }
            Ok(())
        });
        // It stands before all that is passed on from there.
        settings.append_document_content_handler(text).append_bail_out_handler(
            move |_: &RewritingError, rest: &mut BailOut<'_>| {
                rest.append(&std::mem::take(&mut *held.borrow_mut()), ContentType::Html);
            },
        )
    }

    fn attributes(&self, element: &mut Element<'_, '_>, progress: &Progress) -> HandlerResult {
        // Their values are decoded to be looked at, which is most of what a page costs.
        if !progress.has_braces(element.source_location().bytes()) {
            return Ok(());
        }
        let mut filled: Vec<(String, String)> = Vec::new();
        for (at, attribute) in element.attributes().iter().enumerate() {
            let value = attribute.value();
            if !value.contains("{{") {
                continue;
            }
            let name = attribute.name();
            // Of several of a name only the first is one (HTML §13.2.5.33), and is what would be set.
            if element.attributes().iter().take(at).any(|earlier| earlier.name() == name) {
                continue;
            }
            if let Some(new) = self.tokens.replace(&value, Place::of(&name), false).0
                && progress.allows(new.len())
            {
                filled.push((name, new));
            }
        }
        for (name, value) in filled {
            element.set_attribute(&name, &value)?;
        }
        Ok(())
    }

    /// A piece of text: what of a token has `begun` is held back until the rest of it has come.
    fn text(&self, chunk: &mut TextChunk<'_>, begun: &mut String, progress: &Progress) {
        if !matches!(chunk.text_type(), TextType::Data | TextType::RCData) {
            return;
        }
        if begun.is_empty() && !progress.has_braces(chunk.source_location().bytes()) {
            return;
        }
        let follow = !chunk.last_in_text_node();
        let held = std::mem::take(begun);
        let text = match held.is_empty() {
            true => Cow::Borrowed(chunk.as_str()),
            false => Cow::Owned(held + chunk.as_str()),
        };
        let (new, end) = self.tokens.replace(&text, Place::Text, follow);
        let (whole, rest) = text.split_at_checked(end).unwrap_or((&text, ""));
        if new.is_none() && rest.is_empty() && matches!(text, Cow::Borrowed(_)) {
            return;
        }
        let new = new.filter(|new| progress.allows(new.len())).unwrap_or_else(|| whole.to_owned());
        begun.push_str(rest);
        chunk.replace(&new, ContentType::Html);
    }
}

fn apply(change: &Change, element: &mut Element<'_, '_>, progress: &Progress) -> HandlerResult {
    if change.remove {
        element.remove();
        return Ok(());
    }
    let tag = element.tag_name();
    if change.guarded && LOADING.contains(&tag.as_str()) {
        return Ok(());
    }
    let inner = change.inner.as_ref().or(change.inner_html.as_ref());
    let inner = inner.filter(|_| !matches!(tag.as_str(), "script" | "style"));
    let may_link = !change.guarded || tag == "a";
    let attributes = change.attributes.iter().filter(|(name, _)| may_link || *name != "href");
    let attributes: Vec<_> = attributes.collect();
    let octets: usize = attributes.iter().map(|(_, value)| value.len()).sum();
    if !progress.allows(octets + inner.map_or(0, String::len)) {
        return Ok(());
    }
    for (name, value) in attributes {
        element.set_attribute(name, value)?;
    }
    if let Some(inner) = inner {
        element.set_inner_content(inner, ContentType::Html);
    }
    Ok(())
}

/// Elements that are run, load something, or say what the page may.
const LOADING: [&str; 16] = [
    "script", "style", "link", "base", "meta", "iframe", "frame", "object", "embed", "param", "template",
    "animate", "set", "use", "form", "portal",
];

/// A name for what pages are changed by: another one where any of it is another, or the gateway that changes them.
fn edition(of: &impl std::fmt::Debug) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, format!("{of:?}").as_bytes());
    digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// A text, escaped outside of its tokens.
fn escaped_but_tokens(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(&escaped(before));
        let token = after.split_once("}}").map(|(token, after)| (token.trim(), after));
        match token.filter(|(token, _)| tokens::is_name(token)) {
            Some((token, after)) => {
                out.push_str(&format!("{{{{{token}}}}}"));
                rest = after;
            }
            None => {
                out.push_str(&escaped("{{"));
                rest = after;
            }
        }
    }
    out.push_str(&escaped(rest));
    out
}

/// HTML in ASCII: what is not is written as character references.
fn ascii(html: &str) -> String {
    html.chars().fold(String::with_capacity(html.len()), |mut out, c| {
        match c.is_ascii() {
            true => out.push(c),
            false => out.push_str(&format!("&#{};", u32::from(c))),
        }
        out
    })
}
