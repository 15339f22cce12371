//! Whether files have changed since they were read.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A file system keeps time by its kernel's ticks: of two writes within one, the second leaves no trace.
const TICK: Duration = Duration::from_millis(50);

/// What the file system says of some files: compared, not read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fingerprint(Vec<(PathBuf, Option<Stat>)>);

/// What the file system says of one file, links followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    dev: u64,
    ino: u64,
    mtime: (i64, i64),
    len: u64,
}

impl Fingerprint {
    /// The state of these files.
    pub fn of(paths: &[PathBuf]) -> Self {
        Self(paths.iter().map(|path| (path.clone(), Stat::of(path))).collect())
    }
}

impl Stat {
    /// That of a path, if there is something.
    pub fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|metadata| Self::from(&metadata))
    }

    /// Whether it was written so lately that another write might not show.
    pub fn is_fresh(self) -> bool {
        let (seconds, nanos) = self.mtime;
        let since_epoch =
            Duration::new(u64::try_from(seconds).unwrap_or(0), u32::try_from(nanos).unwrap_or(0));
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + since_epoch).is_ok_and(|age| age < TICK)
    }

    /// Which file or folder it is, whatever is in it.
    pub fn identity(self) -> (u64, u64) {
        (self.dev, self.ino)
    }
}

impl From<&Metadata> for Stat {
    fn from(metadata: &Metadata) -> Self {
        Self {
            dev: metadata.dev(),
            ino: metadata.ino(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            len: metadata.len(),
        }
    }
}
