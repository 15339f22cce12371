//! Certificates on demand.

use std::net::IpAddr;
use std::time::Duration;

use super::PemFile;
use crate::types::{EncryptionKeys, Secret};

/// Where certificates of tenants' domains come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// The URL of the authority's directory.
    pub directory: String,
    /// Whom it may write to.
    pub contact: Option<String>,
    /// Who vouches for its server; `None`: the authorities of the system.
    pub ca: Option<PemFile>,
    /// An account that the operator has with it otherwise.
    pub external_account: Option<ExternalAccount>,
    /// What private keys are encrypted with in the store.
    pub encryption: EncryptionKeys,
    /// How it sees that a name leads here, at least one.
    pub challenges: Vec<AcmeChallenge>,
    /// How long a handshake waits for a certificate.
    pub issue_timeout: Duration,
    /// Whether a handshake has one ordered.
    pub on_demand: bool,
    /// How many orders there may be.
    pub budgets: AcmeBudgets,
    /// The addresses that clients reach the gateway at; none: not known.
    pub addresses: Vec<IpAddr>,
}

/// An account with an authority that was made otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalAccount {
    /// Its id.
    pub key_id: String,
    /// Its key as base64url, which was read as such.
    pub hmac_key: Secret,
}

/// How many orders there may be; none is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcmeBudgets {
    /// For a tenant, in a day.
    pub tenant: u32,
    /// For a registered domain, in a week.
    pub registered: u32,
    /// In all, in three hours.
    pub account: u32,
}

/// How an authority sees that a name leads here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcmeChallenge {
    /// A page over HTTP.
    Http01,
    /// A handshake.
    TlsAlpn01,
}
