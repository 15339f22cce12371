//! Domains that tenants show to be their own, in DNS and on web servers of this process.

use std::sync::{Arc, Mutex};

use serde_json::json;

use super::names::{Names, Record, text};
use super::*;
use crate::harness::{eventually, get};

const DOMAIN: &str = "www.initech.test";
const AT: &str = "_tollgate-challenge.www.initech.test";

/// A gateway that asks these for proofs, with two tenants in its store.
fn proving(origin: &Origin, names: &Names, web: &Origin, verification: &str) -> TestGateway {
    let gateway = stored(origin)
        .resolved_by(names.address)
        .proven_at(web.address().port())
        .set(
            "tenancy",
            &format!(
                "{{ identify: [{{ host: '{{tenant}}.app.test' }}, domain], verification: {verification} }}"
            ),
        )
        .start();
    made(&gateway, "initech", &json!({ "plan": "free" }));
    made(&gateway, "hooli", &json!({ "plan": "free" }));
    gateway
}

/// Claims a domain; its token.
#[track_caller]
fn token(gateway: &TestGateway, id: &str, domain: &str) -> String {
    let body = json!({ "domain": domain }).to_string();
    let claimed = ask(gateway, "POST", &format!("/tenants/{id}/domains"), &[], &body);
    claimed.assert_status(201);
    claimed.json()["challenge"]["dns"]["value"].as_str().unwrap().to_owned()
}

fn verify(gateway: &TestGateway, id: &str, domain: &str, body: &str) -> Response {
    ask(gateway, "POST", &format!("/tenants/{id}/domains/{domain}/verify"), &[], body)
}

/// What was found where there is no proof, by method.
#[track_caller]
fn found(answer: &Response, method: &str) -> String {
    answer.assert_refused(409, "not_verified");
    let document = answer.json();
    let looked = document["looked"].as_array().unwrap();
    let look = looked.iter().find(|look| look["method"] == method).unwrap();
    look["found"].as_str().unwrap().to_owned()
}

