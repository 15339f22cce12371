//! What is shown of the workers: how many tasks live on each, and how many connections of clients each has.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus::proto::MetricFamily;

use super::families::{self, Family, Source};

/// Tells how many tasks a worker has.
type Tasks = Box<dyn Fn() -> usize + Send + Sync>;
/// Tells how many connections of a listener a worker has; `None` when there are none any more and will be none.
type Open = Box<dyn Fn(usize) -> Option<usize> + Send + Sync>;

/// The workers, each with the number that it has in its thread's name.
#[derive(Default)]
pub(super) struct WorkerTable {
    workers: Mutex<Vec<(usize, Tasks)>>,
    /// A listener each.
    open: Mutex<Vec<Open>>,
}

impl fmt::Debug for WorkerTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerTable").finish_non_exhaustive()
    }
}

impl WorkerTable {
    pub(super) fn add(&self, worker: usize, tasks: Tasks) {
        locked(&self.workers).push((worker, tasks));
    }

    pub(super) fn count(&self, open: Open) {
        let mut all = locked(&self.open);
        // Reloads may bring one listener after the other.
        all.retain(|open| open(0).is_some());
        all.push(open);
    }
}

impl Source for WorkerTable {
    fn families() -> &'static [&'static Family] {
        static FAMILIES: [&Family; 2] = [&families::WORKER_TASKS, &families::WORKER_CONNECTIONS];
        &FAMILIES
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (workers, open) = (locked(&self.workers), locked(&self.open));
        let (mut tasks, mut connections) = (Vec::new(), Vec::new());
        for (worker, its_tasks) in &*workers {
            let name = worker.to_string();
            tasks.push(families::WORKER_TASKS.value(&[&name], its_tasks() as f64));
            let its_connections: usize = open.iter().filter_map(|open| open(*worker)).sum();
            connections.push(families::WORKER_CONNECTIONS.value(&[&name], its_connections as f64));
        }
        vec![families::WORKER_TASKS.of(tasks), families::WORKER_CONNECTIONS.of(connections)]
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
