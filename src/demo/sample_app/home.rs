//! The application's pages where a gateway gives them the look of tenants: written once, in nobody's.
//!
//! The only things in them that differ from tenant to tenant are tokens, the properties of the gateway's style sheet, and what
//! depends on the features that the application is told of.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::view::{Escaped, View};

const CSS: &str = include_str!("home.css");

/// What the pages may do: be styled by what stands in them, and show pictures of their host. Of a style sheet of the gateway's
/// the application knows nothing: letting it in is the gateway's part.
pub(super) static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, CSS.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src 'self'; base-uri 'none'; form-action 'none'"
    )
});

/// What tenants that have a feature see of it: the feature, its path, its name, and what it is for.
const PARTS: [(&str, &str, &str, &str); 2] = [
    ("reports", "/reports", "Reports", "What was ordered, by week and by month."),
    ("audit", "/audit", "Audit log", "Who has changed what, and when."),
];

/// The page of a path.
pub(super) fn page(view: &View<'_>, path: &str) -> String {
    let features: Vec<&str> = view.field("x-tenant-features").unwrap_or_default().split(',').collect();
    let parts: Vec<_> = PARTS.iter().filter(|(feature, ..)| features.contains(feature)).collect();
    let main = if path == "/" { home(view, &parts) } else { other(view) };
    let links = [("/", "Home"), ("/orders", "Orders")].into_iter();
    let links = links.chain(parts.iter().map(|(_, path, name, _)| (*path, *name)));
    let links: String = links
        .map(|(to, name)| {
            let here = if to == path { " aria-current=\"page\"" } else { "" };
            format!("<a href=\"{to}\"{here}>{name}</a>")
        })
        .collect();
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{{{brand.name}}}}</title>
<link rel="icon" href="{{{{brand.favicon}}}}">
<style>{CSS}</style>
</head>
<body>
<header class="bar"><div class="wide">
<a href="/"><img src="{{{{brand.logo}}}}" alt="{{{{brand.name}}}}"></a>
<nav aria-label="Main">{links}</nav>
</div></header>
<main><div class="wide">
{main}</div></main>
<footer><div class="wide">
<p id="imprint">{{{{brand.name}}}}</p>
<p><a href="mailto:{{{{brand.support_email}}}}">{{{{brand.support_email}}}}</a></p>
<p id="vendor">Made with Sample Orders</p>
</div></footer>
</body>
</html>
"#
    )
}

fn home(view: &View<'_>, parts: &[&(&str, &str, &str, &str)]) -> String {
    let card = |path: &str, name: &str, text: &str| {
        format!("<li><h2><a href=\"{path}\">{name}</a></h2><p>{text}</p></li>\n")
    };
    let mut cards = card("/orders", "Orders", "All that is on its way, and all that has come.");
    for (feature, path, name, text) in parts {
        cards.push_str(&card(path, name, text).replacen("<li>", &format!("<li id=\"{feature}\">"), 1));
    }
    if parts.is_empty() {
        cards
            .push_str("<li id=\"more\"><h2>There is more</h2><p>Other plans have reports and an audit log: ");
        cards.push_str("<a href=\"/reports\">have a look</a>.</p></li>\n");
    }
    cards.push_str(&card("/billing", "Billing", "Nobody answers there: see what that looks like."));
    let told = view.told();
    format!(
        r#"<p id="notice"></p>
<section class="hero" id="hero">
<h1 id="welcome">Welcome to {{{{brand.name}}}}</h1>
<p id="tagline">{{{{brand.tagline}}}}</p>
<a class="button" id="start" href="/orders">Start an order</a>
</section>
<ul class="cards">
{cards}</ul>
<details>
<summary>What the application was told</summary>
<table>
{told}</table>
</details>
"#
    )
}

/// A page that has only what the application saw.
fn other(view: &View<'_>) -> String {
    let (summary, headers) = view.tables();
    format!(
        "<div class=\"page\">\n<h1>{}</h1>\n<table>\n{summary}</table>\n<details>\n<summary>Headers received</summary>\n\
         <table>\n{headers}</table>\n</details>\n</div>\n",
        Escaped(view.path())
    )
}
