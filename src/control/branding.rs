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

/// The brand of a plan's tenants that differ in nothing: the default one, unless the plan has something of its own.
pub(super) fn of_plan(document: &Document, plan: &config::Plan, default: &Arc<Brand>) -> Arc<Brand> {
    match &plan.branding {
        Some(own) => over(own, &document.branding, default),
        None => Arc::clone(default),
    }
}

/// A tenant's brand: that of its plan, unless it has something of its own.
pub(super) fn of_tenant(document: &Document, tenant: &config::Tenant, of_plan: &Arc<Brand>) -> Arc<Brand> {
    let Some(own) = &tenant.branding else { return Arc::clone(of_plan) };
    match document.plan_of(tenant).and_then(|plan| plan.branding.as_ref()) {
        Some(plans) => over(own, &plans.over(&document.branding), of_plan),
        None => over(own, &document.branding, of_plan),
    }
}

/// What is written over something, whose brand there is already.
fn over(own: &config::Branding, below: &config::Branding, of_below: &Brand) -> Arc<Brand> {
    let templates = match &own.error_pages {
        Some(files) => Some(Arc::new(Templates::new(files))),
        None => of_below.templates().cloned(),
    };
    Arc::new(brand(&own.over(below), templates))
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

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
listeners: [{ bind: 127.0.0.1:0 }]
tenancy: { identify: [{ host: \"{tenant}.test\" }] }
pools: { app: { endpoints: [\"http://127.0.0.1:1\"] } }
default_pool: app
branding: { name: Default, intercept: [503], texts: { en: { default: { title: Sorry } } } }
plans:
  free: {}
  gold: { branding: { name: Gold, texts: { en: { maintenance: { title: Gilding } } } } }
tenants:
  - { id: one, plan: free }
  - { id: two, plan: gold, response_headers: { set: { x-own: '1' } } }
  - { id: three, plan: gold, branding: { colors: { primary: '#123456' } } }
  - { id: four }
";

    #[test]
    fn a_brand_is_made_for_whom_something_is_written_and_shared_by_all_others() {
        let document = config::load_str(TEXT, "test.yaml").unwrap().document;
        let default = default(&document);
        let plan = |name: &str| of_plan(&document, document.plans.get(name).unwrap(), &default);
        let tenant = |id: &str, below: &Arc<Brand>| {
            let tenant = document.tenants.iter().find(|tenant| tenant.id.as_str() == id).unwrap();
            of_tenant(&document, tenant, below)
        };
        let (free, gold) = (plan("free"), plan("gold"));
        assert!(Arc::ptr_eq(&free, &default) && !Arc::ptr_eq(&gold, &default));
        assert!(Arc::ptr_eq(&tenant("one", &free), &default));
        assert!(Arc::ptr_eq(&tenant("two", &gold), &gold));
        assert!(Arc::ptr_eq(&tenant("four", &default), &default));
        let three = tenant("three", &gold);
        let page = three.page(
            &crate::brand::Refusal {
                status: 503,
                code: "maintenance",
                detail: "",
                tenant: None,
                request_id: "id",
                retry_after_s: None,
            },
            None,
        );
        let html = String::from_utf8(page.html.to_vec()).unwrap();
        // Its own colour, its plan's name and words, and the default's statuses.
        assert!(html.contains("--brand-primary:#123456"), "{html}");
        assert!(html.contains("Gilding") && html.contains("Gold") && !html.contains("Default"), "{html}");
        assert!(three.intercepts(503) && gold.intercepts(503));
    }
}
