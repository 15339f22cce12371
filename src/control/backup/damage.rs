//! Why a file is no good backup.

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: expected {expected}, found {found}")]
pub struct BadBackup {
    /// The line, from 1.
    pub line: u64,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl BadBackup {
    pub(super) fn new(line: u64, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { line, expected: expected.into(), found: found.into() }
    }
}
