//! Which fields pass, and in which spelling.

use super::*;

fn stripped(fields: &[(&str, &str)], via_trusted: bool) -> Vec<String> {
    let own = vec![HeaderName::from_static("x_customer")];
    let reserved = Reserved::new(own, vec![HeaderName::from_static("x-org")])
        .with_keys(vec![HeaderName::from_static("x-api-key")]);
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
    }
    let survey = Survey::of(&map, &reserved);
    strip_request(&mut map, &survey, via_trusted, &reserved);
    let mut left: Vec<String> =
        map.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    left.sort();
    left
}

#[test]
fn hop_by_hop_and_nominated_fields_end_here() {
    assert_eq!(
        stripped(
            &[
                ("connection", "close, X-Secret, host, content-length"),
                ("x-secret", "1"),
                ("host", "a"),
                ("content-length", "3"),
                ("keep-alive", "timeout=5"),
                ("proxy", "http://elsewhere.test"),
                ("proxy-connection", "keep-alive"),
                ("http2-settings", "x"),
                ("upgrade", "h2c"),
                ("te", "gzip, trailers;q=0.5"),
                ("expect", "100-continue"),
                ("accept", "*/*"),
            ],
            false
        ),
        ["accept: */*", "content-length: 3", "host: a", "te: trailers"]
    );
}

#[test]
fn nobody_but_the_gateway_names_the_tenant_in_any_spelling() {
    let fields = [
        ("x-tenant-id", "a"),
        ("x_tenant_id", "a"),
        ("x-tenant_id", "a"),
        ("x-customer", "a"),
        ("x_customer", "a"),
        ("x-tollgate-context", "a"),
        ("x_tollgate_context", "a"),
        ("x-own_thing", "kept"),
    ];
    assert_eq!(stripped(&fields, false), ["x-own_thing: kept"]);
    assert_eq!(stripped(&fields, true), ["x-own_thing: kept"]);
}

#[test]
fn nobody_but_the_gateway_tells_of_a_clients_certificate() {
    let fields = [
        ("x-client-cert-subject", "a"),
        ("x_client_cert_verified", "SUCCESS"),
        ("x-client_cert-verified", "SUCCESS"),
        ("x-client-certificate", "kept"),
    ];
    for via_trusted in [false, true] {
        assert_eq!(stripped(&fields, via_trusted), ["x-client-certificate: kept"]);
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("x-client_cert-verified", "SUCCESS".parse().unwrap());
    trailers.insert("x-client-cert-san", "a".parse().unwrap());
    strip_trailers(&mut trailers, &Reserved::default());
    assert!(trailers.is_empty());
}

#[test]
fn blanks_around_values_are_no_part_of_them() {
    let mut fields = HeaderMap::new();
    for value in [" 1", "1\t ", " \t", "1 2", ""] {
        fields.append("x-sum", value.parse().unwrap());
    }
    strip_trailers(&mut fields, &Reserved::default());
    let values: Vec<_> = fields.get_all("x-sum").iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(values, ["1", "1", "", "1 2", ""]);
}

#[test]
fn what_identifies_stays_only_from_trusted_proxies() {
    let fields = [("x-org", "a"), ("x_org", "a")];
    assert!(stripped(&fields, false).is_empty());
    assert_eq!(stripped(&fields, true).len(), 2);
}

#[test]
fn an_api_key_stays_in_the_spelling_that_was_looked_at() {
    let fields = [("x-api-key", "a"), ("x_api_key", "b"), ("x-api_key", "c"), ("x-api-keys", "d")];
    assert_eq!(stripped(&fields, false), ["x-api-key: a", "x-api-keys: d"]);
}

#[test]
fn forwarding_fields_stay_only_from_trusted_proxies() {
    let fields = [
        ("x-forwarded-for", "1.1.1.1"),
        ("x_forwarded_for", "1.1.1.1"),
        ("x.client.cert.subject", "CN=evil"),
        ("x~client-cert!verified", "SUCCESS"),
        ("x-forwarded-port", "1"),
        ("forwarded", "for=1.1.1.1"),
        ("x-real-ip", "1.1.1.1"),
    ];
    assert!(stripped(&fields, false).is_empty());
    assert_eq!(stripped(&fields, true).len(), 4);
}

#[test]
fn cookie_crumbs_are_joined() {
    assert_eq!(stripped(&[("cookie", "a=1"), ("cookie", "b=2")], false), ["cookie: a=1; b=2"]);
}
