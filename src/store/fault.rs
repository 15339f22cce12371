//! Why the store did not do what it was asked.

use rusqlite::{Error, ErrorCode};

use crate::admission::quota::BackendError;
use crate::types::TenantId;

/// Why there is no answer of the store. What a write that failed so has done is undone, or, after
/// [`StoreFault::Gone`], not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoreFault {
    /// Too much waits already, or a search took too long.
    #[error("the store is busy: try again, or ask for less at a time")]
    Busy,
    /// Another process holds the database.
    #[error("the store is locked by another process")]
    Locked,
    /// There is no room for it.
    #[error("the store's disk is full")]
    NoSpace,
    /// It could not be read or written: the log says why.
    #[error("the store can't be read or written")]
    Failed,
    /// It was closed.
    #[error("the store is closed")]
    Gone,
}

/// Why a change was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The tenant is at another revision than was expected, or not there any more.
    #[error("the tenant has been changed meanwhile")]
    NotExpected {
        /// Its revision now; `None` where there is no such tenant.
        current: Option<u64>,
    },
    /// It was expected not to be there, and is.
    #[error("it exists already")]
    Exists,
    /// It is not there: the tenant, its claim on the domain, or its key.
    #[error("it does not exist")]
    Absent,
    /// The domain is another tenant's.
    #[error("the domain {domain} belongs to the tenant {owner}")]
    DomainTaken {
        /// The domain.
        domain: Box<str>,
        /// Whose it is.
        owner: TenantId,
    },
    /// The tenant has as many as it may have.
    #[error("a tenant can't have more than {max} {what}")]
    TooMany {
        /// Of what, in plural.
        what: &'static str,
        /// How many.
        max: usize,
    },
    /// The store did not answer.
    #[error(transparent)]
    Fault(#[from] StoreFault),
}

impl From<StoreFault> for BackendError {
    fn from(fault: StoreFault) -> Self {
        match fault {
            StoreFault::Busy => Self::Full,
            StoreFault::Locked => Self::Locked,
            StoreFault::NoSpace => Self::NoSpace,
            StoreFault::Failed => Self::Failed,
            StoreFault::Gone => Self::Gone,
        }
    }
}

/// What an error of SQLite is to whoever asked.
pub(super) fn fault(error: &Error) -> StoreFault {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreFault::Locked,
        Some(ErrorCode::DiskFull) => StoreFault::NoSpace,
        Some(ErrorCode::OperationInterrupted) => StoreFault::Busy,
        _ => StoreFault::Failed,
    }
}

/// Whether the connection is to be opened anew after an error: what it knows of the file may not be so any more.
pub(super) fn is_lasting(error: &Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::NotADatabase
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::FileLockingProtocolFailed
        )
    )
}

/// Whether another work of the same transaction may be without the error: it is neither the disk's nor another process's,
/// but that of a record, or of the page that it is on.
pub(super) fn is_peculiar(error: &Error) -> bool {
    let of_a_page = error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt);
    of_a_page || (!is_lasting(error) && matches!(fault(error), StoreFault::Failed))
}
