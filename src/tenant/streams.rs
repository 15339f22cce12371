//! How many requests over HTTP/2 a tenant has under way, in all workers: a connection may carry hundreds, and a client may have many
//! connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::account::Account;

/// Counts them.
#[derive(Debug, Default)]
pub(super) struct Streams(AtomicU32);

/// One of them, until this is dropped.
#[derive(Debug)]
pub struct OpenStream(Arc<Account>);

impl OpenStream {
    /// One more, where there are fewer than `max`.
    #[must_use]
    pub fn open(account: &Arc<Account>, max: u32) -> Option<Self> {
        let one_more = |open: u32| open.checked_add(1).filter(|open| *open <= max);
        let opened = account.streams.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        opened.is_ok().then(|| Self(Arc::clone(account)))
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.streams.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;
    use crate::tenant::Accounts;
    use crate::types::TenantId;

    #[test]
    fn there_are_never_more_than_may_be_and_each_comes_back() {
        let metrics = Metrics::new(1).unwrap();
        let account = Accounts::default().open(&TenantId::parse("acme").unwrap(), &metrics);
        let open: Vec<_> = (0..3).filter_map(|_| OpenStream::open(&account, 2)).collect();
        assert_eq!(open.len(), 2);
        assert!(OpenStream::open(&account, 3).is_some(), "a higher bound holds at once");
        drop(open);
        assert_eq!((0..3).filter_map(|_| OpenStream::open(&account, 2)).map(|_| ()).count(), 3);
        assert_eq!(account.streams.0.load(Ordering::Relaxed), 0);
    }
}
