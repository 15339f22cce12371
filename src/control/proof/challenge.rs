//! What a tenant is to publish, and where.

use serde_json::{Value, json};

/// The label below a domain whose TXT records are looked at.
const LABEL: &str = "_tollgate-challenge";
/// The path that is asked for.
pub(super) const PATH: &str = "/.well-known/tollgate-challenge";

/// A way to prove a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// A TXT record.
    Dns,
    /// A page of the domain's web server.
    Http,
}

/// What shows that a domain is a tenant's.
#[derive(Debug, Clone, Copy)]
pub struct Challenge<'a> {
    /// The domain in lower case, a wildcard with `*.`.
    pub domain: &'a str,
    /// What nobody but the claimant knows.
    pub token: &'a str,
}

impl Method {
    /// As it is spelled in the API and kept in the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Http => "http",
        }
    }
}

impl<'a> Challenge<'a> {
    /// The name whose TXT record is to have the token.
    #[must_use]
    pub fn dns_name(&self) -> String {
        let name = self.domain.strip_prefix("*.").unwrap_or(self.domain);
        format!("{LABEL}.{name}")
    }

    /// The host that may answer with the token; none for a wildcard: no one host speaks for all below a domain.
    #[must_use]
    pub fn host(&self) -> Option<&'a str> {
        (!self.domain.starts_with("*.")).then_some(self.domain)
    }

    /// Where that host is to answer with it.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        self.host().map(|host| format!("http://{host}{PATH}"))
    }

    /// Whether a text is what was to be published. White space around it is, and so are quotation marks: forms of DNS providers
    /// take them literally.
    #[must_use]
    pub fn is_met_by(&self, text: &[u8]) -> bool {
        let text = text.trim_ascii();
        let bare = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text);
        !self.token.is_empty() && bare == self.token.as_bytes()
    }

    /// As the API tells it.
    #[must_use]
    pub fn to_json(self) -> Value {
        let dns = json!({ "name": self.dns_name(), "type": "TXT", "value": self.token });
        match self.url() {
            Some(url) => json!({ "dns": dns, "http": { "url": url, "body": self.token } }),
            None => json!({ "dns": dns }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_meets_it() {
        let challenge = Challenge { domain: "a.test", token: "secret" };
        for text in ["secret", " secret\r\n", "\"secret\""] {
            assert!(challenge.is_met_by(text.as_bytes()), "{text}");
        }
        for text in ["", "\"\"", "secre", "secret2", "Secret", "a secret", "\"secret", "secret secret"] {
            assert!(!challenge.is_met_by(text.as_bytes()), "{text}");
        }
        assert!(!Challenge { domain: "a.test", token: "" }.is_met_by(b""), "an empty token is none");
    }

    #[test]
    fn a_wildcard_is_proven_at_the_name_that_it_is_below() {
        let challenge = Challenge { domain: "*.shop.test", token: "t" };
        assert_eq!(challenge.dns_name(), "_tollgate-challenge.shop.test");
        assert_eq!(challenge.url(), None);
    }
}
