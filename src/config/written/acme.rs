//! Certificates on demand, from an authority that speaks ACME.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::decode::{List, Spanned};
use crate::types::TimeSpan;

/// An authority that certificates of tenants' verified domains come from (ACME, RFC 8555). It is the same on every listener that has one, and needs `store`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Acme {
    /// The URL of its directory, like https://acme-v02.api.letsencrypt.org/directory.
    pub directory: Spanned<String>,
    /// Whom it may write to, like mailto:ops@example.com.
    pub contact: Option<Spanned<String>>,
    /// A file of the authorities that vouch for its own server, in PEM. Default: the system's.
    pub ca: Option<Spanned<String>>,
    /// An account that you have with it otherwise, as some demand (external account binding).
    pub external_account: Option<ExternalAccount>,
    /// A file with the key that private keys are encrypted with in the store: 32 bytes as base64 or hexadecimal.
    pub encryption_key_file: Option<Spanned<String>>,
    /// That key itself, from the environment: ${NAME}.
    pub encryption_key: Option<Spanned<String>>,
    /// Files with keys of before: what they have encrypted can still be read.
    #[serde(default)]
    pub former_encryption_key_files: List<Spanned<String>>,
    /// How the authority sees that a name leads here; the first is tried first, the next after a failure. Default [http-01, tls-alpn-01].
    #[schemars(length(min = 1))]
    pub challenges: Option<Spanned<List<Challenge>>>,
    /// How long a handshake waits for a certificate that is being issued, before it shows the listener's default certificate, or with `strict_sni` the alert. Shorter than
    /// `limits.tls_handshake_timeout`. Default: a second less than that, at most 10s.
    pub issue_timeout: Option<Spanned<TimeSpan>>,
    /// Whether a certificate is also ordered at the first handshake for a domain, beside those that are ordered when domains are verified. Default true.
    pub on_demand: Option<bool>,
    /// How many orders there may be.
    pub budgets: Option<Budgets>,
    /// The addresses that clients reach this gateway at, so that it can be told whether a domain leads here. Default: not told.
    #[serde(default)]
    pub addresses: List<Spanned<String>>,
}

/// An account with the authority that was made otherwise.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ExternalAccount {
    /// Its id.
    pub key_id: Spanned<String>,
    /// A file with its key, as base64url.
    pub hmac_key_file: Option<Spanned<String>>,
    /// That key itself, from the environment: ${NAME}.
    pub hmac_key: Option<Spanned<String>>,
}

/// How many orders there may be. Renewals count for the account alone.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Budgets {
    /// For a tenant, in 24 hours. Default 50.
    #[schemars(range(min = 1))]
    pub per_tenant: Option<Spanned<u32>>,
    /// For names below one registered domain (example.co.uk), in 7 days. Default 50.
    #[schemars(range(min = 1))]
    pub per_registered_domain: Option<Spanned<u32>>,
    /// In all, in 3 hours. Default 300.
    #[schemars(range(min = 1))]
    pub account: Option<Spanned<u32>>,
}

/// How an authority sees that a name leads here.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
pub(in crate::config) enum Challenge {
    /// A page over HTTP: needs port 80 to lead here.
    #[serde(rename = "http-01")]
    Http01,
    /// A handshake: needs port 443 to lead here.
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
}
