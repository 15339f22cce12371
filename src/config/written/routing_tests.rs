//! A file of routing tests: requests, and what is expected to become of them.

use serde::Deserialize;

use super::matches::ValueMatch;
use crate::config::decode::{Entries, List, Spanned, WordOr};

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RoutingTests {
    /// The configuration that is asked, relative to this file, unless the command names one.
    pub config: Option<Spanned<String>>,
    /// The tests.
    pub tests: List<RoutingTest>,
}

/// A test.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RoutingTest {
    /// What it shows. By default the request.
    pub name: Option<String>,
    /// The request: a URL, or a mapping.
    pub request: Spanned<WordOr<String, Asked>>,
    /// What is expected; what is not written may be anything.
    pub expect: Spanned<Expect>,
}

/// A request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Asked {
    /// Its URL.
    pub url: String,
    /// Its method. Default GET.
    pub method: Option<String>,
    /// Its fields: each a value, or a list of values, one a line.
    #[serde(default)]
    pub headers: Entries<Lines>,
    /// The address that it comes from. Default 192.0.2.1.
    pub from: Option<String>,
    /// A file with the certificate that the client shows, in PEM, relative to this one.
    pub client_cert: Option<Spanned<String>>,
}

/// The lines of a field.
#[derive(Clone, Debug)]
pub(in crate::config) struct Lines(pub Vec<String>);

/// What is expected.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Expect {
    /// What becomes of it: forward, answer or refuse.
    pub action: Option<Spanned<Action>>,
    /// The tenant's id.
    pub tenant: Option<Spanned<String>>,
    /// The tenant's plan.
    pub plan: Option<Spanned<String>>,
    /// The route's name.
    pub route: Option<Spanned<String>>,
    /// The pool that serves it.
    pub pool: Option<Spanned<String>>,
    /// The endpoint, where it is certain.
    pub endpoint: Option<Spanned<String>>,
    /// The status, of what the gateway answers itself.
    pub status: Option<Spanned<u16>>,
    /// The code of a refusal.
    pub code: Option<Spanned<String>>,
    /// The target that an endpoint gets, path and query.
    pub target: Option<Spanned<String>>,
    /// The fields that an endpoint gets.
    #[serde(default)]
    pub headers: Entries<Spanned<ValueMatch>>,
    /// The fields that the gateway sets in the response.
    #[serde(default)]
    pub response_headers: Entries<Spanned<ValueMatch>>,
    /// Where a redirect leads.
    pub location: Option<Spanned<String>>,
    /// Features that the tenant has: each of them, and maybe others.
    #[serde(default)]
    pub features: List<Spanned<String>>,
    /// Features that the tenant has not.
    #[serde(default)]
    pub without_features: List<Spanned<String>>,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Action {
    /// It goes to a pool.
    Forward,
    /// The gateway answers it.
    Answer,
    /// The gateway refuses it.
    Refuse,
}

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> serde::de::Visitor<'de> for Any {
            type Value = Lines;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text, or a list of texts")
            }

            fn visit_str<E: serde::de::Error>(self, line: &str) -> Result<Lines, E> {
                Ok(Lines(vec![line.to_owned()]))
            }

            fn visit_u64<E: serde::de::Error>(self, line: u64) -> Result<Lines, E> {
                Ok(Lines(vec![line.to_string()]))
            }

            fn visit_bool<E: serde::de::Error>(self, line: bool) -> Result<Lines, E> {
                Ok(Lines(vec![line.to_string()]))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut lines: A) -> Result<Lines, A::Error> {
                let mut all = Vec::new();
                while let Some(line) = lines.next_element::<String>()? {
                    all.push(line);
                }
                Ok(Lines(all))
            }
        }

        deserializer.deserialize_any(Any)
    }
}
