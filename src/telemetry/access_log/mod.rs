//! The access log: a line of JSON for each request, written by a thread of its own.
//!
//! A worker copies what an entry says into its buffer and goes on. It does not format, makes no
//! system call and keeps no reference: a reference to a header would pin the connection's
//! whole read buffer until the line is written. The writer wakes every [`WAKE`], or when a buffer is
//! half full, and takes each buffer whole by swapping it for an empty one. What finds its buffer
//! full is dropped and counted: a slow disk costs log lines, never requests.

mod buffer;
mod entry;
mod line;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use super::metrics::AccessLogMeter;
use buffer::Buffer;
use writer::Writer;

pub use entry::Entry;

/// How long an entry waits for its line at most, while the writer keeps up.
pub const WAKE: Duration = Duration::from_millis(100);

/// How long closing waits for what is left to be written.
const CLOSE: Duration = Duration::from_secs(5);

/// How long opening the log anew waits for the writer to move on.
const SWITCH: Duration = Duration::from_secs(1);

/// Where the access log goes, and how much of it.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessLogSettings {
    /// A file that is appended to, or `-` for standard output.
    pub path: String,
    /// The part of requests that is logged, 0 to 1. Refusals and statuses from 500 on always are.
    pub sample: f64,
}

/// A running access log. Dropping it writes what is left.
#[derive(Debug)]
pub struct AccessLog {
    shared: Arc<Shared>,
    path: Mutex<String>,
    writer: Option<JoinHandle<()>>,
    thread: Thread,
    // Closed from the other end when the writer has ended.
    ended: Mutex<Receiver<()>>,
}

/// A worker's end of the access log. One for each worker: entries of several threads through one
/// sender are well, but may be dropped when they collide.
#[derive(Debug)]
pub struct AccessLogSender {
    shared: Arc<Shared>,
    buffer: Arc<Buffer>,
    writer: Thread,
}

type Sink = Box<dyn Write + Send>;

struct Shared {
    meter: AccessLogMeter,
    /// Requests whose hash is below are logged; [`u64::MAX`] means all.
    keep_below: AtomicU64,
    buffers: Mutex<Vec<Arc<Buffer>>>,
    /// A file that was opened to take the place of the present one.
    next: Mutex<Option<Sink>>,
    /// It has.
    switched: Condvar,
    closing: AtomicBool,
}

impl AccessLog {
    /// Opens the log and starts its writer.
    ///
    /// # Errors
    /// When the file can't be opened or created, or the thread not be started.
    pub fn start(settings: &AccessLogSettings, meter: AccessLogMeter) -> io::Result<Self> {
        Self::start_with(open(&settings.path)?, settings, meter)
    }

    fn start_with(sink: Sink, settings: &AccessLogSettings, meter: AccessLogMeter) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            meter,
            keep_below: AtomicU64::new(keep_below(settings.sample)),
            buffers: Mutex::default(),
            next: Mutex::default(),
            switched: Condvar::new(),
            closing: AtomicBool::new(false),
        });
        let (running, ended) = channel();
        let writer = Writer::new(Arc::clone(&shared), sink);
        let writer = thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            writer.run();
            drop::<std::sync::mpsc::Sender<()>>(running);
        })?;
        Ok(Self {
            shared,
            path: Mutex::new(settings.path.clone()),
            thread: writer.thread().clone(),
            writer: Some(writer),
            ended: Mutex::new(ended),
        })
    }

    /// A worker's end.
    #[must_use]
    pub fn sender(&self) -> AccessLogSender {
        let buffer = Arc::new(Buffer::default());
        let mut buffers = self.shared.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        buffers.push(Arc::clone(&buffer));
        AccessLogSender { shared: Arc::clone(&self.shared), buffer, writer: self.thread.clone() }
    }

    /// Opens the file anew by its path, after something else has renamed it. Lines go on into the
    /// old one until the new one is open.
    ///
    /// # Errors
    /// When the file can't be opened; the old one stays in use.
    pub fn reopen(&self) -> io::Result<()> {
        let path = self.path.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.switch(open(&path)?);
        Ok(())
    }

    /// Takes over changed settings.
    ///
    /// # Errors
    /// When a new file can't be opened; nothing is changed then.
    pub fn reconfigure(&self, settings: &AccessLogSettings) -> io::Result<()> {
        let mut path = self.path.lock().unwrap_or_else(PoisonError::into_inner);
        if *path != settings.path {
            self.switch(open(&settings.path)?);
            path.clone_from(&settings.path);
        }
        self.shared.keep_below.store(keep_below(settings.sample), Ordering::Relaxed);
        Ok(())
    }

    /// Writes what is left and ends the writer. Waits 5 s at most: a pipe that nobody reads must not
    /// keep the gateway from ending. What is pushed afterwards counts as dropped.
    pub fn close(mut self) {
        self.end();
    }

    /// Waits until the writer has moved on: who has been told that the log is opened anew may compress the old
    /// file. A writer that is held up by a pipe is not waited for.
    fn switch(&self, sink: Sink) {
        let mut next = self.shared.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = Some(sink);
        self.thread.unpark();
        drop(self.shared.switched.wait_timeout_while(next, SWITCH, |next| next.is_some()));
    }

    fn end(&mut self) {
        let Some(writer) = self.writer.take() else { return };
        self.shared.closing.store(true, Ordering::Release);
        self.thread.unpark();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(CLOSE);
        if ended == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the access log could not be written out in time");
        } else if writer.join().is_err() {
            tracing::error!("the access log's writer panicked");
        }
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.end();
    }
}

impl AccessLogSender {
    /// Logs a request, or not, as sampling says. Never blocks.
    pub fn push(&self, entry: &Entry<'_>) {
        if !entry.is_kept(self.shared.keep_below.load(Ordering::Relaxed)) {
            return;
        }
        match self.buffer.push(entry) {
            buffer::Pushed::Kept => {}
            buffer::Pushed::HalfFull => self.writer.unpark(),
            buffer::Pushed::Dropped => self.shared.meter.dropped.inc(),
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("keep_below", &self.keep_below).finish_non_exhaustive()
    }
}

fn open(path: &str) -> io::Result<Sink> {
    if path == "-" {
        return Ok(Box::new(io::stdout()));
    }
    let file: File = OpenOptions::new().append(true).create(true).open(path)?;
    Ok(Box::new(file))
}

fn keep_below(sample: f64) -> u64 {
    // `as` saturates: 1 and above become MAX, negatives and NaN 0.
    (sample * 2_f64.powi(64)) as u64
}
