//! Many tenants in few transactions.

use std::fmt;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::tenants::{self, Put, Written};
use super::work::{Made, Progress, Turn, Work};
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
        self.write_all(puts, tenants::carry_out, dry_run).await
    }

    pub(super) async fn write_all<T: Send + 'static, W: Send + 'static>(
        &self,
        items: Vec<T>,
        each: fn(&Connection, &T) -> Made<W>,
        dry_run: bool,
    ) -> Result<Vec<Result<W, WriteError>>, StoreFault> {
        let (many, answered) = Many::new(items, each, dry_run);
        self.queue.add(Box::new(many))?;
        answered.await.map_err(|_| StoreFault::Gone)
    }
}

/// What becomes of each.
type Outcomes<W> = Vec<Result<W, WriteError>>;

/// A work that can be cut anywhere between two items.
struct Many<T, W> {
    items: Vec<T>,
    each: fn(&Connection, &T) -> Made<W>,
    dry_run: bool,
    made: Outcomes<W>,
    /// How many of these are durable, or have failed for good.
    settled: usize,
    answer: Option<oneshot::Sender<Outcomes<W>>>,
}

impl<T, W> Many<T, W> {
    fn new(
        items: Vec<T>,
        each: fn(&Connection, &T) -> Made<W>,
        dry_run: bool,
    ) -> (Self, oneshot::Receiver<Outcomes<W>>) {
        let (answer, answered) = oneshot::channel();
        let made = Vec::with_capacity(items.len());
        (Self { items, each, dry_run, made, settled: 0, answer: Some(answer) }, answered)
    }

    fn go_on(&mut self, connection: &Connection, turn: &Turn<'_>) -> rusqlite::Result<Progress> {
        while let Some(item) = self.items.get(self.made.len()) {
            self.made.push((self.each)(connection, item)?);
            if turn.is_over() {
                break;
            }
        }
        Ok(if self.made.len() < self.items.len() { Progress::More } else { Progress::Done })
    }
}

impl<T: Send, W: Send> Work for Many<T, W> {
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
            // What failed may fail again: whoever asked decides whether to go on.
            self.made.truncate(self.settled);
            self.made.resize_with(self.items.len(), || Err(fault.into()));
        }
        self.settled = self.made.len();
        if self.settled == self.items.len()
            && let Some(answer) = self.answer.take()
        {
            // Whoever asked may have gone: it is done all the same.
            let _ = answer.send(std::mem::take(&mut self.made));
        }
    }
}

impl<T, W> fmt::Debug for Many<T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Many")
            .field("items", &self.items.len())
            .field("settled", &self.settled)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tenant_tests::a_put;
    use super::*;

    fn database() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        super::super::schema::migrate(&mut connection).unwrap();
        connection
    }

    fn count(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(*) FROM tenants", [], |row| row.get(0)).unwrap()
    }

    fn puts() -> Vec<Put> {
        ["a", "b", "c"].iter().map(|id| a_put(id, &[&format!("{id}.test")])).collect()
    }

    #[test]
    fn an_import_gives_way_after_each_tenant_and_answers_at_its_end() {
        let connection = database();
        let (mut many, mut answered) = Many::new(puts(), tenants::carry_out, false);
        for left in [Progress::More, Progress::More, Progress::Done] {
            // A transaction that was undone for another's sake is begun again from where it was.
            connection.execute_batch("BEGIN").unwrap();
            assert_eq!(many.carry_out(&connection, &Turn::short()), Ok(left));
            connection.execute_batch("ROLLBACK").unwrap();
            assert!(answered.try_recv().is_err());
            assert_eq!(many.carry_out(&connection, &Turn::short()), Ok(left));
            many.settle(Ok(()));
        }
        let all = answered.try_recv().unwrap();
        assert!(all.len() == 3 && all.iter().all(|one| one.as_ref().is_ok_and(|written| written.created)));
        assert_eq!(count(&connection), 3);
    }

    #[test]
    fn what_was_durable_before_a_fault_is_said_to_be_and_the_rest_is_not_tried() {
        let connection = database();
        let (mut many, mut answered) = Many::new(puts(), tenants::carry_out, false);
        many.carry_out(&connection, &Turn::short()).unwrap();
        many.settle(Ok(()));
        connection.execute_batch("BEGIN").unwrap();
        many.carry_out(&connection, &Turn::short()).unwrap();
        connection.execute_batch("ROLLBACK").unwrap();
        many.settle(Err(StoreFault::NoSpace));
        let all = answered.try_recv().unwrap();
        let fault = WriteError::Fault(StoreFault::NoSpace);
        assert!(all[0].is_ok() && all[1..].iter().all(|one| one.as_ref() == Err(&fault)), "{all:?}");
        assert_eq!(count(&connection), 1);
    }

    #[test]
    fn nothing_to_do_is_done_at_once() {
        let connection = database();
        let (mut many, mut answered) = Many::new(Vec::new(), tenants::carry_out, true);
        assert_eq!(many.carry_out(&connection, &Turn::short()), Ok(Progress::Done));
        many.settle(Ok(()));
        assert_eq!(answered.try_recv().unwrap(), []);
    }
}
