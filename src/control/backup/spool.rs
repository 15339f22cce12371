//! A backup that is being received: on the disk, and checked as a whole before anything is made of it.

use std::fs::File;
use std::io::{self, BufReader, Seek, Write};
use std::path::Path;

use super::read::{Order, Reader};
use super::{BadBackup, Check};

/// How large a backup may be: a million tenants have a hundredth of it.
const SIZE_MAX: u64 = 64 << 30;

/// Receives a backup into a file that has no name, and so is gone with the process, however that ends.
pub(crate) struct Spool {
    file: File,
    check: Check,
    order: Order,
    size: u64,
}

/// Why a backup was not received.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpoolError {
    /// There is no room, or the disk fails.
    #[error("the backup can't be kept beside the store while it is checked: {0}")]
    Io(#[from] io::Error),
    /// It is no good backup.
    #[error(transparent)]
    Bad(#[from] BadBackup),
}

impl Spool {
    /// Keeps what comes in this folder.
    pub(crate) fn within(folder: &Path) -> Result<Self, SpoolError> {
        let file = tempfile::tempfile_in(folder)?;
        Ok(Self { file, check: Check::default(), order: Order::default(), size: 0 })
    }

    /// Takes what comes next. Writes to the disk.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        self.size = self.size.saturating_add(bytes.len() as u64);
        if self.size > SIZE_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it has more than 64 GiB").into());
        }
        let order = &mut self.order;
        self.check.take(bytes, |line, record| order.check(line, record))?;
        Ok(self.file.write_all(bytes)?)
    }

    /// Nothing more comes: the backup, if it is whole.
    pub(crate) fn finish(self) -> Result<Reader<BufReader<File>>, SpoolError> {
        self.check.finish()?;
        let mut file = self.file;
        file.rewind()?;
        Ok(Reader::new(BufReader::with_capacity(256 << 10, file))?)
    }
}