#[test]
fn a_txt_record_proves_a_domain_and_it_is_served_at_once() {
    let (origin, web, names) = (Origin::echo(), Origin::saying("hello"), Names::start());
    let gateway = proving(&origin, &names, &web, "{}");
    let token = token(&gateway, "initech", DOMAIN);
    let missing = verify(&gateway, "initech", DOMAIN, "");
    assert!(found(&missing, "dns").starts_with("there is no TXT record"));
    assert_eq!(found(&missing, "http"), "the domain has no address in DNS");
    let document = missing.json();
    assert_eq!((&document["domain"], &document["looked"][0]["at"]), (&json!(DOMAIN), &json!(AT)));
    assert_eq!(document["looked"][1]["at"], format!("http://{DOMAIN}/.well-known/tollgate-challenge"));
    assert_eq!(document["challenge"]["dns"], json!({ "name": AT, "type": "TXT", "value": token }));

    names.set(AT, &[text("v=spf1 -all"), text(&token[1..])]);
    let wrong = verify(&gateway, "initech", DOMAIN, r#"{"method": "dns"}"#);
    let said = found(&wrong, "dns");
    assert!(said.contains("\"v=spf1 -all\"") && !said.contains(&token[1..]), "{said}");
    assert_eq!(wrong.json()["looked"].as_array().unwrap().len(), 1);
    gateway.ask(&get(DOMAIN, "/")).assert_refused(404, "unknown_tenant");

    // Behind an alias, and in two strings.
    names.set(AT, &[Record::Alias("proofs.example.test".into())]);
    let parts = [&token[..20], &token[20..]].map(str::to_owned);
    names.set("proofs.example.test", &[text("another"), Record::Text(parts.into())]);
    let verified = verify(&gateway, "initech", "WWW.Initech.test", "{}");
    verified.assert_status(200);
    let domain = verified.json();
    assert_eq!((&domain["state"], &domain["method"]), (&json!("verified"), &json!("dns")));
    assert!(domain["verified_at"].is_string() && domain["challenge"].is_null());
    gateway.ask(&get(DOMAIN, "/")).assert_status(200);
    // Once more is the same.
    assert_eq!(verify(&gateway, "initech", DOMAIN, "").json(), domain);
    let actions = audited(&gateway);
    let ours: Vec<_> =
        actions.iter().map(|(action, _)| action.as_str()).filter(|a| a.contains("domain")).collect();
    assert_eq!(ours, ["domain.claim", "domain.verify"]);
}

#[test]
fn a_domain_that_is_only_claimed_is_told_with_what_is_awaited_and_what_is_there() {
    let (origin, web, names) = (Origin::echo(), Origin::saying("hello"), Names::start());
    let gateway = proving(&origin, &names, &web, "{}");
    show(&gateway, &format!("/domains/{DOMAIN}")).assert_refused(404, "unknown_domain");
    let token = token(&gateway, "initech", DOMAIN);
    let told = || {
        let told = show(&gateway, &format!("/domains/{DOMAIN}"));
        told.assert_status(200);
        told.json()
    };
    let document = told();
    assert_eq!((&document["domain"], &document["state"]), (&json!(DOMAIN), &json!("pending")));
    assert!(document["tenant"].is_null() && document["certificate"].is_null(), "{document}");
    let claim = &document["claims"][0];
    assert_eq!((&claim["tenant"], &claim["token_seen"]), (&json!("initech"), &json!(false)));
    assert_eq!(claim["challenge"]["dns"], json!({ "name": AT, "type": "TXT", "value": token }));
    assert!(claim["lapses_at"].is_string() && claim["next_try"].is_null(), "{claim}");
    assert_eq!((&claim["looked"][0]["method"], &claim["looked"][0]["at"]), (&json!("dns"), &json!(AT)));
    assert!(claim["looked"][0]["found"].as_str().unwrap().starts_with("there is no TXT record"), "{claim}");
    // Another claims it, too, and has its token there.
    let other = self::token(&gateway, "hooli", DOMAIN);
    names.set(AT, &[text(&other)]);
    let document = told();
    let claims = document["claims"].as_array().unwrap();
    let seen: Vec<_> = claims.iter().map(|claim| (&claim["tenant"], &claim["token_seen"])).collect();
    assert_eq!(seen, [(&json!("hooli"), &json!(true)), (&json!("initech"), &json!(false))]);
    assert_eq!(claims[0]["looked"][0]["found"], "the token is there");
    // Looking has proven nothing.
    gateway.ask(&get(DOMAIN, "/")).assert_refused(404, "unknown_tenant");
    verify(&gateway, "hooli", DOMAIN, "").assert_status(200);
    let document = told();
    assert_eq!((&document["tenant"], &document["claims"]), (&json!("hooli"), &Value::Null));
}

#[test]
fn a_wildcard_is_proven_in_dns_alone() {
    let (origin, web, names) = (Origin::echo(), Origin::saying("hello"), Names::start());
    let gateway = proving(&origin, &names, &web, "{}");
    let token = token(&gateway, "initech", "*.shop.initech.test");
    let refused = verify(&gateway, "initech", "*.shop.initech.test", r#"{"method": "http"}"#);
    refused.assert_refused(422, "invalid_domain");
    assert_eq!(refused.json()["errors"][0]["pointer"], "#/method");
    names.set("_tollgate-challenge.shop.initech.test", &[text(&format!("\"{token}\" "))]);
    verify(&gateway, "initech", "*.shop.initech.test", "").assert_status(200);
    gateway.ask(&get("a.b.shop.initech.test", "/")).assert_status(200);
    assert!(web.requests().is_empty());
}

#[test]
fn a_page_of_its_web_server_proves_a_domain_and_no_other_answer_does() {
    let said = Arc::new(Mutex::new(String::new()));
    let says = Arc::clone(&said);
    let web = Origin::serving(move |_, peer| {
        peer.send(says.lock().unwrap().as_bytes());
    });
    let (origin, names) = (Origin::echo(), Names::start());
    let gateway = proving(&origin, &names, &web, "{ allow: [127.0.0.0/8] }");
    let token = token(&gateway, "initech", DOMAIN);
    names.set(DOMAIN, &[Record::Loopback(1)]);
    let page = |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let long = page(&format!("{token}{}", " ".repeat(1024)));
    for (answer, sign) in [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(), "status 404"),
        (
            "HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "a redirect (301)",
        ),
        (long, "more than 1 KiB"),
        (page("<html>\u{1b}[2J secrets of this page"), r#""<html>\u{1b}[2J secr"#),
        (page(""), "\"\""),
        ("220 mail.initech.test ESMTP\r\n".to_owned(), "no HTTP"),
        (format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(100_000)), "no HTTP"),
    ] {
        *said.lock().unwrap() = answer.clone();
        let found = found(&verify(&gateway, "initech", DOMAIN, r#"{"method": "http"}"#), "http");
        assert!(found.contains(sign) && !found.contains("of this page"), "{answer:.60}: {found}");
    }
    *said.lock().unwrap() = page(&format!(" {token}\r\n"));
    let verified = verify(&gateway, "initech", DOMAIN, "");
    verified.assert_status(200);
    assert_eq!(verified.json()["method"], "http");
    let asked = web.last_request();
    assert_eq!((&*asked.method, &*asked.target), ("GET", "/.well-known/tollgate-challenge"));
    assert_eq!(asked.header("host"), Some(format!("{DOMAIN}:{}", web.address().port()).as_str()));
    gateway.ask(&get(DOMAIN, "/")).assert_status(200);
}

#[test]
fn a_domain_that_leads_inside_is_not_connected_to() {
    let (origin, web, names) = (Origin::echo(), Origin::saying("inside"), Names::start());
    let gateway = proving(&origin, &names, &web, "{ allow: [10.0.0.0/8] }");
    token(&gateway, "initech", DOMAIN);
    names.set(DOMAIN, &[Record::Loopback(1), Record::Loopback(2)]);
    let refused = verify(&gateway, "initech", DOMAIN, "");
    assert!(found(&refused, "http").contains("not a public one"));
    assert!(!refused.text().contains("127.0.0"), "{}", refused.text());
    assert!(web.requests().is_empty());
    // Nor by an alias.
    names.set(DOMAIN, &[Record::Alias("inside.example.test".into())]);
    names.set("inside.example.test", &[Record::Loopback(1)]);
    assert!(found(&verify(&gateway, "initech", DOMAIN, ""), "http").contains("not a public one"));
    assert!(web.requests().is_empty());
}

#[test]
fn a_domain_has_one_owner_until_it_is_released() {
    let (origin, web, names) = (Origin::echo(), Origin::saying("hello"), Names::start());
    let gateway = proving(&origin, &names, &web, "{}");
    let tokens = ["initech", "hooli"].map(|id| token(&gateway, id, DOMAIN));
    assert_ne!(tokens[0], tokens[1]);
    names.set(AT, &[text(&tokens[0])]);
    // What proves it for one proves it for no other.
    verify(&gateway, "hooli", DOMAIN, r#"{"method": "dns"}"#).assert_refused(409, "not_verified");
    verify(&gateway, "initech", DOMAIN, "").assert_status(200);
    names.set(AT, &[text(&tokens[1])]);
    let asked = names.asked().len();
    let taken = verify(&gateway, "hooli", DOMAIN, "");
    taken.assert_refused(409, "domain_taken");
    assert_eq!(taken.json()["owner"], "initech");
    assert_eq!(names.asked().len(), asked, "nobody is asked about another's domain");
    ask(&gateway, "DELETE", &format!("/tenants/initech/domains/{DOMAIN}"), &[], "").assert_status(204);
    verify(&gateway, "hooli", DOMAIN, "").assert_status(200);
    assert_eq!(show(&gateway, &format!("/domains/{DOMAIN}")).json()["tenant"], "hooli");
}

#[test]
fn claims_lapse_and_only_so_many_wait() {
    let (origin, web, names) = (Origin::echo(), Origin::saying("hello"), Names::start());
    let mut gateway = proving(&origin, &names, &web, "{ max_claims: 2 }");
    let old = token(&gateway, "initech", DOMAIN);
    token(&gateway, "initech", "a.initech.test");
    let claim = json!({ "domain": "b.initech.test" }).to_string();
    let full = ask(&gateway, "POST", "/tenants/initech/domains", &[], &claim);
    full.assert_refused(409, "too_many");
    names.set(AT, &[text(&old)]);
    let tenancy = |ttl: &str| format!("{{ identify: [domain], verification: {{ claim_ttl: {ttl} }} }}");
    gateway.reload(|config| config.set("tenancy", &tenancy("1ms"))).unwrap();
    eventually("the claim has lapsed", || {
        show(&gateway, "/tenants/initech/domains").json()["domains"][1]["state"] == "lapsed"
    });
    let lapsed = show(&gateway, "/tenants/initech/domains").json()["domains"][1].clone();
    assert!(lapsed["challenge"].is_null(), "{lapsed}");
    verify(&gateway, "initech", DOMAIN, "").assert_refused(409, "claim_lapsed");
    // Another claim has another token, and the old one proves nothing for it. What lapsed is gone.
    let new = token(&gateway, "initech", DOMAIN);
    assert_ne!(new, old);
    gateway.reload(|config| config.set("tenancy", &tenancy("7d"))).unwrap();
    assert!(
        found(&verify(&gateway, "initech", DOMAIN, ""), "dns").contains("no TXT record there has the token")
    );
    assert_eq!(show(&gateway, "/tenants/initech/domains").json()["domains"].as_array().unwrap().len(), 1);
    names.set(AT, &[text(&new)]);
    verify(&gateway, "initech", DOMAIN, "").assert_status(200);
}

#[test]
fn what_can_not_be_verified_is_refused() {
    let (origin, web, names) = (Origin::echo(), Origin::saying("hello"), Names::start());
    let mut gateway = proving(&origin, &names, &web, "{}");
    verify(&gateway, "initech", DOMAIN, "").assert_refused(404, "unknown_domain");
    verify(&gateway, "initech", "a%20b", "").assert_refused(404, "unknown_domain");
    verify(&gateway, "nobody", DOMAIN, "").assert_refused(404, "unknown_tenant");
    verify(&gateway, "acme", "www.acme.test", "").assert_refused(409, "tenant_in_configuration");
    token(&gateway, "initech", DOMAIN);
    for body in [r#"{"method": "mail"}"#, r#"{"method": 7}"#, r#"{"by": "dns"}"#, "[]"] {
        verify(&gateway, "initech", DOMAIN, body).assert_refused(400, "bad_body");
    }
    for address in ["192.0.2.1", "[2001:db8::1]"] {
        let body = json!({ "domain": address }).to_string();
        let refused = ask(&gateway, "POST", "/tenants/initech/domains", &[], &body);
        refused.assert_refused(422, "invalid_domain");
        assert_eq!(refused.json()["errors"][0]["pointer"], "#/domain");
    }
    // What a reload has given to others meanwhile.
    gateway
        .reload(|config| config.set("tenants", &format!("[{{ id: acme, plan: free, domains: [{DOMAIN}] }}]")))
        .unwrap();
    verify(&gateway, "initech", DOMAIN, "").assert_refused(409, "domain_taken");
    assert!(names.asked().is_empty());
}
