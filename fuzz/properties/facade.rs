//! What holds for whatever an application says of itself in fields that name hosts.

use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_LOCATION, HeaderMap, HeaderName, HeaderValue, LINK, LOCATION,
    ORIGIN, REFERER, REFRESH, SET_COOKIE,
};
use tollgate::http::facade::Facade;
use tollgate::types::{HostName, Scheme, WebHost, WebHosts};

const INTERNAL: &str = "app.internal:8080";

/// What doesn't name the application stays octet for octet; what does is changed for good; no cookie is of more than one
/// host; and where the host is not believed no redirect leads to another.
pub fn shows_one_host(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let hosts = Arc::new(WebHosts::new(vec![WebHost::parse(INTERNAL).expect("a host")]));
    let seen = HostName::parse(b"www.acme.test:8443").expect("a host");
    for host in [Some(seen), None] {
        let facade = Facade::new(Arc::clone(&hosts), Scheme::Https, host.clone());
        let stripped = facade.clone().with_prefixes("", "/app");
        for name in [LOCATION, CONTENT_LOCATION, REFRESH, LINK, ACCESS_CONTROL_ALLOW_ORIGIN, SET_COOKIE] {
            let is_cookie = name == SET_COOKIE;
            let once = response(&facade, &name, &value);
            let what = if is_cookie { "domain" } else { "app.internal" };
            if !holds(value.as_bytes(), what) {
                assert_eq!(once.as_ref(), Some(&value), "{name} names nothing of the application's");
            }
            let Some(once) = once else { continue };
            assert_eq!(response(&facade, &name, &once).as_ref(), Some(&once), "{name} twice");
            if is_cookie {
                let is_domain = |part: &[u8]| {
                    let name = part.split(|byte| *byte == b'=').next().unwrap_or_default();
                    name.trim_ascii().eq_ignore_ascii_case(b"domain")
                };
                assert!(!once.as_bytes().split(|byte| *byte == b';').skip(1).any(is_domain), "{once:?}");
            }
            let swapped = response(&stripped, &name, &value).expect("it was there without");
            if name == LOCATION && host.is_none() && swapped != value {
                assert!(is_path(swapped.as_bytes()), "{value:?} is seen as {swapped:?}");
            }
        }
        for name in [ORIGIN, REFERER] {
            let mut fields = HeaderMap::from_iter([(name.clone(), value.clone())]);
            facade.request(&mut fields);
            // No client's page is at the application's own host: what names that is not passed on.
            let is_own = holds(value.as_bytes(), "app.internal")
                && fields.get(&name).is_none_or(|now| name == ORIGIN && now == "null");
            if (host.is_none() || !holds(value.as_bytes(), "www.acme.test")) && !is_own {
                assert_eq!(fields.get(&name), Some(&value), "{name} says nothing of this host");
            }
        }
    }
}

fn response(facade: &Facade, name: &HeaderName, value: &HeaderValue) -> Option<HeaderValue> {
    let mut fields = HeaderMap::from_iter([(name.clone(), value.clone())]);
    facade.response(&mut fields);
    fields.remove(name)
}

fn holds(value: &[u8], text: &str) -> bool {
    value.to_ascii_lowercase().windows(text.len()).any(|window| window == text.as_bytes())
}

/// As browsers read it.
fn is_path(url: &[u8]) -> bool {
    let mut octets = url.iter().filter(|byte| **byte != b'\t');
    octets.next() == Some(&b'/') && !matches!(octets.next(), Some(b'/' | b'\\'))
}
