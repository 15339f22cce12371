//! Many tenants in few transactions.

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::tenants::{self, Put, Written};
use super::work::{Progress, Turn, Work};
use super::{Store, StoreFault, WriteError};

impl Store {
    /// Makes or replaces tenants, in their order: what becomes of each. They share a transaction and its flush, but where
    /// requests wait for the store meanwhile it is cut into several, so that they wait some milliseconds at most; what is said
    /// to be written is durable. A dry run says what would become of each, and changes nothing; where it is cut, it doesn't
    /// know in one part of what it did in another.
    ///
    /// # Errors
    /// [`StoreFault`] where nothing was begun.
    pub async fn put_all(
        &self,
        puts: Vec<Put>,
        dry_run: bool,
    ) -> Result<Vec<Result<Written, WriteError>>, StoreFault> {
        let (answer, answered) = oneshot::channel();
        let made = Vec::with_capacity(puts.len());
        self.queue.add(Box::new(PutAll { puts, dry_run, made, settled: 0, answer: Some(answer) }))?;
        answered.await.map_err(|_| StoreFault::Gone)
    }
}

/// The work of [`Store::put_all`].
#[derive(Debug)]
struct PutAll {
    puts: Vec<Put>,
    dry_run: bool,
    made: Vec<Result<Written, WriteError>>,
    /// How many of these are durable, or have failed for good.
    settled: usize,
    answer: Option<oneshot::Sender<Vec<Result<Written, WriteError>>>>,
}

impl Work for PutAll {
    fn carry_out(&mut self, connection: &Connection, turn: &Turn<'_>) -> rusqlite::Result<Progress> {
        self.made.truncate(self.settled);
        if !self.dry_run {
            return self.go_on(connection, turn);
        }
        connection.execute_batch("SAVEPOINT dry")?;
        let progress = self.go_on(connection, turn);
        connection.execute_batch("ROLLBACK TO dry; RELEASE dry")?;
        progress
    }

    fn settle(&mut self, outcome: Result<(), StoreFault>) {
        if let Err(fault) = outcome {
            self.made.truncate(self.settled);
            self.made.resize_with(self.puts.len(), || Err(fault.into()));
        }
        self.settled = self.made.len();
        if self.settled == self.puts.len()
            && let Some(answer) = self.answer.take()
        {
            // Whoever asked may have gone: it is done all the same.
            let _ = answer.send(std::mem::take(&mut self.made));
        }
    }
}

impl PutAll {
    fn go_on(&mut self, connection: &Connection, turn: &Turn<'_>) -> rusqlite::Result<Progress> {
        while let Some(put) = self.puts.get(self.made.len()) {
            self.made.push(tenants::carry_out(connection, put)?);
            if turn.is_over() {
                break;
            }
        }
        Ok(if self.made.len() < self.puts.len() { Progress::More } else { Progress::Done })
    }
}
