//! How tenants look: what is written, made ready to be shown.

use std::sync::Arc;

use crate::brand::html::{Change, Rule};
use crate::brand::{Brand, Image, Settings, Templates, Text};
use crate::config::{self, Document};

/// The brand of tenants that differ in nothing, and of the gateway where no tenant is known.
pub(super) fn default(document: &Document) -> Arc<Brand> {
    let templates = document.branding.error_pages.as_ref().map(|files| Arc::new(Templates::new(files)));
    Arc::new(brand(&document.branding, templates))
}

/// A tenant's brand: the default one, unless it has something of its own.
pub(super) fn of_tenant(document: &Document, tenant: &config::Tenant, default: &Arc<Brand>) -> Arc<Brand> {
    let Some(own) = &tenant.branding else { return Arc::clone(default) };
    let templates = match &own.error_pages {
        Some(files) => Some(Arc::new(Templates::new(files))),
        None => default.templates().cloned(),
    };
    Arc::new(brand(&own.over(&document.branding), templates))
}

fn brand(written: &config::Branding, templates: Option<Arc<Templates>>) -> Brand {
    let text = |text: &config::PageText| Text { title: text.title.clone(), message: text.message.clone() };
    let texts = written.texts.iter().map(|(language, texts)| {
        (language.clone(), texts.iter().map(|(code, words)| (code.clone(), text(words))).collect())
    });
    Brand::new(Settings {
        name: written.name.clone().unwrap_or_default(),
        logo: written.logo.as_ref().map(image),
        favicon: written.favicon.as_ref().map(image),
        // Where nothing is written of branding, the path is the application's.
        serve_at: match &written.serve_at {
            Some(path) => path.clone(),
            None if written.is_empty() => String::new(),
            None => config::Branding::SERVE_AT.to_owned(),
        },
        colors: written.colors.clone(),
        support_email: written.support_email.clone(),
        language: written.language.clone(),
        inject: written.inject.unwrap_or_default(),
        rules: written.rewrite.iter().flatten().map(rule).collect(),
        intercept: written.intercept.clone().unwrap_or_default(),
        texts: texts.collect(),
        templates,
        own: written.own.clone(),
    })
}

fn rule(written: &config::HtmlRewrite) -> Rule {
    let change = Change {
        inner: written.set_inner.clone(),
        inner_html: written.set_inner_html.clone(),
        attributes: written.set_attributes.clone(),
        remove: written.remove,
        guarded: written.guarded,
    };
    Rule { select: written.select.clone(), change }
}

fn image(written: &config::Image) -> Image {
    Image { media_type: written.media_type, content: Arc::clone(&written.content) }
}
