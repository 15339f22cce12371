//! Which folders tell of a change of the watched files: those that they are in, and those of the links on the way to them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf, absolute};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

/// Links on the way to a file, at most: as many as Linux follows.
const LINKS_MAX: usize = 40;

/// A folder's device and inode: a link to a folder may lead to another one by now.
type Identity = Option<(u64, u64)>;

/// The watched folders.
#[derive(Default)]
pub(super) struct Ways {
    watched: BTreeMap<PathBuf, Identity>,
}

/// What there is to be watched for some files.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Signposts {
    /// The folders that the files are named in.
    own: BTreeSet<PathBuf>,
    /// Further folders: of links, and of what they lead to.
    further: BTreeSet<PathBuf>,
    /// The names that tell of a change in those.
    pub(super) names: HashSet<OsString>,
}

impl Signposts {
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        let mut signposts = Self::default();
        for path in paths {
            let is_folder = path.is_dir();
            signposts.own.insert(if is_folder { path.clone() } else { folder_of(path) });
            signposts.names.extend(path.file_name().map(OsStr::to_owned));
            signposts.follow(path, is_folder);
        }
        let own: HashSet<_> = signposts.own.iter().map(|folder| identity(folder)).collect();
        // A folder that is watched by two of its names is told of by either.
        signposts.further.retain(|folder| !own.contains(&identity(folder)));
        signposts
    }

    /// Whether a path is in a folder where others than ours are of no interest, whatever becomes of them.
    pub(super) fn is_passed(&self, path: &Path) -> bool {
        path.parent().is_some_and(|folder| self.further.contains(folder))
    }

    /// Goes the way that a path leads, link by link (path_resolution(7)).
    fn follow(&mut self, path: &Path, is_folder: bool) {
        let Ok(path) = absolute(path) else { return };
        let mut ahead = parts(&path);
        let (mut at, mut links) = (PathBuf::new(), 0);
        while let Some(part) = ahead.pop() {
            if part == ".." {
                at.pop();
                continue;
            }
            let next = at.join(&part);
            match fs::read_link(&next) {
                Ok(target) if links < LINKS_MAX => {
                    links += 1;
                    self.further.insert(at.clone());
                    self.names.insert(part);
                    if target.is_absolute() {
                        at.clear();
                    }
                    ahead.extend(parts(&target));
                }
                _ => at = next,
            }
        }
        if links > 0 {
            self.names.extend(at.file_name().map(OsStr::to_owned));
            self.further.insert(if is_folder { at } else { folder_of(&at) });
        }
    }
}

impl Ways {
    /// Watches the folders of files, not the files: editors and deployments replace a file by another
    /// one, and a watch on the old one would see nothing more. Whether it watches one that it did not before.
    pub(super) fn follow(&mut self, watcher: &mut RecommendedWatcher, signposts: &Signposts) -> bool {
        let folders = signposts.own.iter().chain(&signposts.further);
        let folders: BTreeMap<_, _> = folders.map(|folder| (folder.clone(), identity(folder))).collect();
        let mut unwatched = HashSet::new();
        for (gone, was) in self.watched.iter().filter(|(folder, was)| folders.get(*folder) != Some(was)) {
            let _ = watcher.unwatch(gone);
            unwatched.insert(*was);
        }
        let mut is_new = false;
        // The kernel has one watch a folder, whatever names that has: with one of them, the others' has gone.
        let is_watched =
            |folder: &PathBuf, is: &Identity| self.watched.get(folder) == Some(is) && !unwatched.contains(is);
        for (new, _) in folders.iter().filter(|(folder, is)| !is_watched(folder, is)) {
            is_new = true;
            if let Err(error) = watcher.watch(new, RecursiveMode::NonRecursive) {
                tracing::warn!(folder = %new.display(), %error, "a folder is not watched");
            }
        }
        self.watched = folders;
        is_new
    }
}

/// Its parts, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    parts.rev().map(|part| part.as_os_str().to_owned()).collect()
}

fn identity(folder: &Path) -> Identity {
    fs::metadata(folder).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn each_link_on_the_way_has_its_folder_watched() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().canonicalize().unwrap().join(name);
        for one in ["releases/1/certs", "live", "keys"] {
            fs::create_dir_all(at(one)).unwrap();
        }
        fs::write(at("keys/tls.pem"), "").unwrap();
        symlink("../releases/1", at("live/current")).unwrap();
        symlink(at("keys/tls.pem"), at("releases/1/certs/tls.pem")).unwrap();
        let signposts = Signposts::of(&[at("live/current/certs/tls.pem")]);
        assert_eq!(signposts.own, BTreeSet::from([at("live/current/certs")]));
        // The folder of the second link is the one that the file is named in.
        assert_eq!(signposts.further, BTreeSet::from([at("live"), at("keys")]));
        assert_eq!(signposts.names, HashSet::from(["tls.pem", "current"].map(OsString::from)));
        assert!(signposts.is_passed(&at("keys/other")));
        assert!(!signposts.is_passed(&at("live/current/certs/other")));
    }

    #[test]
    fn a_way_without_links_is_its_folder_and_one_without_an_end_ends() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().canonicalize().unwrap().join(name);
        let signposts = Signposts::of(&[at("tls.pem")]);
        assert_eq!(signposts.own, BTreeSet::from([at("").components().collect()]));
        assert_eq!(signposts.further, BTreeSet::new());
        symlink(at("b"), at("a")).unwrap();
        symlink(at("a"), at("b")).unwrap();
        Signposts::of(&[at("a/tls.pem")]);
    }
}
