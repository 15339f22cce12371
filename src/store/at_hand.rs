//! Look-ups on the thread that asks, where the kernel has in memory all that has to be read: no thread is woken, nothing is handed
//! over, and the answer is there in some microseconds. Where it hasn't, nobody waits here: the readers are asked.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::connection::Opened;
use super::fault::is_lasting;
use super::feed::Known;
use super::page_cache;
use super::question::{Pace, Question};
use super::readers::Readers;
use crate::telemetry::StoreMeter;

/// How often it is looked whether the file is still at its place.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Connections that are kept, at most. One is used by one thread at a time: there are as many as workers have asked at once.
const KEPT_MAX: usize = 64;

/// Connections that wait for the next who asks.
#[derive(Debug)]
pub(super) struct AtHand {
    path: PathBuf,
    free: Mutex<Vec<Hand>>,
    /// Whether one is being opened, or nothing is to be opened any more.
    is_settled: AtomicBool,
    closed: AtomicBool,
    meter: StoreMeter,
    known: Arc<Known>,
}

#[derive(Debug)]
struct Hand {
    opened: Opened,
    looked: Instant,
    /// How often the writer had opened the file by then.
    openings: u64,
}

impl AtHand {
    pub(super) fn new(path: &Path, meter: &StoreMeter, known: &Arc<Known>) -> Arc<Self> {
        Arc::new(Self {
            path: path.to_owned(),
            free: Mutex::default(),
            is_settled: AtomicBool::new(!page_cache::prepare()),
            closed: AtomicBool::new(false),
            meter: meter.clone(),
            known: Arc::clone(known),
        })
    }

    /// What `read` finds, if that is to be had at once.
    pub(super) fn read<T>(
        self: &Arc<Self>,
        readers: &Readers,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Option<T> {
        let Some(mut hand) = self.free().pop() else {
            self.open(readers);
            return None;
        };
        let began = Instant::now();
        let openings = self.known.openings();
        if openings != hand.openings || began.duration_since(hand.looked) >= LOOK_EVERY {
            if hand.opened.is_replaced() {
                self.retire(hand, readers);
                return None;
            }
            (hand.looked, hand.openings) = (began, openings);
        }
        match page_cache::reading_only_what_is_there(|| read(&hand.opened.connection)) {
            Some(Ok(found)) => {
                self.meter.read(began.elapsed());
                self.put_back(hand);
                Some(found)
            }
            // Whoever is asked next says what is wrong.
            Some(Err(error)) if is_lasting(&error) => {
                self.retire(hand, readers);
                None
            }
            _ => {
                self.put_back(hand);
                None
            }
        }
    }

    /// Closes what there is, and opens no more.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.free().clear();
    }

    fn put_back(&self, hand: Hand) {
        let mut free = self.free();
        if free.len() < KEPT_MAX && !self.closed.load(Ordering::SeqCst) {
            free.push(hand);
        }
    }

    /// Has another one opened, on a thread that may wait for the disk.
    fn open(self: &Arc<Self>, readers: &Readers) {
        if self.closed.load(Ordering::SeqCst) || self.is_settled.swap(true, Ordering::AcqRel) {
            return;
        }
        let own = Arc::clone(self);
        let open = move |_: &Connection| {
            // Before the file is: an opening of the writer's that is missed is one that is looked for in vain.
            let openings = own.known.openings();
            let opened = Opened::at_hand(&own.path)?;
            super::lookup::prepare(&opened.connection)?;
            own.put_back(Hand { opened, looked: Instant::now(), openings });
            Ok(())
        };
        let own = Arc::clone(self);
        // Where it fails, so do the readers, and they say why.
        let opened = move |_| own.is_settled.store(false, Ordering::Release);
        readers.ask(Question::new(open, opened), Pace::Slow);
    }

    /// Closes one that is of no use any more where that may take its time.
    fn retire(&self, hand: Hand, readers: &Readers) {
        let abandon = move |_: &Connection| {
            hand.opened.abandon();
            Ok(())
        };
        readers.ask(Question::new(abandon, |_| ()), Pace::Slow);
    }

    fn free(&self) -> MutexGuard<'_, Vec<Hand>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
