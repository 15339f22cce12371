//! Tenant ids: the name under which a tenant is configured, metered and logged.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The longest tenant id: it must fit a DNS label (RFC 1035 §2.3.4), because host patterns capture it from one.
pub const TENANT_ID_LEN_MAX: usize = 63;

/// A tenant's id: 1 to 63 lower-case letters, digits and inner hyphens, so that every id can
/// stand as a DNS label, in a header and in a metric label as it is. Cloning is a count.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Arc<str>);

/// Why a text is no tenant id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTenantId {
    /// No character at all.
    #[error("a tenant id can't be empty")]
    Empty,
    /// More than [`TENANT_ID_LEN_MAX`] characters.
    #[error("a tenant id has at most {TENANT_ID_LEN_MAX} characters")]
    TooLong,
    /// A character outside `a-z`, `0-9` and `-`.
    #[error("{0:?} can't stand in a tenant id: use lower-case letters, digits and '-'")]
    Character(char),
    /// A hyphen at the start or the end.
    #[error("a tenant id can't start or end with '-'")]
    OuterHyphen,
}

impl TenantId {
    /// Parses an id.
    ///
    /// # Errors
    /// [`InvalidTenantId`] names the first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidTenantId> {
        Self::check(text)?;
        Ok(Self(text.into()))
    }

    /// The id of a made-up tenant that stands for those who differ in nothing from their plan.
    #[must_use]
    pub fn nobody() -> Self {
        Self("nobody".into())
    }

    /// Checks a text against the rules without making an id of it (no allocation).
    ///
    /// # Errors
    /// As [`TenantId::parse`].
    pub fn check(text: &str) -> Result<(), InvalidTenantId> {
        if text.is_empty() {
            return Err(InvalidTenantId::Empty);
        }
        if let Some(odd) = text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
            return Err(InvalidTenantId::Character(odd));
        }
        if text.len() > TENANT_ID_LEN_MAX {
            return Err(InvalidTenantId::TooLong);
        }
        if text.starts_with('-') || text.ends_with('-') {
            return Err(InvalidTenantId::OuterHyphen);
        }
        Ok(())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for TenantId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for TenantId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_are_dns_labels_parse() {
        for id in ["a", "acme", "acme-2", "0x", &"a".repeat(63)] {
            assert_eq!(TenantId::parse(id).as_ref().map(TenantId::as_str), Ok(id));
        }
    }

    #[test]
    fn every_broken_rule_is_named() {
        assert_eq!(TenantId::parse(""), Err(InvalidTenantId::Empty));
        assert_eq!(TenantId::parse("Acme"), Err(InvalidTenantId::Character('A')));
        assert_eq!(TenantId::parse("a.b"), Err(InvalidTenantId::Character('.')));
        assert_eq!(TenantId::parse(&"a".repeat(64)), Err(InvalidTenantId::TooLong));
        assert_eq!(TenantId::parse("-a"), Err(InvalidTenantId::OuterHyphen));
        assert_eq!(TenantId::parse("a-"), Err(InvalidTenantId::OuterHyphen));
    }
}
