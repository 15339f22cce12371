//! Reloading when the configuration's files change.

mod ways;

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf, absolute};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::Event;
use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use self::ways::{Signposts, Ways};
use super::core::Core;
use crate::config::Look;

/// Deployments write several files: the reload waits for so long without a further event.
const SETTLE: Duration = Duration::from_millis(10);
/// As [`SETTLE`], while a file is being written: what is half written is not to be read, if it can be helped.
const SETTLE_OPEN: Duration = Duration::from_millis(100);
/// At the latest the reload begins so long after the first event.
const SETTLE_MAX: Duration = Duration::from_secs(1);
/// Of more paths than so many, it isn't kept which they are.
const PATHS_MAX: usize = 10_000;

/// Reloads whenever the watched files differ from what they were. Never ends.
pub(super) async fn reload_on_change(core: Arc<Core>) {
    let signs = Arc::new(Signs::default());
    let heard = Arc::clone(&signs);
    let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| heard.hear(event));
    let mut watcher = match watcher {
        Ok(watcher) => watcher,
        Err(error) => {
            tracing::warn!(%error, "files are not watched: reload by SIGHUP or POST /api/v1/reload");
            return std::future::pending().await;
        }
    };
    let mut ways = Ways::default();
    let mut follow = |paths: &[PathBuf]| {
        let signposts = Signposts::of(paths);
        let is_new = ways.follow(&mut watcher, &signposts);
        signs.attend_to(paths, signposts);
        is_new
    };
    follow(&core.watched());
    // What has changed since the files were read, before they were watched, left no sign.
    let mut comparison = Comparison::new();
    loop {
        let look = tokio::select! {
            look = comparison.ended(&core) => Some(look),
            look = signs.settled() => look,
        };
        let Some(look) = look else {
            comparison.ask();
            continue;
        };
        // What was written in a folder before it was watched left no sign either: a link to a folder may lead to another by now.
        let was_new = follow(&core.watched());
        let begun = Instant::now();
        let reloading = Arc::clone(&core);
        let _ = spawn_blocking(move || reloading.reload_changed(&look)).await;
        if follow(&core.watched()) || was_new {
            comparison.ask();
        }
        // Whoever writes all the time gets half of a core at most.
        sleep(begun.elapsed().min(SETTLE_MAX)).await;
    }
}

/// A comparison of all tenants' files with what they were like, one at a time. It takes a while: what there are signs of
/// doesn't wait for it.
struct Comparison {
    under_way: Option<JoinHandle<(Look, Duration)>>,
    is_due: bool,
    not_before: Instant,
}

impl Comparison {
    /// One that is due.
    fn new() -> Self {
        Self { under_way: None, is_due: true, not_before: Instant::now() }
    }

    /// Another one is due, whether or not one is under way: that may have passed what changes now.
    fn ask(&mut self) {
        self.is_due = true;
    }

    /// Waits for the one that is under way or due, else for ever. Returns how to look at what it found. Dropped, it goes on.
    async fn ended(&mut self, core: &Arc<Core>) -> Look {
        loop {
            if let Some(under_way) = &mut self.under_way {
                let (look, took) = under_way.await.unwrap_or((Look::Everything, SETTLE_MAX));
                self.under_way = None;
                // As with reloads: half of a core at most.
                self.not_before = Instant::now() + took.min(SETTLE_MAX);
                return look;
            }
            if !self.is_due {
                return std::future::pending().await;
            }
            sleep_until(self.not_before).await;
            self.is_due = false;
            let core = Arc::clone(core);
            self.under_way = Some(spawn_blocking(move || {
                let begun = Instant::now();
                (core.inventory().compare(), begun.elapsed())
            }));
        }
    }
}

/// What the file system has told since the last look.
#[derive(Default)]
struct Signs {
    heard: Mutex<Heard>,
    news: Notify,
}

#[derive(Default)]
struct Heard {
    paths: BTreeSet<PathBuf>,
    /// Files that somebody writes, as far as that can be told.
    open: BTreeSet<PathBuf>,
    /// Whether something was missed, so that every file is to be looked at.
    missed: bool,
    /// The files and folders that are watched, and what they are links to.
    watched: HashSet<PathBuf>,
    /// Where else there may be signs of them, and by which names.
    signposts: Signposts,
}

