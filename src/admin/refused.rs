//! What the registry refused, as problem documents.

use http::header::{ETAG, HeaderValue, RETRY_AFTER};
use http::{HeaderName, StatusCode};
use serde_json::{Value, json};

use super::problem::Problem;
use crate::control::registry::{InvalidMember, Look, Refusal};
use crate::store::StoreFault;

/// The one table from what was refused to status and code.
impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = status_and_code(&refusal);
        let problem = Self::new(status, code).detail(&refusal.to_string());
        match refusal {
            Refusal::Invalid(faults) | Refusal::InvalidDomain(faults) => {
                problem.member("errors", faults.iter().map(error).collect())
            }
            Refusal::DomainTaken { domain, owner } => {
                problem.member("domain", domain.into()).member("owner", owner.as_str().into())
            }
            Refusal::Precondition { current: Some(revision) } => {
                const TAG: HeaderName = ETAG;
                let tag = HeaderValue::try_from(format!("\"{revision}\"")).ok();
                let problem = problem.member("revision", revision.into());
                tag.into_iter().fold(problem, |problem, tag| problem.header(TAG, tag))
            }
            Refusal::BadBackup(bad) => {
                let problem = problem.member("line", bad.line.into());
                problem.member("expected", bad.expected.into()).member("found", bad.found.into())
            }
            Refusal::NotVerified { domain, looks, challenge } => problem
                .member("domain", domain.into())
                .member("looked", looks.iter().map(look).collect())
                .member("challenge", challenge),
            Refusal::NotOrdered { domain, hindrance, until } => problem
                .member("domain", domain.into())
                .member("reason", hindrance.kind.into())
                .member("until", until),
            Refusal::Store(StoreFault::Busy | StoreFault::Locked)
            | Refusal::TooManyImports
            | Refusal::TooManyBackups
            | Refusal::TooManyProofs
            | Refusal::TooManyOrders => {
                const AFTER: HeaderName = RETRY_AFTER;
                problem.header(AFTER, HeaderValue::from_static("1"))
            }
            _ => problem,
        }
    }
}

/// Status and code of a refusal.
pub(super) fn status_and_code(refusal: &Refusal) -> (StatusCode, &'static str) {
    match refusal {
        Refusal::NoStore => (StatusCode::CONFLICT, "no_store"),
        Refusal::InConfiguration { .. } => (StatusCode::CONFLICT, "tenant_in_configuration"),
        Refusal::UnknownTenant(_) => (StatusCode::NOT_FOUND, "unknown_tenant"),
        Refusal::Exists(_) => (StatusCode::CONFLICT, "tenant_exists"),
        Refusal::Precondition { .. } => (StatusCode::PRECONDITION_FAILED, "precondition_failed"),
        Refusal::Contended => (StatusCode::CONFLICT, "contended"),
        Refusal::DomainTaken { .. } => (StatusCode::CONFLICT, "domain_taken"),
        Refusal::TooMany { .. } => (StatusCode::CONFLICT, "too_many"),
        Refusal::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_tenant"),
        Refusal::InvalidDomain(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_domain"),
        Refusal::NotVerified { .. } => (StatusCode::CONFLICT, "not_verified"),
        Refusal::ClaimLapsed(_) => (StatusCode::CONFLICT, "claim_lapsed"),
        Refusal::TooManyProofs => (StatusCode::SERVICE_UNAVAILABLE, "too_many_proofs"),
        Refusal::NoResolver => (StatusCode::SERVICE_UNAVAILABLE, "no_resolver"),
        Refusal::NoAuthority => (StatusCode::CONFLICT, "no_acme"),
        Refusal::NoCertificateFor(_) => (StatusCode::CONFLICT, "no_certificate_for"),
        Refusal::NotOrdered { .. } => (StatusCode::CONFLICT, "not_ordered"),
        Refusal::TooManyOrders => (StatusCode::SERVICE_UNAVAILABLE, "too_many_orders"),
        Refusal::TooManyImports => (StatusCode::SERVICE_UNAVAILABLE, "too_many_imports"),
        Refusal::TooManyBackups => (StatusCode::SERVICE_UNAVAILABLE, "too_many_backups"),
        Refusal::BadBackup(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad_backup"),
        Refusal::Spool(_) => (StatusCode::INSUFFICIENT_STORAGE, "no_room_for_backup"),
        Refusal::NotInBackup(_) => (StatusCode::NOT_FOUND, "unknown_tenant"),
        Refusal::KeyTaken => (StatusCode::CONFLICT, "key_taken"),
        Refusal::NoRandomness => (StatusCode::INTERNAL_SERVER_ERROR, "no_randomness"),
        Refusal::UnknownPlan(_) => (StatusCode::NOT_FOUND, "unknown_plan"),
        Refusal::UnknownDomain(_) => (StatusCode::NOT_FOUND, "unknown_domain"),
        Refusal::UnknownKey(_) => (StatusCode::NOT_FOUND, "unknown_key"),
        Refusal::KeyEnded(_) => (StatusCode::CONFLICT, "key_ended"),
        Refusal::BadQuery(_) => (StatusCode::BAD_REQUEST, "bad_query"),
        Refusal::Store(fault) => match fault {
            StoreFault::Busy => (StatusCode::SERVICE_UNAVAILABLE, "store_busy"),
            StoreFault::Locked => (StatusCode::SERVICE_UNAVAILABLE, "store_locked"),
            StoreFault::NoSpace => (StatusCode::INSUFFICIENT_STORAGE, "store_full"),
            StoreFault::Failed => (StatusCode::SERVICE_UNAVAILABLE, "store_failed"),
            StoreFault::Gone => (StatusCode::SERVICE_UNAVAILABLE, "store_closed"),
        },
    }
}

/// Why one of many was left out, as it is told.
pub(super) fn reason(refusal: &Refusal) -> Value {
    match refusal {
        // The first of a tenant's errors; whoever mends it sees the next one.
        Refusal::Invalid(faults) if !faults.is_empty() => faults.first().map(error).unwrap_or_default(),
        refusal => json!({ "code": status_and_code(refusal).1, "detail": refusal.to_string() }),
    }
}

/// A place where a proof was looked for.
fn look(look: &Look) -> Value {
    json!({ "method": look.method.as_str(), "at": look.at, "found": look.found.to_string() })
}

/// A wrong member, as it is told.
pub(super) fn error(fault: &InvalidMember) -> Value {
    let mut error = json!({ "pointer": fault.pointer, "code": fault.code, "detail": fault.message });
    if let (Some(hint), Value::Object(members)) = (&fault.hint, &mut error) {
        members.insert("hint".to_owned(), hint.as_str().into());
    }
    error
}
