//! What has changed since: for caches of tenants, of this gateway and of others on the same store.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use rusqlite::{Connection, params};
use serde::Deserialize;

use super::audit::{last_seq, signed};
use super::retention::removed_up_to;
use super::{Store, StoreFault, WriteError};
use crate::types::TenantId;

/// Changes of one answer, at most.
const CHANGES_MAX: usize = 10_000;

/// That a tenant has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The change's number.
    pub seq: u64,
    /// The tenant.
    pub tenant: TenantId,
    /// The domains that were its own before or are since, in no order: whatever is known of them may be wrong.
    pub hosts: Vec<Box<str>>,
}

/// What has changed since a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Feed {
    /// This, in its order.
    Changes(Vec<Change>),
    /// More than is known any more: entries up to this number were removed, some of which had not been asked for. Whatever is
    /// known may be wrong; what came behind it can be asked for.
    Removed {
        /// The number.
        up_to: u64,
    },
    /// The store has had fewer changes than that: it is an older one, as of a backup. Whatever is known may be wrong.
    Rewound {
        /// The number of its last change.
        to: u64,
    },
}

/// What of an entry's JSON is read.
#[derive(Deserialize)]
struct Owned {
    #[serde(default)]
    domains: Vec<Box<str>>,
}

impl Store {
    /// Changes of tenants with a larger number than this one, in their order, at most so many and never more than 10,000. An
    /// empty answer says that there are none.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn changes_since(&self, seq: u64, limit: usize) -> Result<Feed, StoreFault> {
        let feed =
            self.readers.search(move |connection| since(connection, seq, limit.min(CHANGES_MAX))).await?;
        if let Feed::Rewound { to } = feed {
            self.known.last_seq.store(to, Ordering::Release);
        }
        Ok(feed)
    }

    /// How often the store's file was opened anew, because it was lost or another one was in its place: whatever is known from
    /// before may be wrong.
    #[must_use]
    pub fn openings(&self) -> u64 {
        self.known.openings()
    }

    /// The number of the last change in the store that this process knows of; 0 before the first.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.known.last_seq.load(Ordering::Acquire)
    }

    /// Whether another process has written to the store since this was asked last, or may have; cheap enough to be asked
    /// every second.
    ///
    /// # Errors
    /// [`StoreFault`].
    pub async fn has_foreign_changes(&self) -> Result<bool, StoreFault> {
        // On the connection that writes: there SQLite counts only what others have committed.
        let version = self.write(|connection| Ok(Ok(data_version(connection)?))).await;
        match version {
            Ok(version) => Ok(self.known.data_version.swap(version, Ordering::AcqRel) != version),
            Err(WriteError::Fault(fault)) => Err(fault),
            Err(_) => Err(StoreFault::Failed),
        }
    }
}

/// What is known of the store without asking it.
#[derive(Debug)]
pub(super) struct Known {
    last_seq: AtomicU64,
    /// SQLite's count of what others have committed, as the connection that writes sees it.
    data_version: AtomicI64,
    /// How often the connection that writes was opened anew.
    openings: AtomicU64,
}

impl Known {
    pub(super) fn of(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            last_seq: AtomicU64::new(last_seq(connection)?),
            data_version: AtomicI64::new(data_version(connection)?),
            openings: AtomicU64::new(0),
        })
    }

    /// A change of this process was committed.
    pub(super) fn committed(&self, seq: u64) {
        self.last_seq.fetch_max(seq, Ordering::AcqRel);
    }

    /// The connection is another one, which counts from somewhere else.
    pub(super) fn opened_anew(&self) {
        self.data_version.store(-1, Ordering::Release);
        self.openings.fetch_add(1, Ordering::AcqRel);
    }

    /// How often the connection that writes was opened anew.
    pub(super) fn openings(&self) -> u64 {
        self.openings.load(Ordering::Acquire)
    }
}

fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "data_version", |row| row.get(0))
}

fn since(connection: &Connection, seq: u64, limit: usize) -> rusqlite::Result<Feed> {
    let removed = removed_up_to(connection)?;
    if seq < removed {
        return Ok(Feed::Removed { up_to: removed });
    }
    let last = last_seq(connection)?;
    if seq > last {
        return Ok(Feed::Rewound { to: last });
    }
    let mut statement = connection.prepare_cached(
        "SELECT seq, tenant, before, after FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    )?;
    let mut rows = statement.query(params![signed(seq), signed(limit as u64)])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        let Some(Ok(tenant)) = row.get_ref(1)?.as_str_or_null()?.map(TenantId::parse) else { continue };
        let mut hosts = Vec::new();
        for column in [2, 3] {
            if let Some(json) = row.get_ref(column)?.as_str_or_null()? {
                hosts.extend(serde_json::from_str(json).map(|Owned { domains }| domains).unwrap_or_default());
            }
        }
        hosts.sort_unstable();
        hosts.dedup();
        changes.push(Change { seq: row.get::<_, i64>(0)?.unsigned_abs(), tenant, hosts });
    }
    Ok(Feed::Changes(changes))
}