impl Signs {
    /// These are watched from now on.
    fn attend_to(&self, paths: &[PathBuf], signposts: Signposts) {
        let shown = paths.iter().filter_map(|path| absolute(path).ok());
        let meant = paths.iter().filter_map(|path| path.canonicalize().ok());
        let watched: HashSet<PathBuf> = shown.chain(meant).collect();
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        (heard.watched, heard.signposts) = (watched, signposts);
    }

    fn hear(&self, event: notify::Result<Event>) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let mut is_news = true;
        match event {
            Ok(event) if event.need_rescan() => heard.missed = true,
            Ok(event) => {
                let is_end = matches!(event.kind, EventKind::Access(AccessKind::Close(AccessMode::Write)));
                if matches!(event.kind, EventKind::Access(_)) && !is_end {
                    return;
                }
                let is_writing = matches!(
                    event.kind,
                    EventKind::Modify(ModifyKind::Data(_)) | EventKind::Create(CreateKind::File)
                );
                let is_written = is_end || matches!(event.kind, EventKind::Modify(ModifyKind::Data(_)));
                is_news = false;
                for path in event.paths {
                    // Others write in these folders, too, a log a thousand times a second. What is created or moved there may
                    // be what a link leads to, but for folders that are watched for a link's sake only.
                    if (is_written || heard.signposts.is_passed(&path)) && !heard.is_of_ours(&path) {
                        continue;
                    }
                    is_news = true;
                    match is_writing {
                        true => _ = heard.open.insert(path.clone()),
                        false => _ = heard.open.remove(&path),
                    }
                    heard.paths.insert(path);
                }
            }
            Err(_) => heard.missed = true,
        }
        if heard.paths.len() > PATHS_MAX {
            heard.missed = true;
            heard.paths.clear();
            heard.open.clear();
        }
        drop(heard);
        if is_news {
            self.news.notify_one();
        }
    }

    /// Waits for a sign, and until none has come for a while; not for ever, as something else may be writing there. `None` where
    /// every file is to be compared. Dropped, it has taken nothing.
    async fn settled(&self) -> Option<Look> {
        while !self.heard.lock().unwrap_or_else(PoisonError::into_inner).is_something() {
            self.news.notified().await;
        }
        let end = Instant::now() + SETTLE_MAX;
        loop {
            let is_open = self.heard.lock().unwrap_or_else(PoisonError::into_inner).is_open();
            let quiet = if is_open { SETTLE_OPEN } else { SETTLE };
            if Instant::now() >= end || timeout(quiet, self.news.notified()).await.is_err() {
                break;
            }
        }
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.open.clear();
        let paths = std::mem::take(&mut heard.paths);
        (!std::mem::take(&mut heard.missed)).then_some(Look::Paths(paths))
    }
}

impl Heard {
    fn is_something(&self) -> bool {
        self.missed || !self.paths.is_empty()
    }

    /// Whether one of ours is being written.
    fn is_open(&self) -> bool {
        self.open.iter().any(|path| self.is_of_ours(path))
    }

    /// Whether it may be one of ours, by whatever way: also what a tenant's file may be a link to.
    fn is_of_ours(&self, path: &Path) -> bool {
        path.file_name().is_some_and(|name| self.signposts.names.contains(name))
            || path.parent().is_some_and(|folder| self.watched.contains(folder))
            || path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use notify::event::DataChange;

    use super::*;

    #[test]
    fn what_others_write_beside_our_files_is_no_sign() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().canonicalize().unwrap().join(name);
        fs::write(at("cert-1.pem"), "").unwrap();
        std::os::unix::fs::symlink(at("cert-1.pem"), at("cert.pem")).unwrap();
        let signs = Signs::default();
        let watched = [at("cert.pem")];
        signs.attend_to(&watched, Signposts::of(&watched));
        let is_sign = |kind: EventKind, name: &str| {
            signs.hear(Ok(Event::new(kind).add_path(at(name))));
            let mut heard = signs.heard.lock().unwrap();
            heard.open.clear();
            let is_sign = heard.is_something();
            heard.paths.clear();
            is_sign
        };
        let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        for kind in [written, closed] {
            assert!(!is_sign(kind, "access.log"));
            assert!(is_sign(kind, "cert.pem"));
            assert!(is_sign(kind, "cert-1.pem"), "the link leads to it");
        }
        // It may be what a link leads to from now on.
        assert!(is_sign(EventKind::Create(CreateKind::File), "..data"));
    }
}
