//! Cross-origin requests (Fetch §3.2): which pages may use what a route leads to, and what their browsers are told.

use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::types::{OriginPattern, SaidOrigin};

static ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");
static REQUEST_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-request-private-network");
static TRUE: HeaderValue = HeaderValue::from_static("true");

/// Which pages may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// The origins that may. [`OriginPattern::Any`] goes together with no `credentials`.
    pub origins: Vec<OriginPattern>,
    /// The methods, as they are listed.
    pub methods: Allowed,
    /// The request's fields, likewise.
    pub headers: Allowed,
    /// The response's fields that they may read, beside the few that all may.
    pub exposed: Option<HeaderValue>,
    /// Whether requests may carry cookies and other credentials.
    pub credentials: bool,
    /// For how many seconds a browser may remember what it was told.
    pub max_age: Option<HeaderValue>,
    /// Whether pages of the public network may ask, where this is a private one.
    pub private_network: bool,
}

/// What is allowed of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// Whatever is asked for.
    Any,
    /// Those of a list; `None`: of an empty one.
    Listed(Option<HeaderValue>),
}

/// What a route says of cross-origin requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RouteCors {
    /// Nothing: it is as its tenant's.
    #[default]
    AsTenant,
    /// They are the application's own affair.
    Off,
    /// This.
    Own(Arc<Cors>),
}

impl RouteCors {
    /// What holds, if the tenant's is this.
    #[must_use]
    pub fn over<'c>(&'c self, of_tenant: Option<&'c Arc<Cors>>) -> Option<&'c Arc<Cors>> {
        match self {
            Self::AsTenant => of_tenant,
            Self::Off => None,
            Self::Own(cors) => Some(cors),
        }
    }
}

/// The method that a preflight asks about; `None`: the request is none (Fetch §3.2.2).
#[must_use]
pub fn preflight(method: &Method, fields: &HeaderMap) -> Option<Method> {
    if *method != Method::OPTIONS || !fields.contains_key(ORIGIN) {
        return None;
    }
    Method::from_bytes(fields.get(ACCESS_CONTROL_REQUEST_METHOD)?.as_bytes()).ok()
}

impl Cors {
    /// Tells a browser with an answer to a request of this origin what its page may see of it. What the application says of
    /// that is replaced.
    pub fn tell(&self, fields: &mut HeaderMap, origin: Option<&HeaderValue>) {
        for name in [
            &ACCESS_CONTROL_ALLOW_ORIGIN,
            &ACCESS_CONTROL_ALLOW_CREDENTIALS,
            &ACCESS_CONTROL_ALLOW_METHODS,
            &ACCESS_CONTROL_ALLOW_HEADERS,
            &ACCESS_CONTROL_EXPOSE_HEADERS,
            &ACCESS_CONTROL_MAX_AGE,
            &ALLOW_PRIVATE_NETWORK,
        ] {
            fields.remove(name);
        }
        if self.admit(fields, origin)
            && let Some(exposed) = &self.exposed
        {
            fields.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
        }
    }

    /// The answer to a preflight with these fields. One that is told nothing has its request refused by the browser.
    #[must_use]
    pub fn answer(&self, asked: &HeaderMap) -> HeaderMap {
        let mut fields = HeaderMap::new();
        let admitted = self.admit(&mut fields, asked.get(ORIGIN));
        fields.insert(
            VARY,
            HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
        );
        if !admitted {
            return fields;
        }
        let methods = self.methods.of(asked.get(ACCESS_CONTROL_REQUEST_METHOD));
        let headers = self.headers.of(asked.get(ACCESS_CONTROL_REQUEST_HEADERS));
        let asks_private = asked.get(&REQUEST_PRIVATE_NETWORK).is_some_and(|asked| asked == TRUE);
        let private = Some(&TRUE).filter(|_| self.private_network && asks_private);
        for (name, value) in [
            (ACCESS_CONTROL_ALLOW_METHODS, methods),
            (ACCESS_CONTROL_ALLOW_HEADERS, headers),
            (ACCESS_CONTROL_MAX_AGE, self.max_age.as_ref()),
            (ALLOW_PRIVATE_NETWORK.clone(), private),
        ] {
            if let Some(value) = value {
                fields.insert(name, value.clone());
            }
        }
        fields
    }

