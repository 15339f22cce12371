//! All that the store has, as a backup.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;

use super::{Refusal, Registry};
use crate::control::backup;
use crate::store::{StoreFault, StoreSnapshot};

/// The store at one moment, to be written down.
#[derive(Debug)]
pub struct Backup {
    snapshot: StoreSnapshot,
    _turn: OwnedSemaphorePermit,
}

impl Registry {
    /// Takes the store as it is now. While that is held the store's log grows: one is taken at a time.
    ///
    /// # Errors
    /// [`Refusal`]: there is no store, or no answer of it, or another backup or restore is under way.
    pub async fn back_up(&self) -> Result<Backup, Refusal> {
        let store = self.store()?;
        let turn = self.begin_backup()?;
        let taken = spawn_blocking(move || store.snapshot()).await;
        let snapshot = taken.map_err(|_| StoreFault::Failed)??;
        Ok(Backup { snapshot, _turn: turn })
    }

    /// Takes the turn for a backup or a restore.
    pub(super) fn begin_backup(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.backups).try_acquire_owned().map_err(|_| Refusal::TooManyBackups)
    }
}

impl Backup {
    /// Hands the file over, in pieces. Reads the disk, and waits for whoever takes it: for a thread that may.
    ///
    /// # Errors
    /// That of `give`, or a [`StoreFault`]: what was given so far is no backup.
    pub fn write<E: From<StoreFault>>(self, give: impl FnMut(Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        backup::write(&self.snapshot, Timestamp::now(), give)
    }
}
