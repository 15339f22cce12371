//! TLS to endpoints.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::decode::Spanned;

/// TLS to endpoints.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct UpstreamTls {
    /// The file of the authorities that are believed, in PEM. Default: the system's authorities.
    pub ca: Option<Spanned<String>>,
    /// The file of the gateway's certificate and those that lead to its authority, in PEM; with `client_key`.
    pub client_cert: Option<Spanned<String>>,
    /// The file of the gateway's private key, in PEM, not encrypted; with `client_cert`.
    pub client_key: Option<Spanned<String>>,
    /// The name that is asked for (SNI) and that the endpoint must prove. Default: the endpoint's host.
    pub server_name: Option<Spanned<String>>,
    /// Believe every certificate: whoever is on the way can read and change all. Default false.
    pub insecure: Option<Spanned<bool>>,
}
