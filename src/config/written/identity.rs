//! What the application is told about the tenant.

use http::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use super::text::Text;
use crate::config::decode::{List, Spanned};
use crate::types::TimeSpan;

/// What the application is told about the tenant: always set by the gateway, never passed through.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Identity {
    /// The header that carries the tenant's id. Default X-Tenant-Id.
    pub header: Option<Spanned<Text<HeaderName>>>,
    /// The header that carries its features, sorted and with commas between them, like X-Tenant-Features. Default: none.
    pub features_header: Option<Spanned<Text<HeaderName>>>,
    /// A short-lived signed token (JWT) about the tenant. Default: none.
    pub signed: Option<Spanned<Signed>>,
}

/// A short-lived signed token about the tenant.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Signed {
    /// The header that carries it. Default X-Tollgate-Context.
    pub header: Option<Spanned<Text<HeaderName>>>,
    /// The file of the signing key: Ed25519 as PKCS#8 in PEM, or for HS256 a secret of 32 bytes or more. Or see `keys`.
    pub key_file: Option<Spanned<String>>,
    /// How is signed with the key of `key_file`. Default EdDSA.
    pub algorithm: Option<Spanned<SigningAlgorithm>>,
    /// Several keys, to change from one to another: the first signs, all are published.
    #[schemars(length(min = 1, max = 8))]
    pub keys: Option<Spanned<List<SigningKey>>>,
    /// For how long a token is valid, from 2s to 24h. Default 60s.
    pub ttl: Option<Spanned<TimeSpan>>,
    /// Who issues it (`iss`). Default tollgate.
    pub issuer: Option<Spanned<String>>,
    /// Whom it is for (`aud`). Default: not said.
    pub audience: Option<Spanned<String>>,
}

/// A key that signs, or is still believed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct SigningKey {
    /// Its file.
    pub key_file: Spanned<String>,
    /// How is signed with it. Default EdDSA.
    pub algorithm: Option<SigningAlgorithm>,
}

/// How tokens are signed.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
pub(in crate::config) enum SigningAlgorithm {
    /// With an Ed25519 key, whose public half anyone may have.
    #[default]
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// With a secret that the application has, too.
    #[serde(rename = "HS256")]
    Hs256,
}
