//! The thread that writes: all that waits, in one transaction, with one flush of the disk.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};

use super::connection::Opened;
use super::fault::{fault, is_lasting, is_peculiar};
use super::feed::Known;
use super::queue::{Batch, Queue};
use super::work::{Progress, Turn, Work};
use super::{StoreFault, audit, quota_usage};
use crate::admission::quota::{Grant, Order};
use crate::telemetry::StoreMeter;

/// The log has at most one line about failed transactions in this time.
const FAILURE_LINES: Duration = Duration::from_secs(10);

/// The thread's side.
pub(super) struct Writer {
    path: PathBuf,
    opened: Option<Opened>,
    meter: StoreMeter,
    known: Arc<Known>,
    told: Option<Instant>,
}

/// What a transaction has done; nothing of it is told before it is durable.
struct Carried {
    grants: Vec<Grant>,
    /// How many works took part, the last of which may have more to do.
    works: usize,
    progress: Progress,
    last_seq: Option<u64>,
}

impl Writer {
    pub(super) fn new(path: PathBuf, opened: Opened, meter: StoreMeter, known: Arc<Known>) -> Self {
        Self { path, opened: Some(opened), meter, known, told: None }
    }

    /// Serves until the queue is closed and empty.
    pub(super) fn serve(mut self, queue: &Queue) {
        while let Some(mut batch) = queue.take() {
            match self.transact(&batch.orders, batch.urgent, &mut batch.works, queue) {
                Ok(carried) => settle(batch, carried, queue),
                Err(error) if is_peculiar(&error) && batch.orders.len() + batch.works.len() > 1 => {
                    self.one_by_one(batch, queue);
                }
                Err(error) => {
                    let fault = fault(&error);
                    batch.orders.into_iter().for_each(|order| order.answer(Err(fault.into())));
                    batch.works.iter_mut().for_each(|work| work.settle(Err(fault)));
                }
            }
        }
        self.close();
    }

    /// What one work or order was at fault for does not hit the others.
    fn one_by_one(&mut self, batch: Batch, queue: &Queue) {
        for order in batch.orders {
            let answer = self.transact(std::slice::from_ref(&order), true, &mut VecDeque::new(), queue);
            let grant = answer.map(|carried| carried.grants.first().copied());
            order.answer(match grant {
                Ok(Some(grant)) => Ok(grant),
                Ok(None) => Err(StoreFault::Failed.into()),
                Err(error) => Err(fault(&error).into()),
            });
        }
        for work in batch.works {
            let mut alone = VecDeque::from([work]);
            match self.transact(&[], false, &mut alone, queue) {
                Ok(carried) => settle(Batch { works: alone, ..Batch::default() }, carried, queue),
                Err(error) => alone.iter_mut().for_each(|work| work.settle(Err(fault(&error)))),
            }
        }
    }

    /// One transaction, durable when it returns; undone when it returns an error.
    fn transact(
        &mut self,
        orders: &[Order],
        urgent: bool,
        works: &mut VecDeque<Box<dyn Work>>,
        queue: &Queue,
    ) -> rusqlite::Result<Carried> {
        let started = Instant::now();
        let carried = self.open().and_then(|opened| {
            opened.is_at_its_place()?;
            let pressed = || queue.is_pressed();
            carry_out(&mut opened.connection, orders, works, &Turn::now(urgent, &pressed))
        });
        match &carried {
            Ok(carried) => {
                self.meter.committed(started.elapsed());
                if let Some(seq) = carried.last_seq {
                    self.known.committed(seq);
                }
            }
            Err(error) => self.failed(error),
        }
        carried
    }

    fn open(&mut self) -> rusqlite::Result<&mut Opened> {
        let opened = match self.opened.take() {
            Some(opened) => opened,
            None => {
                let opened = Opened::writer(&self.path)?;
                self.known.opened_anew();
                tracing::info!(path = %self.path.display(), "store: opened anew");
                opened
            }
        };
        Ok(self.opened.insert(opened))
    }

    fn failed(&mut self, error: &rusqlite::Error) {
        self.meter.failed();
        let at = Instant::now();
        if self.told.is_none_or(|told| at.duration_since(told) >= FAILURE_LINES) {
            self.told = Some(at);
            tracing::error!(%error, "store: a transaction failed, and nothing of it was written");
        }
        if is_lasting(error)
            && let Some(opened) = self.opened.take()
        {
            match opened.is_at_its_place() {
                Ok(()) => drop(opened),
                Err(_) => opened.abandon(),
            }
        }
    }

    fn close(self) {
        let Some(opened) = self.opened else { return };
        if opened.is_at_its_place().is_err() {
            return opened.abandon();
        }
        // The log is merged into the database: the file is whole without its neighbours.
        let merged = opened.connection.pragma_update(None, "wal_checkpoint", "TRUNCATE");
        if let Err(error) = merged {
            tracing::debug!(%error, "store: the log was not merged at the end");
        }
    }
}

fn carry_out(
    connection: &mut Connection,
    orders: &[Order],
    works: &mut VecDeque<Box<dyn Work>>,
    turn: &Turn<'_>,
) -> rusqlite::Result<Carried> {
    // Dropped without a commit, it is rolled back.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let grants = orders.iter().map(|order| quota_usage::carry_out(&transaction, order));
    let grants: Vec<Grant> = grants.collect::<rusqlite::Result<_>>()?;
    let mut carried = Carried { grants, works: 0, progress: Progress::Done, last_seq: None };
    for work in works.iter_mut() {
        // However many orders there are, works get on.
        if carried.works > 0 && turn.is_over() {
            break;
        }
        carried.progress = work.carry_out(&transaction, turn)?;
        carried.works += 1;
        if carried.progress == Progress::More {
            break;
        }
    }
    if carried.works > 0 {
        carried.last_seq = Some(audit::last_seq(&transaction)?);
    }
    transaction.commit()?;
    Ok(carried)
}

/// Tells what was done, and has the rest done later.
fn settle(mut batch: Batch, carried: Carried, queue: &Queue) {
    batch.orders.into_iter().zip(carried.grants).for_each(|(order, grant)| order.answer(Ok(grant)));
    let mut rest = batch.works.split_off(carried.works.min(batch.works.len()));
    batch.works.iter_mut().for_each(|work| work.settle(Ok(())));
    if carried.progress == Progress::More
        && let Some(work) = batch.works.pop_back()
    {
        rest.push_front(work);
    }
    queue.put_back(&mut rest);
}
