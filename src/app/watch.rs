//! Reloading when the configuration's files change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use super::core::Core;

/// Editors write a file in several steps, and deployments several files: the reload waits for so
/// long without a further event.
const SETTLE: Duration = Duration::from_millis(100);
/// At the latest the reload begins so long after the first event.
const SETTLE_MAX: Duration = Duration::from_secs(1);

/// Reloads whenever the watched files differ from what they were. Never ends.
pub(super) async fn reload_on_change(core: Arc<Core>) {
    let (events, mut changed) = mpsc::channel::<()>(1);
    let watcher = notify::recommended_watcher(move |_: notify::Result<notify::Event>| {
        // One waiting event stands for any number.
        let _ = events.try_send(());
    });
    let mut watcher = match watcher {
        Ok(watcher) => watcher,
        Err(error) => {
            tracing::warn!(%error, "files are not watched: reload by SIGHUP or POST /api/v1/reload");
            return std::future::pending().await;
        }
    };
    let mut watched = BTreeSet::new();
    follow(&mut watcher, &mut watched, &core.watched());
    // The first look is for what has changed since the files were read, before they were watched.
    loop {
        while has_changed(&core).await {
            tracing::info!("configuration files have changed");
            let reloading = Arc::clone(&core);
            // A failure is reported where the operator looks: log, status and metrics.
            let _ = spawn_blocking(move || drop(reloading.reload())).await;
            follow(&mut watcher, &mut watched, &core.watched());
            settle(&mut changed).await;
        }
        if changed.recv().await.is_none() {
            return;
        }
        settle(&mut changed).await;
    }
}

async fn has_changed(core: &Arc<Core>) -> bool {
    let core = Arc::clone(core);
    spawn_blocking(move || core.has_changed()).await.unwrap_or(false)
}

/// Waits until no event has come for a while; not for ever, as something else may be writing there.
async fn settle(changed: &mut mpsc::Receiver<()>) {
    let end = Instant::now() + SETTLE_MAX;
    while Instant::now() < end && timeout(SETTLE, changed.recv()).await.is_ok_and(|event| event.is_some()) {}
}

/// Watches the folders of files, not the files: editors and deployments replace a file by another
/// one, and a watch on the old one would see nothing more.
fn follow(watcher: &mut RecommendedWatcher, watched: &mut BTreeSet<PathBuf>, paths: &[PathBuf]) {
    let folders: BTreeSet<PathBuf> =
        paths.iter().map(|path| if path.is_dir() { path.clone() } else { folder_of(path) }).collect();
    for gone in watched.difference(&folders) {
        let _ = watcher.unwatch(gone);
    }
    for new in folders.difference(watched) {
        if let Err(error) = watcher.watch(new, RecursiveMode::NonRecursive) {
            tracing::warn!(folder = %new.display(), %error, "a folder is not watched");
        }
    }
    *watched = folders;
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}
