//! Listeners, admin, workers.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroUsize;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::text::{FileMode, Text};
use super::tls::Tls;
use crate::config::decode::{OneOrList, Spanned, Unsupported};
use crate::types::BindAddress;

/// A public listener: HTTP/1.1 and h2c (prior knowledge) on one port.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Listener {
    /// Where to listen, or a list of it: an address and port like 0.0.0.0:8080 or [::]:8080 (port 0 takes any free one), a Unix socket
    /// like unix:/run/tollgate/tollgate.sock, or a socket that systemd has opened: systemd:NAME or fd:3.
    pub bind: Spanned<OneOrList<Text<BindAddress>>>,
    /// Whether an IPv6 address takes IPv6 connections only. With false, [::]:8080 takes IPv4 connections, too. Default true.
    pub v6only: Option<Spanned<bool>>,
    /// Who may connect to a Unix socket, as the mode of its file. Default 0660.
    pub mode: Option<Spanned<Text<FileMode>>>,
    /// Lead requests to https: true, or { port: 8443, status: 308 }. Those that a trusted proxy says came by https are served, and so
    /// are ACME's challenges. Default false.
    pub https_redirect: Option<Spanned<HttpsRedirect>>,
    /// Every connection begins with a PROXY header, version 1 or 2, from one of `trusted_proxies`: others are closed. Default false:
    /// none does.
    pub proxy_protocol: Option<bool>,
    /// TLS. Without it clients speak in the clear.
    pub tls: Option<Spanned<Tls>>,
    /// QUIC on the same port. Not supported yet.
    pub http3: Option<Unsupported<bool>>,
}

/// Whether and how requests are led to https.
#[derive(Clone, Copy, Debug, JsonSchema)]
#[schemars(untagged)]
pub(in crate::config) enum HttpsRedirect {
    /// Whether they are, at port 443 and by 308.
    Switch(bool),
    /// They are.
    To(HttpsRedirectTo),
}

impl<'de> Deserialize<'de> for HttpsRedirect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HttpsRedirectVisitor;

        impl<'de> Visitor<'de> for HttpsRedirectVisitor {
            type Value = HttpsRedirect;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, or where to, like { port: 8443, status: 308 }")
            }

            fn visit_bool<E: de::Error>(self, whether: bool) -> Result<HttpsRedirect, E> {
                Ok(HttpsRedirect::Switch(whether))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<HttpsRedirect, A::Error> {
                HttpsRedirectTo::deserialize(MapAccessDeserializer::new(map)).map(HttpsRedirect::To)
            }
        }

        deserializer.deserialize_any(HttpsRedirectVisitor)
    }
}

/// How requests are led to https.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct HttpsRedirectTo {
    /// The port there. Default 443.
    pub port: Option<u16>,
    /// The status that says so: 301, 302, 307 or 308. Default 308, by which a request keeps its method and body.
    pub status: Option<u16>,
}

/// The admin listener.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Admin {
    /// The address and port, or unix:PATH, systemd:NAME or fd:N. Default 127.0.0.1:9900.
    pub bind: Option<Spanned<Text<BindAddress>>>,
    /// Who may connect to a Unix socket, as the mode of its file. Default 0660.
    pub mode: Option<Spanned<Text<FileMode>>>,
    /// The bearer token of the API. Better kept in a file: see `token_file`.
    pub token: Option<Spanned<String>>,
    /// A file with the bearer token of the API.
    pub token_file: Option<Spanned<String>>,
}

/// How many threads serve.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) enum Workers {
    Auto,
    Count(NonZeroUsize),
}

impl<'de> Deserialize<'de> for Workers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WorkersVisitor;

        impl Visitor<'_> for WorkersVisitor {
            type Value = Workers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`auto` or a number from 1 to 1024")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Workers, E> {
                match word {
                    "auto" => Ok(Workers::Auto),
                    _ => Err(E::invalid_type(de::Unexpected::Str(word), &self)),
                }
            }

            fn visit_u64<E: de::Error>(self, count: u64) -> Result<Workers, E> {
                let small = usize::try_from(count).ok().filter(|count| *count <= 1024);
                small
                    .and_then(NonZeroUsize::new)
                    .map(Workers::Count)
                    .ok_or_else(|| E::invalid_type(de::Unexpected::Unsigned(count), &self))
            }
        }

        deserializer.deserialize_any(WorkersVisitor)
    }
}

impl JsonSchema for Workers {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Workers".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "const": "auto" }, { "type": "integer", "minimum": 1, "maximum": 1024 }] })
    }
}
