//! Loading one configuration again and again, each time no more of it than has changed.

use std::path::{Path, PathBuf};

use super::diagnostic::Report;
use super::fingerprint::Fingerprint;
use super::load::{Loaded, Memory, process_environment};
use super::tenants_dir::{Inventory, Look};

/// A configuration and what was read of it. What it loads is the same as what [`super::load`] does, but that tenants
/// whose files have not changed are the same `Arc`s as before.
#[derive(Debug)]
pub struct Loader {
    origin: Origin,
    memory: Memory,
    /// Files and directories whose change may change the configuration, as far as is known.
    watched: Vec<PathBuf>,
    /// What the configuration file and those that it names were like when they were read: all but the folder of tenants,
    /// which remembers by itself.
    seen: Fingerprint,
}

#[derive(Debug)]
enum Origin {
    File(PathBuf),
    Text { text: String, name: String },
}

impl Loader {
    /// Of a file and the files that it names.
    #[must_use]
    pub fn of_file(path: &Path) -> Self {
        let watched = vec![path.to_owned()];
        Self { watched, ..Self::of(Origin::File(path.to_owned())) }
    }

    /// Of a text, which `name` stands for in messages. Files that it names are relative to the working directory.
    #[must_use]
    pub fn of_text(text: &str, name: &str) -> Self {
        Self::of(Origin::Text { text: text.to_owned(), name: name.to_owned() })
    }

    fn of(origin: Origin) -> Self {
        Self { origin, memory: Memory::default(), watched: Vec::new(), seen: Fingerprint::default() }
    }

    /// Loads, having compared every file with what it was like.
    ///
    /// # Errors
    /// As [`super::load`].
    pub fn load(&mut self) -> Result<Loaded, Report> {
        self.memory.main_changed = true;
        self.memory.is_surveyed = false;
        self.read()
    }

    /// Loads if something differs from what was read last, errors included; else it is `None`. Tenants' files are only looked at as far as
    /// `look` says.
    ///
    /// # Errors
    /// As [`super::load`].
    pub fn load_changed(&mut self, look: &Look) -> Option<Result<Loaded, Report>> {
        let main_changed = Fingerprint::of(&self.named()) != self.seen;
        let files_changed = self.survey(look);
        if !main_changed && !files_changed {
            return None;
        }
        self.memory.main_changed |= main_changed;
        Some(self.read())
    }

    /// The configuration file, where it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.origin {
            Origin::File(path) => Some(path),
            Origin::Text { .. } => None,
        }
    }

    /// Whether the configuration file, or one that it names, is not what it was when it was read. Tenants' files are not looked at.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        self.file().is_some() && Fingerprint::of(&self.named()) != self.seen
    }

    /// What the tenants' files were like when they were read.
    #[must_use]
    pub fn inventory(&self) -> Inventory {
        self.memory.directory.inventory()
    }

    /// Whether something differs in the folder of tenants, if there is one. That it can't be read any more is told by the load, once.
    fn survey(&mut self, look: &Look) -> bool {
        let Memory { directory, is_surveyed, .. } = &mut self.memory;
        if directory.path().as_os_str().is_empty() {
            return false;
        }
        let was_listed = directory.is_listed();
        let found = directory.survey(look);
        *is_surveyed = found.is_ok();
        found.unwrap_or(was_listed)
    }

    /// What was loaded last is in force: differences are told from this on.
    pub fn accept(&mut self) {
        self.memory.accept();
    }

    /// Files and directories whose change may change the configuration. None of a text: nothing has to be watched for it.
    #[must_use]
    pub fn watched(&self) -> &[PathBuf] {
        match &self.origin {
            Origin::File(_) => &self.watched,
            Origin::Text { .. } => &[],
        }
    }

    fn read(&mut self) -> Result<Loaded, Report> {
        let named = self.named();
        let before = Fingerprint::of(&named);
        let outcome = match &self.origin {
            Origin::File(path) => self.memory.load_file(path, &process_environment),
            Origin::Text { text, name } => {
                self.memory.load_text(text, name, Path::new(""), &process_environment)
            }
        };
        if let Ok(loaded) = &outcome {
            self.watched.clone_from(&loaded.watched);
        }
        // What changed while it was read is read again, at the next look.
        self.seen = match named != self.named() && Fingerprint::of(&named) == before {
            true => Fingerprint::of(&self.named()),
            false => before,
        };
        outcome
    }

    /// What is watched but the folder of tenants.
    fn named(&self) -> Vec<PathBuf> {
        let folder = self.memory.directory.path();
        self.watched.iter().filter(|path| *path != folder).cloned().collect()
    }
}

#[cfg(test)]
#[path = "loader_tests.rs"]
mod tests;
