//! A file that is there whole or not at all.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tempfile::{Builder, NamedTempFile};

/// A file beside the one that it becomes, which only its owner can read. Dropped, it is gone.
pub(super) struct Draft {
    file: NamedTempFile,
    becomes: PathBuf,
}

impl Draft {
    /// A draft of this file.
    pub(super) fn of(path: &Path) -> anyhow::Result<Self> {
        if path == Path::new("-") {
            bail!(
                "`-` is no file, and nothing is kept that is not whole: name a file (`./-` for one of that name)"
            );
        }
        let Some(name) = path.file_name() else { bail!("{} is no file", path.display()) };
        if path.exists() && !path.is_file() {
            bail!("{} is there, and is no file", path.display());
        }
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let prefix = format!(".{}.", name.to_string_lossy());
        let file = Builder::new().prefix(&prefix).suffix(".part").tempfile_in(directory);
        let file = file.with_context(|| format!("{} can't be written to", directory.display()))?;
        Ok(Self { file, becomes: path.to_owned() })
    }

    /// Puts it in its place, once it is on the disk.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        let Self { file, becomes } = self;
        let written =
            file.as_file().sync_all().and_then(|()| file.persist(&becomes).map_err(|error| error.error));
        written.map(drop).with_context(|| format!("{} can't be written", becomes.display()))
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_leaves_the_old_file_until_it_is_finished_and_nothing_when_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tenants.ndjson");
        std::fs::write(&path, "old").unwrap();
        let names = || std::fs::read_dir(directory.path()).unwrap().count();
        let mut draft = Draft::of(&path).unwrap();
        draft.write_all(b"new").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        drop(draft);
        assert_eq!((names(), std::fs::read_to_string(&path).unwrap().as_str()), (1, "old"));
        let mut draft = Draft::of(&path).unwrap();
        draft.write_all(b"new").unwrap();
        draft.finish().unwrap();
        assert_eq!((names(), std::fs::read_to_string(&path).unwrap().as_str()), (1, "new"));
    }

    #[test]
    fn what_is_no_file_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Draft::of(directory.path()).is_err());
        assert!(Draft::of(&directory.path().join("no/such/folder/file")).is_err());
        assert!(Draft::of(Path::new("/")).is_err());
    }
}
