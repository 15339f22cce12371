//! A domain's life, for people.

use std::fmt::Write as _;

use serde_json::Value;

/// What is known of a domain, a line for each thing.
pub(super) fn told(document: &Value) -> String {
    let at = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<12} {value}");
    };
    line("domain", at("/domain").unwrap_or_default().to_owned());
    line("tenant", at("/tenant").unwrap_or("-").to_owned());
    let method = at("/method").map(|method| format!(", by {method}")).unwrap_or_default();
    line("ownership", format!("{}{method}", at("/state").unwrap_or("-")));
    if document.get("certificate").is_none() {
        line("certificate", "none are ordered here (`tls.acme`)".to_owned());
        return text;
    }
    if let Some(addresses) = document.pointer("/certificate/dns/addresses").and_then(Value::as_array) {
        let addresses: Vec<_> = addresses.iter().filter_map(Value::as_str).collect();
        let here = match document.pointer("/certificate/dns/leads_here").and_then(Value::as_bool) {
            Some(true) => ": leads here",
            Some(false) => ": does not lead here",
            None => "",
        };
        let seen = if addresses.is_empty() { "no address".to_owned() } else { addresses.join(", ") };
        line("dns", format!("{seen}{here}"));
    }
    line("certificate", at("/certificate/state").unwrap_or("-").to_owned());
    for (name, pointer) in [
        ("", "/certificate/detail"),
        ("order", "/certificate/order/step"),
        ("challenge", "/certificate/order/challenge"),
        ("issuer", "/certificate/issuer"),
        ("serial", "/certificate/serial"),
        ("not after", "/certificate/not_after"),
        ("renewed", "/certificate/renew_at"),
        ("last error", "/certificate/last_error/detail"),
        ("at", "/certificate/last_error/at"),
        ("next try", "/certificate/next_try"),
    ] {
        if let Some(value) = at(pointer) {
            line(name, value.to_owned());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_domain_says_why_and_what_comes_next() {
        let document = serde_json::json!({
            "domain": "a.test", "tenant": "acme", "state": "verified", "method": "dns",
            "certificate": {
                "state": "failing", "failures": 2, "next_try": "2026-01-01T00:00:00Z",
                "last_error": { "kind": "dns", "detail": "no address", "at": "2025-12-31T00:00:00Z" },
                "dns": { "addresses": ["192.0.2.1"], "leads_here": false },
            },
        });
        let text = told(&document);
        for part in [
            "acme",
            "verified, by dns",
            "192.0.2.1: does not lead here",
            "failing",
            "no address",
            "2026-01-01",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
