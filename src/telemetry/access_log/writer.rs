//! The access log's own thread: it takes the workers' batches, formats them and writes them out.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread;

use super::buffer::{Batch, Buffer};
use super::line::Formatter;
use super::{Shared, Sink, WAKE};

/// Lines are written out whenever this many bytes of them are ready, and at the end of each wake.
const WRITE_SIZE: usize = 64 << 10;

/// See the module.
pub(super) struct Writer {
    shared: Arc<Shared>,
    lines: Lines,
    formatter: Formatter,
    empty: Batch,
}

/// Lines on their way into the sink.
struct Lines {
    sink: Sink,
    ready: Vec<u8>,
    /// The last write broke off within a line.
    torn: bool,
    /// The last write failed, and the operator has been told.
    failing: bool,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, sink: Sink) -> Self {
        let lines = Lines { sink, ready: Vec::with_capacity(2 * WRITE_SIZE), torn: false, failing: false };
        Self { shared, lines, formatter: Formatter::default(), empty: Batch::default() }
    }

    /// Runs until the log is closed.
    pub(super) fn run(mut self) {
        loop {
            let closing = self.shared.closing.load(Ordering::Acquire);
            self.wake(closing);
            if closing {
                return;
            }
            if !self.shared.closing.load(Ordering::Acquire) {
                // An unpark since the last wake makes this return at once: none is lost.
                thread::park_timeout(WAKE);
            }
        }
    }

    fn wake(&mut self, closing: bool) {
        for buffer in self.buffers() {
            let Self { shared, lines, formatter, empty } = self;
            buffer.drain(empty, closing, |batch| {
                for (record, texts) in batch.entries() {
                    formatter.line(&mut lines.ready, record, texts);
                    if lines.ready.len() >= WRITE_SIZE {
                        lines.write_out(shared);
                    }
                }
            });
        }
        self.lines.write_out(&self.shared);
        // After the lines that were there before the file was renamed: they belong to the old one.
        if let Some(sink) = self.shared.next.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.lines.sink = sink;
            self.lines.torn = false;
            self.shared.switched.notify_all();
        }
    }

    /// The workers' buffers; those whose worker is gone are drained this one last time.
    fn buffers(&self) -> Vec<Arc<Buffer>> {
        let mut buffers = self.shared.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let all = buffers.clone();
        // Held by the list and by `all`: no sender is left, so nothing can come in after this drain.
        buffers.retain(|buffer| Arc::strong_count(buffer) > 2);
        all
    }
}

impl Lines {
    fn write_out(&mut self, shared: &Shared) {
        if self.ready.is_empty() {
            return;
        }
        let (written, result) = self.write_ready();
        let rest = self.ready.get(written..).unwrap_or_default();
        match result {
            Ok(()) if self.failing => {
                self.failing = false;
                tracing::info!("the access log is written again");
            }
            Ok(()) => {}
            Err(error) => {
                shared.meter.write_errors.inc();
                shared.meter.dropped.inc_by(rest.iter().filter(|byte| **byte == b'\n').count() as u64);
                if written > 0 {
                    self.torn = self.ready.get(written - 1) != Some(&b'\n');
                }
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(%error, "the access log can't be written; lines are lost until it can");
                }
            }
        }
        self.ready.clear();
    }

    /// Writes what is ready. Returns how many bytes of it got out.
    fn write_ready(&mut self) -> (usize, io::Result<()>) {
        if self.torn {
            // What is left of the broken line stands alone, so that the next one can be parsed.
            if let Err(error) = self.sink.write_all(b"\n") {
                return (0, Err(error));
            }
            self.torn = false;
        }
        let mut written = 0;
        while let Some(rest) = self.ready.get(written..).filter(|rest| !rest.is_empty()) {
            match self.sink.write(rest) {
                Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (written, Err(error)),
            }
        }
        (written, self.sink.flush())
    }
}
