//! Content codings of bodies that are rewritten: undone and done again in small pieces, whatever they unfold to.

use std::fmt;
use std::io::Write as _;

use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState, CompressorWriter};
use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// How a body is coded (RFC 9110 §8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// As it is.
    Identity,
    /// gzip.
    Gzip,
    /// Brotli.
    Brotli,
}

/// A body is not coded as its head says, or broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is not coded as its head says")]
pub struct Broken;

/// The window of what is compressed again, as a power of two: a longer one costs memory of every response.
const GZIP_WINDOW: u8 = 12;
const BROTLI_WINDOW: u32 = 16;
const BROTLI_QUALITY: u32 = 2;

/// Undoes a coding.
pub(super) enum Decoder {
    Identity,
    Gzip { state: Box<Decompress>, between: bool },
    Brotli { state: Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>, done: bool },
}

impl Decoder {
    pub(super) fn new(coding: Coding) -> Self {
        let alloc = StandardAlloc::default;
        match coding {
            Coding::Identity => Self::Identity,
            // As wide a window as any sender may use.
            Coding::Gzip => Self::Gzip { state: Box::new(Decompress::new_gzip(15)), between: true },
            Coding::Brotli => {
                Self::Brotli { state: Box::new(BrotliState::new(alloc(), alloc(), alloc())), done: false }
            }
        }
    }

    /// Decodes as much of the input as fills the room, and tells how much that is. Where it is none, all of the input has been taken.
    pub(super) fn decode(&mut self, input: &mut Bytes, room: &mut [u8]) -> Result<usize, Broken> {
        match self {
            Self::Identity => {
                let taken = input.split_to(input.len().min(room.len()));
                let (filled, _) = room.split_at_mut(taken.len());
                filled.copy_from_slice(&taken);
                Ok(taken.len())
            }
            Self::Gzip { state, between } => loop {
                if *between && !input.is_empty() {
                    *between = false;
                }
                let (before_in, before_out) = (state.total_in(), state.total_out());
                let status = state.decompress(input, room, FlushDecompress::None).map_err(|_| Broken)?;
                let taken = usize::try_from(state.total_in() - before_in).unwrap_or(usize::MAX);
                let made = usize::try_from(state.total_out() - before_out).unwrap_or(usize::MAX);
                *input = input.slice(taken.min(input.len())..);
                if status == Status::StreamEnd {
                    // Members may follow each other (RFC 1952 §2.2).
                    **state = Decompress::new_gzip(15);
                    *between = true;
                }
                if made > 0 || input.is_empty() {
                    return Ok(made);
                }
                if taken == 0 && status != Status::StreamEnd {
                    return Err(Broken);
                }
            },
            Self::Brotli { state, done } => {
                if *done {
                    return if input.is_empty() { Ok(0) } else { Err(Broken) };
                }
                let (mut left, mut taken) = (input.len(), 0);
                let (mut space, mut made, mut total) = (room.len(), 0, 0);
                let result = BrotliDecompressStream(
                    &mut left, &mut taken, input, &mut space, &mut made, room, &mut total, state,
                );
                *input = input.slice(taken.min(input.len())..);
                match result {
                    BrotliResult::ResultFailure => return Err(Broken),
                    BrotliResult::ResultSuccess => *done = true,
                    BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
                }
                Ok(made)
            }
        }
    }

    /// Whether a body may end here.
    pub(super) fn is_complete(&self) -> bool {
        match self {
            Self::Identity => true,
            Self::Gzip { between, .. } => *between,
            Self::Brotli { done, .. } => *done,
        }
    }
}

/// Does a coding again.
pub(super) enum Encoder {
    Identity(Vec<u8>),
    Gzip { state: Box<Compress>, out: Vec<u8>, clean: bool },
    Brotli { writer: Box<CompressorWriter<Vec<u8>>>, clean: bool },
}

impl Encoder {
    pub(super) fn new(coding: Coding) -> Self {
        match coding {
            Coding::Identity => Self::Identity(Vec::new()),
            Coding::Gzip => {
                let state = Box::new(Compress::new_gzip(Compression::fast(), GZIP_WINDOW));
                Self::Gzip { state, out: Vec::new(), clean: true }
            }
            Coding::Brotli => {
                let writer = CompressorWriter::new(Vec::new(), 4096, BROTLI_QUALITY, BROTLI_WINDOW);
                Self::Brotli { writer: Box::new(writer), clean: true }
            }
        }
    }

    pub(super) fn write(&mut self, data: &[u8]) -> Result<(), Broken> {
        match self {
            Self::Identity(out) => {
                out.extend_from_slice(data);
                Ok(())
            }
            Self::Gzip { state, out, clean } => {
                *clean &= data.is_empty();
                compress(state, data, out, FlushCompress::None)
            }
            Self::Brotli { writer, clean } => {
                *clean &= data.is_empty();
                writer.write_all(data).map_err(|_| Broken)
            }
        }
    }

    /// Has all that was written come out, so that it can be read.
    pub(super) fn flush(&mut self) -> Result<(), Broken> {
        match self {
            Self::Gzip { state, out, clean } if !*clean => {
                *clean = true;
                compress(state, &[], out, FlushCompress::Sync)
            }
            Self::Brotli { writer, clean } if !*clean => {
                *clean = true;
                writer.flush().map_err(|_| Broken)
            }
            _ => Ok(()),
        }
    }

    /// Ends the body, and gives what is left of it.
    pub(super) fn finish(&mut self) -> Result<Bytes, Broken> {
        if let Self::Gzip { state, out, .. } = self {
            compress(state, &[], out, FlushCompress::Finish)?;
        }
        let last = std::mem::replace(self, Self::Identity(Vec::new()));
        match last {
            Self::Identity(out) | Self::Gzip { out, .. } => Ok(out.into()),
            Self::Brotli { writer, .. } => Ok(writer.into_inner().into()),
        }
    }

    fn out(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Identity(out) | Self::Gzip { out, .. } => out,
            Self::Brotli { writer, .. } => writer.get_mut(),
        }
    }

    /// Octets that have come out.
    pub(super) fn len(&mut self) -> usize {
        self.out().len()
    }

    /// What has come out.
    pub(super) fn take(&mut self) -> Bytes {
        std::mem::take(self.out()).into()
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
        let (before_in, room) = (state.total_in(), out.capacity() - out.len());
        let before = out.len();
        let status = state.compress_vec(rest, out, flush).map_err(|_| Broken)?;
        let taken = usize::try_from(state.total_in() - before_in).unwrap_or(usize::MAX);
        rest = rest.get(taken..).unwrap_or_default();
        let is_full = out.len() - before == room;
        let is_over = match flush {
            FlushCompress::Finish => status == Status::StreamEnd,
            _ => rest.is_empty() && !is_full,
        };
        if is_over {
            return Ok(());
        }
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoder")
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encoder")
    }
}
