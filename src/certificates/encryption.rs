//! Whether what the store keeps encrypted can be read with the keys of a configuration.

use std::fmt;

use crate::store::KeyUses;
use crate::telemetry::CertificateReading;
use crate::types::EncryptionKeys;

/// Ids of keys that are told, at most.
const IDS_MAX: usize = 3;

/// What can't be read, for the keys are not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Certificates that hold.
    pub certificates: u64,
    /// Whether the account with the authority can't be read either: then nothing is ordered.
    pub account: bool,
    /// The ids of the keys that are not there.
    pub missing: Vec<Box<str>>,
    /// The id of the key that is.
    pub current: Box<str>,
}

impl Unreadable {
    /// What of this can't be read; `None`: all of it can. Of accounts only that with the authority in use is asked for.
    #[must_use]
    pub fn of(uses: &KeyUses, keys: &EncryptionKeys, directory: &str) -> Option<Self> {
        let lost = |id: &str| !keys.has(id);
        let mut missing: Vec<Box<str>> = Vec::new();
        let mut miss = |id: &str| {
            if !missing.iter().any(|known| **known == *id) {
                missing.push(id.into());
            }
        };
        let mut certificates = 0;
        // Those that have ended are no loss.
        for used in uses.certificates.iter().filter(|used| used.valid > 0 && lost(&used.key_id)) {
            certificates += used.valid;
            miss(&used.key_id);
        }
        let mut account = false;
        for (_, id) in uses.accounts.iter().filter(|(of, id)| **of == *directory && lost(id)) {
            account = true;
            miss(id);
        }
        let current = keys.current.id().into();
        (!missing.is_empty()).then_some(Self { certificates, account, missing, current })
    }
}

/// What is wrong, and what to do.
impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let certificates = match self.certificates {
            0 => None,
            1 => Some("a certificate".to_owned()),
            count => Some(format!("{count} certificates")),
        };
        let account = self.account.then(|| "the account with the authority".to_owned());
        let what = certificates.into_iter().chain(account).collect::<Vec<_>>().join(" and ");
        let ids: Vec<_> = self.missing.iter().take(IDS_MAX).map(|id| format!("`{id}`")).collect();
        let more = if self.missing.len() > IDS_MAX { ", …" } else { "" };
        write!(
            f,
            "the store has {what} encrypted with another key (its id is {}{more}) than the one of `tls.acme` (`{}`), so that they \
             can't be read: add the file of that key to `former_encryption_key_files`, or put it back into `encryption_key_file`",
            ids.join(", "),
            self.current
        )
    }
}

/// What metrics are told.
pub(super) fn reading(uses: &KeyUses, keys: &EncryptionKeys, failing: u64) -> CertificateReading {
    let mut reading = CertificateReading { failing, ..CertificateReading::default() };
    for used in &uses.certificates {
        let hold = if keys.has(&used.key_id) { &mut reading.valid } else { &mut reading.unreadable };
        *hold += used.valid;
        reading.expired += used.expired;
        reading.soonest_ms = reading.soonest_ms.into_iter().chain(used.soonest_ms).min();
    }
    reading
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::KeyUse;
    use crate::types::EncryptionKey;

    #[test]
    fn what_is_encrypted_with_a_key_that_is_not_there_is_told_with_what_to_do() {
        let key = |digit: &str| EncryptionKey::parse(&digit.repeat(64)).unwrap();
        let (one, two) = (key("1"), key("2"));
        let with = |key: &EncryptionKey, valid, expired| KeyUse {
            key_id: key.id().into(),
            valid,
            expired,
            soonest_ms: Some(7),
        };
        let uses = KeyUses {
            certificates: vec![with(&one, 3, 1), with(&two, 2, 0)],
            accounts: vec![
                ("https://a.test".into(), one.id().into()),
                ("https://b.test".into(), "else".into()),
            ],
        };
        let keys = EncryptionKeys { current: two.clone(), former: Vec::new() };
        let lost = Unreadable::of(&uses, &keys, "https://a.test").unwrap();
        assert_eq!((lost.certificates, lost.account, &*lost.missing), (3, true, &[one.id().into()][..]));
        let words = lost.to_string();
        for part in [one.id(), two.id(), "3 certificates and the account", "former_encryption_key_files"] {
            assert!(words.contains(part), "{part}: {words}");
        }
        let told = reading(&uses, &keys, 4);
        assert_eq!((told.valid, told.unreadable, told.expired, told.failing), (2, 3, 1, 4));
        assert_eq!(told.soonest_ms, Some(7));
        let both = EncryptionKeys { current: two, former: vec![one.clone()] };
        assert_eq!(Unreadable::of(&uses, &both, "https://a.test"), None);
        // What has ended is no loss.
        let ended = KeyUses { certificates: vec![with(&one, 0, 9)], accounts: Vec::new() };
        assert_eq!(Unreadable::of(&ended, &keys, "https://a.test"), None);
    }
}