    /// Says whether a page of this origin may.
    fn admit(&self, fields: &mut HeaderMap, origin: Option<&HeaderValue>) -> bool {
        if self.origins.contains(&OriginPattern::Any) {
            // The same for all, so caches need not tell them apart.
            fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            return true;
        }
        vary_by_origin(fields);
        let Some(origin) = origin.filter(|origin| self.admits(origin)) else { return false };
        fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if self.credentials {
            fields.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE.clone());
        }
        true
    }

    fn admits(&self, origin: &HeaderValue) -> bool {
        let said = SaidOrigin::parse(origin.as_bytes());
        said.is_some_and(|said| self.origins.iter().any(|pattern| pattern.admits(&said)))
    }
}

impl Allowed {
    fn of<'v>(&'v self, asked: Option<&'v HeaderValue>) -> Option<&'v HeaderValue> {
        match self {
            Self::Any => asked,
            Self::Listed(listed) => listed.as_ref(),
        }
    }
}

/// Also where the request has none, or a cache would give its answer to one that has (Fetch §3.2.5).
fn vary_by_origin(fields: &mut HeaderMap) {
    let names = |line: &HeaderValue| {
        line.as_bytes().split(|byte| *byte == b',').any(|name| {
            let name = name.trim_ascii();
            name == b"*" || name.eq_ignore_ascii_case(b"origin")
        })
    };
    if !fields.get_all(VARY).iter().any(names) {
        fields.append(VARY, HeaderValue::from_static("Origin"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str], credentials: bool) -> Cors {
        Cors {
            origins: origins.iter().map(|origin| OriginPattern::parse(origin).unwrap()).collect(),
            methods: Allowed::Listed(Some(HeaderValue::from_static("GET, PUT"))),
            headers: Allowed::Any,
            exposed: Some(HeaderValue::from_static("X-Total")),
            credentials,
            max_age: Some(HeaderValue::from_static("600")),
            private_network: true,
        }
    }

    fn fields(of: &[(&'static str, &'static str)]) -> HeaderMap {
        of.iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn an_answer_names_the_origin_that_asked_and_nobody_elses() {
        let cors = cors(&["https://a.test", "https://*.b.test"], true);
        let told = |origin: Option<&'static str>| {
            let of_application = [
                ("access-control-allow-origin", "https://evil.test"),
                ("access-control-allow-credentials", "true"),
                ("vary", "Accept"),
            ];
            let mut fields = fields(&of_application);
            cors.tell(&mut fields, origin.map(HeaderValue::from_static).as_ref());
            fields
        };
        let with = |origin| {
            let own = [("access-control-allow-origin", origin), ("access-control-allow-credentials", "true")];
            let mut with = fields(&own);
            with.insert("access-control-expose-headers", HeaderValue::from_static("X-Total"));
            with.append("vary", HeaderValue::from_static("Accept"));
            with.append("vary", HeaderValue::from_static("Origin"));
            with
        };
        assert_eq!(told(Some("https://a.test")), with("https://a.test"));
        assert_eq!(told(Some("https://x.b.test")), with("https://x.b.test"));
        let mut without = HeaderMap::new();
        without.append("vary", HeaderValue::from_static("Accept"));
        without.append("vary", HeaderValue::from_static("Origin"));
        for origin in [None, Some("https://evil.test"), Some("null"), Some("https://a.test.evil.test")] {
            assert_eq!(told(origin), without, "{origin:?}");
        }
    }

    #[test]
    fn what_all_may_see_is_the_same_for_all() {
        let mut told = fields(&[("vary", "accept")]);
        cors(&["*"], false).tell(&mut told, None);
        let expected = [
            ("vary", "accept"),
            ("access-control-allow-origin", "*"),
            ("access-control-expose-headers", "X-Total"),
        ];
        assert_eq!(told, fields(&expected));
    }

    #[test]
    fn a_preflight_is_told_what_may_be_done() {
        let asked = fields(&[
            ("origin", "https://a.test"),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "authorization,x-a"),
            ("access-control-request-private-network", "true"),
        ]);
        assert_eq!(preflight(&Method::OPTIONS, &asked), Some(Method::PUT));
        assert_eq!(preflight(&Method::GET, &asked), None);
        assert_eq!(preflight(&Method::OPTIONS, &fields(&[("origin", "https://a.test")])), None);
        let answer = cors(&["https://a.test"], false).answer(&asked);
        let expected = fields(&[
            ("access-control-allow-origin", "https://a.test"),
            ("vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
            ("access-control-allow-methods", "GET, PUT"),
            ("access-control-allow-headers", "authorization,x-a"),
            ("access-control-max-age", "600"),
            ("access-control-allow-private-network", "true"),
        ]);
        assert_eq!(answer, expected);
        let refused = cors(&["https://b.test"], true).answer(&asked);
        assert_eq!(refused.keys().collect::<Vec<_>>(), ["vary"]);
    }
}
