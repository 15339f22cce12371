//! Content codings of bodies that are rewritten: undone and done again in small pieces, whatever they unfold to.

use std::fmt;
use std::io::Write as _;

use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState, CompressorWriter};
use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status};

use super::gzip::Gzip;

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
const BROTLI_WINDOW: u32 = 15;
/// A greater one holds 750 KiB, this one 110.
const BROTLI_QUALITY: u32 = 1;

/// Undoes a coding.
pub(super) enum Decoder {
    Identity,
    Gzip { state: Box<Decompress>, between: bool, ended: bool },
    Brotli { state: Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>, done: bool },
}

impl Decoder {
    pub(super) fn new(coding: Coding) -> Self {
        let alloc = StandardAlloc::default;
        match coding {
            Coding::Identity => Self::Identity,
            // As wide a window as any sender may use.
            Coding::Gzip => {
                Self::Gzip { state: Box::new(Decompress::new_gzip(15)), between: true, ended: false }
            }
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
            Self::Gzip { state, between, ended } => loop {
                if *between && !input.is_empty() {
                    // Behind the last member there may be padding; it is no part of the body, as gzip itself sees it.
                    if *ended && input.first() != Some(&0x1f) {
                        *input = Bytes::new();
                        return Ok(0);
                    }
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
                    (*between, *ended) = (true, true);
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
    Gzip(Gzip),
    Brotli { writer: Box<CompressorWriter<Vec<u8>>>, clean: bool },
}

impl Encoder {
    pub(super) fn new(coding: Coding) -> Self {
        match coding {
            Coding::Identity => Self::Identity(Vec::new()),
            Coding::Gzip => Self::Gzip(Gzip::new()),
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
            Self::Gzip(gzip) => gzip.write(data),
            Self::Brotli { writer, clean } => {
                *clean &= data.is_empty();
                // It takes five octets for each of a block, which is what it is given at a time.
                data.chunks(4096).try_for_each(|block| writer.write_all(block)).map_err(|_| Broken)
            }
        }
    }

    /// Has all that was written come out, so that it can be read.
    pub(super) fn flush(&mut self) -> Result<(), Broken> {
        match self {
            Self::Gzip(gzip) => gzip.flush(),
            Self::Brotli { writer, clean } if !*clean => {
                *clean = true;
                writer.flush().map_err(|_| Broken)
            }
            _ => Ok(()),
        }
    }

    /// Ends the body, and gives what is left of it.
    pub(super) fn finish(&mut self) -> Result<Bytes, Broken> {
        let last = std::mem::replace(self, Self::Identity(Vec::new()));
        match last {
            Self::Identity(out) => Ok(out.into()),
            Self::Gzip(mut gzip) => {
                gzip.finish()?;
                Ok(std::mem::take(gzip.out()).into())
            }
            Self::Brotli { writer, .. } => Ok(writer.into_inner().into()),
        }
    }

    fn out(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Identity(out) => out,
            Self::Gzip(gzip) => gzip.out(),
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
