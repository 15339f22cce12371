//! Which files have come, gone or changed.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, FileType};
use std::io;
use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;

use super::TenantsDir;
use super::entry::{Entry, Seen};
use crate::config::fingerprint::Stat;

/// What has to be looked at before a load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// Every file: something may have changed without a sign of it.
    Everything,
    /// What has to do with these paths: nothing else has changed. They are absolute.
    Paths(BTreeSet<PathBuf>),
}

impl TenantsDir {
    /// Finds what differs from when it was read, and tells whether there is something.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn survey(&mut self, look: &Look) -> io::Result<bool> {
        match look {
            Look::Paths(paths) => match self.named_in(paths) {
                Some(names) => Ok(self.look_at(names)),
                None => self.look_at_all(),
            },
            Look::Everything => self.look_at_all(),
        }
    }

    /// The files of tenants among these paths, where nothing else can have changed.
    fn named_in<'p>(&self, paths: &'p BTreeSet<PathBuf>) -> Option<Vec<&'p OsStr>> {
        let same = Stat::of(&self.path).map(Stat::identity) == self.identity;
        if !self.is_listed || !same {
            return None;
        }
        let folder = absolute(&self.path).ok()?;
        let mut names = Vec::new();
        for path in paths {
            match path.file_name().filter(|_| path.parent() == Some(&folder)) {
                Some(name) if is_tenants(name) => names.push(name),
                // What a link of the folder leads to may have changed: a mounted configuration is swapped so.
                _ if self.has_links => return None,
                Some(name) if is_link_or_folder(&folder.join(name)) => return None,
                _ if folder.starts_with(path) => return None,
                _ => {}
            }
        }
        Some(names)
    }

    fn look_at(&mut self, names: Vec<&OsStr>) -> bool {
        let mut found = false;
        for name in names {
            let path = self.path.join(name);
            match (is_file(&path), self.names.get(name)) {
                (true, Some(slot)) => {
                    let slot = *slot;
                    let changed = self.entries.get(slot).is_some_and(|entry| is_other(entry, &path));
                    if changed {
                        self.dirty.insert(slot);
                    }
                    found |= changed;
                }
                (true, None) => {
                    self.has_links |= fs::symlink_metadata(&path).is_ok_and(|link| link.is_symlink());
                    self.add(name.into());
                    found = true;
                }
                (false, Some(slot)) => {
                    self.remove(*slot);
                    found = true;
                }
                (false, None) => {}
            }
        }
        found
    }

    fn look_at_all(&mut self) -> io::Result<bool> {
        let listing = files_in(&self.path);
        let was_listed = std::mem::replace(&mut self.is_listed, listing.is_ok());
        let (names, has_links) = listing?;
        self.identity = Stat::of(&self.path).map(Stat::identity);
        self.has_links = has_links;
        let gone: Vec<_> =
            self.names.iter().filter(|(name, _)| !names.contains(&***name)).map(|(_, slot)| *slot).collect();
        let mut found = !was_listed || !gone.is_empty();
        gone.into_iter().for_each(|slot| self.remove(slot));
        for name in names {
            match self.names.get(&*name) {
                Some(slot) => {
                    let slot = *slot;
                    let path = self.path.join(&name);
                    if self.entries.get(slot).is_some_and(|entry| is_other(entry, &path)) {
                        self.dirty.insert(slot);
                        found = true;
                    }
                }
                None => {
                    self.add(name.into());
                    found = true;
                }
            }
        }
        Ok(found)
    }

    fn add(&mut self, name: Arc<OsStr>) {
        let slot = self.entries.insert(Entry::new(Arc::clone(&name)));
        self.names.insert(name, slot);
        self.dirty.insert(slot);
    }
}

/// Whether a file may differ from when it was read.
fn is_other(entry: &Entry, path: &Path) -> bool {
    match entry.seen {
        Some(Seen { stat, is_fresh, .. }) => is_fresh || Stat::of(path) != stat,
        None => true,
    }
}

/// The names of the files of tenants in a folder, and whether there are links in it.
fn files_in(path: &Path) -> io::Result<(BTreeSet<OsString>, bool)> {
    let mut names = BTreeSet::new();
    let mut has_links = false;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let kind = entry.file_type().ok();
        let is_link = kind.is_none_or(|kind| kind.is_symlink());
        has_links |= is_link;
        let name = entry.file_name();
        let is_folder = if is_link { entry.path().is_dir() } else { kind.is_some_and(|kind| kind.is_dir()) };
        if is_tenants(&name) && !is_folder {
            names.insert(name);
        }
    }
    Ok((names, has_links))
}

/// Whether a name is that of a tenant's file. Others, such as what editors leave behind, are not looked at.
pub(super) fn is_tenants(name: &OsStr) -> bool {
    let is_yaml =
        Path::new(name).extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    is_yaml && !name.as_encoded_bytes().starts_with(b".")
}

/// Whether there is a file, or a link that leads to none: not a folder.
fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok() && !path.is_dir()
}

fn is_link_or_folder(path: &Path) -> bool {
    let kind = fs::symlink_metadata(path).map(|metadata| metadata.file_type());
    kind.is_ok_and(|kind: FileType| kind.is_symlink() || kind.is_dir())
}
