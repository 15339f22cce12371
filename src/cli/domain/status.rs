//! A domain's life, for people.

use std::fmt::Write as _;

use serde_json::Value;

use super::challenge::ways;

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
    let claims = document.get("claims").and_then(Value::as_array);
    if let Some(claims) = claims {
        let name = at("/domain").unwrap_or_default();
        claims.iter().for_each(|claim| text += &claimed(claim, name));
        if at("/tenant").is_none() {
            return text;
        }
    }
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<12} {value}");
    };
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
    // What is wrong is said once.
    let detail = match at("/certificate/detail") == at("/certificate/last_error/detail") {
        true => "",
        false => "/certificate/detail",
    };
    for (name, pointer) in [
        ("", detail),
        ("order", "/certificate/order/step"),
        ("challenge", "/certificate/order/challenge"),
        ("issuer", "/certificate/issuer"),
        ("serial", "/certificate/serial"),
        ("not after", "/certificate/not_after"),
        ("renews", "/certificate/renew_at"),
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

/// A claim: who, what is awaited, what is there, and what comes next.
fn claimed(claim: &Value, domain: &str) -> String {
    let at = |name: &str| claim.get(name).and_then(Value::as_str).unwrap_or("-");
    let tenant = at("tenant");
    let mut text = format!("{:<12} tenant {tenant}, since {}", "claimed by", at("created_at"));
    if at("state") == "lapsed" {
        let _ = writeln!(text, ", lapsed on {}", at("lapses_at"));
        let _ = writeln!(text, "{:<12} none: tollgate domain add {tenant} '{domain}'", "next try");
        return text;
    }
    let _ = write!(text, ", until {}\n{:<12} one of", at("lapses_at"), "awaited");
    ways(&mut text, claim);
    text.push('\n');
    for look in claim.get("looked").and_then(Value::as_array).into_iter().flatten() {
        let word = |name: &str| look.get(name).and_then(Value::as_str).unwrap_or("-");
        let _ = writeln!(text, "{:<12} in {}: {}", "seen", word("method").to_uppercase(), word("found"));
    }
    let _ = writeln!(text, "{:<12} none by itself: tollgate domain verify {tenant} '{domain}'", "next try");
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

    #[test]
    fn a_certificate_that_holds_says_when_it_renews() {
        let document = serde_json::json!({
            "domain": "a.test", "tenant": "acme", "state": "verified", "method": "dns",
            "certificate": { "state": "valid", "not_after": "2026-04-01T00:00:00Z", "renew_at": "2026-03-01T00:00:00Z" },
        });
        assert!(told(&document).contains("renews       2026-03-01T00:00:00Z\n"), "{}", told(&document));
    }

    #[test]
    fn a_claim_says_who_what_is_awaited_and_what_is_there() {
        let document = serde_json::json!({
            "domain": "www.x.test", "tenant": null, "state": "pending", "method": null,
            "claims": [
                {
                    "tenant": "acme", "state": "pending", "created_at": "2026-01-01T00:00:00Z",
                    "lapses_at": "2026-01-08T00:00:00Z", "token_seen": false, "next_try": null,
                    "challenge": { "dns": { "name": "_tollgate-challenge.www.x.test", "type": "TXT", "value": "tg-1" } },
                    "looked": [{ "method": "dns", "at": "_tollgate-challenge.www.x.test", "found": "there is no TXT record" }],
                },
                { "tenant": "globex", "state": "lapsed", "created_at": "2025-01-01T00:00:00Z", "lapses_at": "2025-01-08T00:00:00Z" },
            ],
        });
        assert_eq!(
            told(&document),
            "domain       www.x.test\n\
             tenant       -\n\
             ownership    pending\n\
             claimed by   tenant acme, since 2026-01-01T00:00:00Z, until 2026-01-08T00:00:00Z\n\
             awaited      one of\n  DNS    _tollgate-challenge.www.x.test  TXT  \"tg-1\"\n\
             seen         in DNS: there is no TXT record\n\
             next try     none by itself: tollgate domain verify acme 'www.x.test'\n\
             claimed by   tenant globex, since 2025-01-01T00:00:00Z, lapsed on 2025-01-08T00:00:00Z\n\
             next try     none: tollgate domain add globex 'www.x.test'\n"
        );
    }

    #[test]
    fn what_is_wrong_is_said_once() {
        let why = "its private key: it was encrypted with another";
        let document = serde_json::json!({
            "domain": "a.test", "tenant": "acme", "state": "verified", "method": "dns",
            "certificate": { "state": "unreadable", "detail": why, "last_error": { "kind": "encryption_key", "detail": why } },
        });
        let text = told(&document);
        assert_eq!(text.matches(why).count(), 1, "{text}");
        assert!(text.contains(&format!("last error   {why}")), "{text}");
    }
}
