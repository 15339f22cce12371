//! What the files of a folder were like when they were read, apart from the folder: to compare a hundred thousand files takes a
//! while, and a load need not wait for it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{PathBuf, absolute};
use std::sync::Arc;

use super::survey::is_tenants;
use super::{Look, TenantsDir};
use crate::config::fingerprint::Stat;

/// The files of tenants that are known, and what they were like.
#[derive(Debug, Default)]
pub struct Inventory {
    path: PathBuf,
    identity: Option<(u64, u64)>,
    /// Whether names are all that there is to it: no links, and it could be read.
    is_plain: bool,
    /// In order of their names; `None` where a file has to be read again whatever it is like.
    files: Vec<(Arc<OsStr>, Option<Stat>)>,
}

impl TenantsDir {
    /// What is known of the files, which others may change from now on.
    pub fn inventory(&self) -> Inventory {
        let known = self.names.iter().map(|(name, slot)| {
            let seen = self.entries.get(*slot).and_then(|entry| entry.seen);
            (Arc::clone(name), seen.filter(|seen| !seen.is_fresh).and_then(|seen| seen.stat))
        });
        Inventory {
            path: self.path.clone(),
            identity: self.identity,
            is_plain: self.is_listed && !self.has_links,
            files: known.collect(),
        }
    }
}

impl Inventory {
    /// Compares every file with what it was like; returns the look that finds what differs.
    #[must_use]
    pub fn compare(self) -> Look {
        if self.path.as_os_str().is_empty() {
            return Look::Paths(BTreeSet::new());
        }
        let same = Stat::of(&self.path).map(Stat::identity) == self.identity;
        let differing = match self.is_plain && same {
            true => self.differing().ok().flatten(),
            false => None,
        };
        differing.map_or(Look::Everything, Look::Paths)
    }

    /// `None` where names don't tell what there is.
    fn differing(&self) -> io::Result<Option<BTreeSet<PathBuf>>> {
        let folder = absolute(&self.path)?;
        let mut paths = BTreeSet::new();
        let mut is_there = vec![false; self.files.len()];
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_type()?.is_symlink() {
                return Ok(None);
            }
            let name = entry.file_name();
            if !is_tenants(&name) {
                continue;
            }
            let known = self.files.binary_search_by(|(known, _)| (**known).cmp(&name)).ok();
            let before = known.and_then(|at| self.files.get(at)).and_then(|(_, stat)| *stat);
            if let Some(is_there) = known.and_then(|at| is_there.get_mut(at)) {
                *is_there = true;
            }
            // Asked of the folder: a path of its own would be walked for each.
            let now = entry.metadata().ok().map(|metadata| Stat::from(&metadata));
            if before.is_none() || now != before {
                paths.insert(folder.join(name));
            }
        }
        let gone = self.files.iter().zip(is_there).filter(|(_, is_there)| !is_there);
        paths.extend(gone.map(|((name, _), _)| folder.join(&**name)));
        Ok(Some(paths))
    }
}
