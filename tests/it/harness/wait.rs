//! Waiting with a deadline: the only way a test waits.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// The longest that any single wait of a test may take: far above what a busy machine needs.
pub const DEADLINE: Duration = Duration::from_secs(15);

/// The longest that a whole test may hold a gateway.
const TEST_DEADLINE: Duration = Duration::from_secs(90);

/// Asks `condition` again and again until it holds.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    eventually_some(what, || condition().then_some(()));
}

/// Asks `probe` again and again until it answers.
#[track_caller]
pub fn eventually_some<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain: {what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}

/// [`eventually`], for the asynchronous part of a test.
pub async fn eventually_async(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Ends the process when what it guards outlives a test's deadline, so that a gateway which
/// never stops fails the run rather than holding it up.
pub fn watchdog(name: &str) -> Watchdog {
    let (alive, dead) = mpsc::channel::<()>();
    let name = name.to_owned();
    thread::spawn(move || {
        if dead.recv_timeout(TEST_DEADLINE) == Err(RecvTimeoutError::Timeout) {
            eprintln!("{name}: still running after {TEST_DEADLINE:?}");
            std::process::abort();
        }
    });
    Watchdog { _alive: alive }
}

/// Calls its dog off when dropped.
pub struct Watchdog {
    _alive: Sender<()>,
}

/// The name of the test on whose thread this is called.
pub(super) fn test_name() -> String {
    thread::current().name().unwrap_or("a test").to_owned()
}
