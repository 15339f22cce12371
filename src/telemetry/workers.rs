//! What is shown of the workers: how many tasks live on each.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use prometheus::proto::MetricFamily;

use super::families::{self, Family, Source};

/// Tells how many tasks a worker has.
type Tasks = Box<dyn Fn() -> usize + Send + Sync>;

/// The workers, each with the number that it has in its thread's name.
#[derive(Default)]
pub(super) struct WorkerTable(Mutex<Vec<(usize, Tasks)>>);

impl fmt::Debug for WorkerTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerTable").finish_non_exhaustive()
    }
}

impl WorkerTable {
    pub(super) fn add(&self, worker: usize, tasks: Tasks) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((worker, tasks));
    }
}

impl Source for WorkerTable {
    fn families() -> &'static [&'static Family] {
        static FAMILIES: [&Family; 1] = [&families::WORKER_TASKS];
        &FAMILIES
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let workers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tasks = workers
            .iter()
            .map(|(worker, tasks)| families::WORKER_TASKS.value(&[&worker.to_string()], tasks() as f64));
        vec![families::WORKER_TASKS.of(tasks.collect())]
    }
}
