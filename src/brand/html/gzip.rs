//! gzip (RFC 1952) of what is rewritten, made of pieces.
//!
//! A compressor is some 300 KiB, most of it tables that it clears when it begins; a response that is slowly read would hold
//! them for as long as it takes. So there is one a thread, and it compresses a piece at a time: each begins with nothing known of those before, and
//! ends on a whole octet (a sync flush: an empty stored block, RFC 1951 §3.2.4). A body holds no more than its checksum and what waits for a piece to be full.

use std::cell::RefCell;

use flate2::{Compress, Compression, Crc, FlushCompress};

use super::coding::Broken;

/// Octets that make a piece: its window, so that nearly all that can be found again is.
const PIECE: usize = 32 * 1024;

/// RFC 1952 §2.3: deflate, no name, no time, the fastest, whatever system.
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];
/// A last block with nothing in it.
const LAST_BLOCK: [u8; 2] = [3, 0];

thread_local! {
    static DEFLATE: RefCell<Compress> = RefCell::new(Compress::new(Compression::fast(), false));
}

/// A body that is being compressed.
pub(super) struct Gzip {
    crc: Crc,
    waiting: Vec<u8>,
    out: Vec<u8>,
    begun: bool,
}

impl Gzip {
    pub(super) fn new() -> Self {
        Self { crc: Crc::new(), waiting: Vec::new(), out: Vec::new(), begun: false }
    }

    /// Takes what comes next.
    pub(super) fn write(&mut self, data: &[u8]) -> Result<(), Broken> {
        if self.waiting.len() + data.len() < PIECE {
            self.waiting.extend_from_slice(data);
            return Ok(());
        }
        self.compress(data)
    }

    /// Has all that was written come out.
    pub(super) fn flush(&mut self) -> Result<(), Broken> {
        if self.waiting.is_empty() { Ok(()) } else { self.compress(&[]) }
    }

    /// Ends the body.
    pub(super) fn finish(&mut self) -> Result<(), Broken> {
        self.flush()?;
        self.begin();
        self.out.extend_from_slice(&LAST_BLOCK);
        self.out.extend_from_slice(&self.crc.sum().to_le_bytes());
        self.out.extend_from_slice(&self.crc.amount().to_le_bytes());
        Ok(())
    }

    /// What has come out.
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    fn begin(&mut self) {
        if !self.begun {
            self.begun = true;
            self.out.extend_from_slice(&HEAD);
        }
    }

    /// A piece of what waits and this.
    fn compress(&mut self, data: &[u8]) -> Result<(), Broken> {
        self.begin();
        self.crc.update(&self.waiting);
        self.crc.update(data);
        DEFLATE.with_borrow_mut(|state| {
            state.reset();
            compress(state, &self.waiting, &mut self.out, FlushCompress::None)?;
            compress(state, data, &mut self.out, FlushCompress::Sync)
        })?;
        self.waiting.clear();
        Ok(())
    }
}

/// Compresses all of the data; with a flush, until nothing more comes.
fn compress(
    state: &mut Compress,
    data: &[u8],
    out: &mut Vec<u8>,
    flush: FlushCompress,
) -> Result<(), Broken> {
    let mut rest = data;
    loop {
        out.reserve(4096);
        let (before_in, before, room) = (state.total_in(), out.len(), out.capacity() - out.len());
        state.compress_vec(rest, out, flush).map_err(|_| Broken)?;
        let taken = usize::try_from(state.total_in() - before_in).unwrap_or(usize::MAX);
        rest = rest.get(taken..).unwrap_or_default();
        if rest.is_empty() && out.len() - before < room {
            return Ok(());
        }
    }
}
