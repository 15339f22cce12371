//! The entries of one worker that wait for the writer: bounded, flat, and without a wait for the worker.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::entry::Entry;

/// How many entries a batch takes.
pub(super) const ENTRIES_MAX: usize = 65_536;
/// How many bytes of text a batch takes.
pub(super) const TEXT_MAX: usize = 16 << 20;

/// A length that stands for "there is none".
const NONE: u32 = u32::MAX;

/// How many texts a record has: see [`Record::texts`].
pub(super) const TEXTS: usize = 11;

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    Kept,
    /// Kept, and the writer had better not wait any longer.
    HalfFull,
    Dropped,
}

/// One worker's entries.
///
/// Two batches, of which the writer holds one for an instant at a time: a worker that finds the
/// first taken uses the second, so it never waits for a writer that lost its processor just then.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    batches: [Mutex<Batch>; 2],
}

/// Entries in the order of their coming, their texts end to end.
#[derive(Debug, Default)]
pub(super) struct Batch {
    records: Vec<Record>,
    text: Vec<u8>,
    closed: bool,
}

/// An entry without its texts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    /// Since 1970.
    pub(super) started: Duration,
    pub(super) total: Duration,
    pub(super) queue: Duration,
    pub(super) upstream: Option<Duration>,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    pub(super) protocol: &'static str,
    pub(super) tls: Option<(&'static str, &'static str)>,
    pub(super) code: Option<&'static str>,
    pub(super) tripped: Option<&'static str>,
    pub(super) client: IpAddr,
    pub(super) retries: u32,
    pub(super) status: u16,
    lengths: [u32; TEXTS],
}

/// An entry's texts: request id, tenant, route, pool, endpoint, method, host, path, query, SNI, client's certificate.
pub(super) type Texts<'a> = [Option<&'a [u8]>; TEXTS];

impl Buffer {
    pub(super) fn push(&self, entry: &Entry<'_>) -> Pushed {
        let free = self.batches.iter().find_map(|batch| batch.try_lock().ok());
        free.map_or(Pushed::Dropped, |mut batch| batch.push(entry))
    }

    /// Takes what is there, batch by batch, in exchange for `empty`. With `close`, nothing can be
    /// pushed afterwards.
    pub(super) fn drain(&self, empty: &mut Batch, close: bool, mut each: impl FnMut(&Batch)) {
        for batch in &self.batches {
            {
                let mut batch: MutexGuard<'_, Batch> = batch.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::swap(&mut batch.records, &mut empty.records);
                std::mem::swap(&mut batch.text, &mut empty.text);
                batch.closed |= close;
            }
            each(empty);
            empty.clear();
        }
    }
}

impl Batch {
    fn push(&mut self, entry: &Entry<'_>) -> Pushed {
        let texts = texts(entry);
        let len = texts.iter().flatten().map(|text| text.len()).sum::<usize>();
        let (records_before, text_before) = (self.records.len(), self.text.len());
        if self.closed || records_before >= ENTRIES_MAX || text_before.saturating_add(len) > TEXT_MAX {
            return Pushed::Dropped;
        }
        let mut lengths = [NONE; TEXTS];
        for (length, text) in lengths.iter_mut().zip(texts) {
            if let Some(text) = text {
                // Below TEXT_MAX, as all of them together are.
                *length = text.len() as u32;
                self.text.extend_from_slice(text);
            }
        }
        self.records.push(Record::new(entry, lengths));
        let crossed = |before: usize, now: usize, half: usize| before < half && now >= half;
        if crossed(records_before, self.records.len(), ENTRIES_MAX / 2)
            || crossed(text_before, self.text.len(), TEXT_MAX / 2)
        {
            return Pushed::HalfFull;
        }
        Pushed::Kept
    }

    /// The entries with their texts.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&Record, Texts<'_>)> {
        let mut rest = self.text.as_slice();
        self.records.iter().map(move |record| {
            let texts = record.lengths.map(|length| {
                let (text, after) = rest.split_at_checked(length as usize).filter(|_| length != NONE)?;
                rest = after;
                Some(text)
            });
            (record, texts)
        })
    }

    fn clear(&mut self) {
        // What a burst grew is given back by and by; what every wake needs is kept.
        if self.records.len() < self.records.capacity() / 4 {
            self.records.shrink_to(self.records.capacity() / 2);
        }
        if self.text.len() < self.text.capacity() / 4 {
            self.text.shrink_to(self.text.capacity() / 2);
        }
        self.records.clear();
        self.text.clear();
    }
}

impl Record {
    fn new(entry: &Entry<'_>, lengths: [u32; TEXTS]) -> Self {
        Self {
            started: since_epoch(entry.started),
            total: entry.total,
            queue: entry.queue,
            upstream: entry.upstream,
            request_bytes: entry.request_bytes,
            response_bytes: entry.response_bytes,
            protocol: entry.protocol,
            tls: entry.tls,
            code: entry.code,
            tripped: entry.tripped,
            client: entry.client,
            retries: entry.retries,
            status: entry.status,
            lengths,
        }
    }
}

fn texts<'a>(entry: &Entry<'a>) -> Texts<'a> {
    [
        Some(entry.request_id),
        entry.tenant.map(|tenant| tenant.as_str().as_bytes()),
        entry.route.map(str::as_bytes),
        entry.pool.map(str::as_bytes),
        entry.endpoint.map(str::as_bytes),
        Some(entry.method.as_str().as_bytes()),
        entry.host,
        Some(entry.uri.path().as_bytes()),
        entry.uri.query().map(str::as_bytes),
        entry.sni,
        entry.client_cert,
    ]
}

fn since_epoch(at: SystemTime) -> Duration {
    at.duration_since(UNIX_EPOCH).unwrap_or_default()
}
