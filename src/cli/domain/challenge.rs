//! What the owner of a domain has to publish, in words for whoever has to do it.

use std::fmt::Write;

use serde_json::Value;

use crate::cli::output::word;

/// How a claim can be proven, below its own line.
pub(super) fn claimed(document: &Value, tenant: &str, domain: &str) -> String {
    if word(document, "state") == "verified" {
        return format!("{domain} is tenant {tenant}'s");
    }
    let mut text = format!(
        "{domain} is claimed by tenant {tenant}, and not served until it is proven, in one of these ways:"
    );
    ways(&mut text, document);
    text + &format!("\nthen: tollgate domain verify {tenant} '{domain}'")
}

/// How those of a tenant's domains can be proven that wait for it.
pub(super) fn waiting(document: &Value, tenant: &str) -> String {
    let domains = document.get("domains").and_then(Value::as_array).into_iter().flatten();
    let mut text = String::new();
    for domain in domains.filter(|domain| domain.get("challenge").is_some()) {
        let _ = write!(text, "\n{} is not proven yet, in any of these ways:", word(domain, "domain"));
        ways(&mut text, domain);
        text.push('\n');
    }
    if !text.is_empty() {
        let _ = writeln!(text, "\nwhen it is done: tollgate domain verify {tenant} DOMAIN");
    }
    text
}

/// What still has to be published, from a refusal that tells it.
pub(super) fn missing(problem: &Value) -> String {
    let mut text = String::new();
    ways(&mut text, problem);
    match text.is_empty() {
        true => text,
        false => format!("\nto be published, in one of these ways:{text}"),
    }
}

pub(super) fn ways(text: &mut String, document: &Value) {
    let at = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    if let (Some(name), Some(value)) = (at("/challenge/dns/name"), at("/challenge/dns/value")) {
        let _ = write!(text, "\n  DNS    {name}  TXT  \"{value}\"");
    }
    if let (Some(url), Some(body)) = (at("/challenge/http/url"), at("/challenge/http/body")) {
        let _ = write!(text, "\n  HTTP   {url} answers {body}");
    }
}
