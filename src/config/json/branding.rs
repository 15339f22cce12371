//! Branding in the JSON that makes the same branding again.

use serde_json::{Map, Value};

use crate::config::document::{Branding, HtmlRewrite, PageText};

/// A tenant's own branding. A picture or folder is named as it was written.
pub(super) fn branding_json(branding: &Branding) -> Value {
    let text = |text: &Option<String>| text.as_deref().map(Value::from);
    let page = |words: &PageText| members([("title", text(&words.title)), ("message", text(&words.message))]);
    let colors: Map<String, Value> =
        branding.colors.iter().map(|(name, color)| (name.clone(), color.to_string().into())).collect();
    let texts = branding.texts.iter().map(|(language, texts)| {
        let texts: Map<String, Value> =
            texts.iter().map(|(code, words)| (code.clone(), page(words))).collect();
        (language.clone(), Value::Object(texts))
    });
    let texts: Map<String, Value> = texts.collect();
    let mut all = members([
        ("name", text(&branding.name)),
        ("logo", branding.logo.as_ref().map(|logo| logo.written.as_str().into())),
        ("favicon", branding.favicon.as_ref().map(|favicon| favicon.written.as_str().into())),
        ("serve_at", text(&branding.serve_at)),
        ("colors", (!colors.is_empty()).then_some(Value::Object(colors))),
        ("support_email", text(&branding.support_email)),
        ("language", text(&branding.language)),
        ("inject", branding.inject.map(Value::from)),
        (
            "intercept",
            branding.intercept.as_ref().map(|statuses| statuses.iter().copied().map(Value::from).collect()),
        ),
        ("rewrite", branding.rewrite.as_ref().map(|rules| rules.iter().map(rewrite).collect())),
        ("texts", (!texts.is_empty()).then_some(Value::Object(texts))),
    ]);
    if let Value::Object(all) = &mut all {
        all.extend(branding.own.iter().map(|(key, value)| (key.clone(), value.as_str().into())));
    }
    all
}

fn members<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

fn rewrite(rule: &HtmlRewrite) -> Value {
    let attributes: Map<String, Value> =
        rule.set_attributes.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    members([
        ("select", Some(rule.select.as_str().into())),
        ("set_inner", rule.set_inner.as_deref().map(Value::from)),
        ("set_inner_html", rule.set_inner_html.as_deref().map(Value::from)),
        ("set_attributes", (!attributes.is_empty()).then_some(Value::Object(attributes))),
        ("remove", rule.remove.then_some(true.into())),
    ])
}
