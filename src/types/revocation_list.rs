//! What a list of revoked certificates (RFC 5280 §5) says of itself.

use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use super::certificate::distinguished;

/// Whose list it is, and for how long it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationList {
    /// The authority as text (RFC 4514), in ASCII.
    pub issuer: Box<str>,
    /// When it was made, in seconds since 1970.
    pub this_update: i64,
    /// When the next one is there at the latest, in seconds since 1970, if it says so: then this one is out of date.
    pub next_update: Option<i64>,
}

impl RevocationList {
    /// Reads a list in DER.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(der: &[u8]) -> Result<Self, String> {
        let (_, list) = CertificateRevocationList::from_der(der).map_err(|why| why.to_string())?;
        Ok(Self {
            issuer: distinguished(list.issuer()),
            this_update: list.last_update().timestamp(),
            next_update: list.next_update().map(|next| next.timestamp()),
        })
    }

    /// Whether less than a tenth of the time is left that it holds for: a new one should be there.
    #[must_use]
    pub fn is_ending(&self, now_s: i64) -> bool {
        let holds_for = |until: i64| until.saturating_sub(self.this_update);
        self.next_update.is_some_and(|until| until.saturating_sub(now_s) < holds_for(until) / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_ends_in_the_last_tenth_of_its_time() {
        let list = RevocationList { issuer: "CN=a".into(), this_update: 1_000, next_update: Some(2_000) };
        assert!(!list.is_ending(1_900));
        assert!(list.is_ending(1_901));
        assert!(list.is_ending(3_000));
        assert!(!RevocationList { next_update: None, ..list }.is_ending(3_000));
    }

    #[test]
    fn what_is_no_list_is_none() {
        assert!(RevocationList::read(b"").is_err());
        assert!(RevocationList::read(&[0x30, 0x03, 1, 1, 0]).is_err());
    }
}
