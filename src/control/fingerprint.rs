//! Whether the files of a configuration have changed since they were read.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What the file system says of a set of files and folders: compared, not read.
///
/// An event in a folder is a hint only: a log may be written there, and a mounted configuration is swapped
/// by changing a link above it. Whether to reload is decided by comparing this.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprint(Vec<(PathBuf, Option<Stat>)>);

type Stat = (u64, u64, i64, i64, u64);

impl Fingerprint {
    /// The state of these paths; of a folder, each file in it.
    #[must_use]
    pub fn of(paths: &[PathBuf]) -> Self {
        let mut seen = Vec::new();
        for path in paths {
            if let Ok(entries) = fs::read_dir(path) {
                let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
                files.sort_unstable();
                seen.push((path.clone(), None));
                seen.extend(files.into_iter().map(|file| stat(&file)));
            } else {
                seen.push(stat(path));
            }
        }
        Self(seen)
    }
}

fn stat(path: &Path) -> (PathBuf, Option<Stat>) {
    let stat = fs::metadata(path)
        .ok()
        .map(|meta| (meta.dev(), meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len()));
    (path.to_owned(), stat)
}
