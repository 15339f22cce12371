//! Why the registry did not do what it was asked.

use serde_json::Value;

use crate::certificates::Hindrance;
use crate::config::Fault;
use crate::control::backup::BadBackup;
use crate::control::proof::Look;
use crate::store::{StoreFault, WriteError};
use crate::types::TenantId;

/// What is wrong in one place of a tenant's document, in the words of the API.
pub type InvalidMember = Fault;

/// Why something was not done. Nothing has changed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// There is no store to write to.
    #[error(
        "there is no store that tenants could be kept in: add `store: sqlite:state/tollgate.db` to the configuration and \
         reload it"
    )]
    NoStore,
    /// The tenant is part of the configuration.
    #[error("the tenant `{id}` is part of the configuration ({origin}), and can only be changed there")]
    InConfiguration {
        /// The tenant.
        id: TenantId,
        /// Where: `tollgate.yaml:12`.
        origin: String,
    },
    /// There is no such tenant.
    #[error("there is no tenant `{0}`")]
    UnknownTenant(String),
    /// There is such a tenant already.
    #[error("there is a tenant `{0}` already: change it with PUT or PATCH, or choose another id")]
    Exists(TenantId),
    /// It is not at the revision that was expected.
    #[error("the tenant has been changed meanwhile: get it again, and decide anew")]
    Precondition {
        /// Its revision now; `None` where it is not there.
        current: Option<u64>,
    },
    /// Others change the tenant all the time.
    #[error("others change this tenant at the same time: try again")]
    Contended,
    /// The domain is another tenant's.
    #[error("the domain `{domain}` belongs to the tenant `{owner}`")]
    DomainTaken {
        /// The domain.
        domain: String,
        /// Whose it is.
        owner: TenantId,
    },
    /// It would have too many of a thing.
    #[error("a tenant can't have more than {max} {what}")]
    TooMany {
        /// Of what, in plural.
        what: &'static str,
        /// How many it may have.
        max: usize,
    },
    /// The document is not that of a tenant; at least one member is to blame.
    #[error("the tenant is not valid: `errors` says what to change")]
    Invalid(Vec<InvalidMember>),
    /// It is no domain that the tenant could have.
    #[error("the domain is not valid: `errors` says what to change")]
    InvalidDomain(Vec<InvalidMember>),
    /// Nobody has shown that the domain is the tenant's.
    #[error("the domain `{domain}` is not proven to be the tenant's: {}", told(looks))]
    NotVerified {
        /// The domain.
        domain: String,
        /// Where a proof was looked for.
        looks: Vec<Look>,
        /// What is to be published, as the claim's answer tells it.
        challenge: Value,
    },
    /// The claim is too old to be proven.
    #[error("the claim on `{0}` has lapsed: claim the domain again, and publish the new token")]
    ClaimLapsed(String),
    /// Too many proofs are looked for.
    #[error("too many proofs of domains are looked for at this time: try again")]
    TooManyProofs,
    /// The system's resolver can't be used.
    #[error("names can't be resolved here: the log says why the system's resolver can't be used")]
    NoResolver,
    /// No certificates are ordered here.
    #[error("no certificates are ordered here: add `acme:` to `tls:` of a listener")]
    NoAuthority,
    /// None is ordered for such a domain.
    #[error("no certificate is ordered for `{0}`: only for single names, not for wildcards")]
    NoCertificateFor(String),
    /// None is ordered for it now.
    #[error("no certificate is ordered for `{domain}`: {}", hindrance.words)]
    NotOrdered {
        /// The domain.
        domain: String,
        /// What is in the way.
        hindrance: Hindrance,
        /// Until when, if time mends it, as it is told.
        until: Value,
    },
    /// Too many certificates are ordered.
    #[error("too many certificates are ordered at this time: try again")]
    TooManyOrders,
    /// Too many imports are under way.
    #[error("two imports are under way already: wait for one of them")]
    TooManyImports,
    /// A backup or a restore is under way.
    #[error("a backup or a restore is under way already: wait for it")]
    TooManyBackups,
    /// The file is no good backup; nothing of it was taken.
    #[error("this is no good backup: {0}; nothing was changed")]
    BadBackup(#[from] BadBackup),
    /// A backup can't be kept while it is checked: why.
    #[error("{0}; nothing was changed")]
    Spool(String),
    /// The backup does not have the tenant.
    #[error("the backup has no tenant `{0}`, and no usage of one")]
    NotInBackup(TenantId),
    /// A key of the tenant is another's.
    #[error("a key of this tenant belongs to another tenant by now: revoke it there")]
    KeyTaken,
    /// No secret can be made.
    #[error("the system gives no random numbers, so that no secret can be made")]
    NoRandomness,
    /// There is no such plan.
    #[error("there is no plan `{0}`")]
    UnknownPlan(String),
    /// The tenant has no such domain, and no claim on it; or nobody has.
    #[error("there is no domain `{0}` here")]
    UnknownDomain(String),
    /// The tenant has no such key.
    #[error("there is no key `{0}` here")]
    UnknownKey(String),
    /// The key was replaced already, or has expired.
    #[error(
        "the key `{0}` was replaced already, or has expired: rotate the one that is in use, or issue another"
    )]
    KeyEnded(String),
    /// What is asked for can't be understood.
    #[error("{0}")]
    BadQuery(String),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Refusal {
    /// What a write of a tenant was refused for.
    pub(super) fn of_write(error: WriteError, id: &TenantId) -> Self {
        match error {
            WriteError::NotExpected { current } => Self::Precondition { current },
            WriteError::Exists => Self::Exists(id.clone()),
            WriteError::Absent => Self::UnknownTenant(id.to_string()),
            WriteError::DomainTaken { domain, owner } => Self::DomainTaken { domain: domain.into(), owner },
            WriteError::TooMany { what, max } => Self::TooMany { what, max },
            WriteError::Fault(fault) => Self::Store(fault),
        }
    }

    /// One wrong member.
    pub(super) fn member(pointer: &str, code: &'static str, message: String, hint: &str) -> Self {
        let hint = Some(hint.to_owned());
        Self::Invalid(vec![Fault { pointer: pointer.to_owned(), code, message, hint }])
    }
}

/// Where it was looked, and what was found there.
fn told(looks: &[Look]) -> String {
    let told = looks.iter().map(|look| format!("at {}: {}", look.at, look.found));
    told.collect::<Vec<_>>().join("; ")
}
