//! The framing of chunked bodies (RFC 9112 §7.1), for requests and responses alike.

use super::Malformed;
use super::head::is_token;

/// Where in a chunked body (RFC 9112 §7.1) the next byte stands. `spent` counts the octets of
/// extensions and trailers, which carry nothing and are bounded together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    step: ChunkStep,
    size: u64,
    spent: u32,
    spent_max: u32,
    trailers: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChunkStep {
    SizeStart,
    Size,
    SizeBlank,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
}

impl ChunkStep {
    /// Whether the next byte belongs to the trailer section.
    fn is_trailer(self) -> bool {
        matches!(
            self,
            Self::TrailerStart | Self::TrailerName | Self::TrailerValue | Self::TrailerLf | Self::EndLf
        )
    }
}

/// Trailer fields that a body may have: fewer than hyper takes (100), so that the refusal is ours.
const TRAILERS_MAX: u32 = 100;

/// What stands at the front of a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peeled {
    /// Octets of framing, first.
    pub(crate) framing: usize,
    /// From here on, within them, they are trailer fields.
    pub(crate) trailers_from: Option<usize>,
    /// Octets of content, behind them.
    pub(crate) content: usize,
    /// The body ends with them.
    pub(crate) ended: bool,
}

impl Chunk {
    /// The place before a body's first byte; it may have so many octets of extensions and trailers.
    pub(crate) const fn new(spent_max: u32) -> Self {
        Self { step: ChunkStep::SizeStart, size: 0, spent: 0, spent_max, trailers: 0 }
    }

    /// Takes framing off the front, up to content or the end; for whoever wants the content itself.
    pub(crate) fn peel(&mut self, bytes: &[u8]) -> Result<Peeled, Malformed> {
        let mut peeled = Peeled { framing: 0, trailers_from: None, content: 0, ended: false };
        while let Some(&byte) = bytes.get(peeled.framing) {
            if self.step == ChunkStep::Data {
                let content = self.size.min((bytes.len() - peeled.framing) as u64);
                self.size -= content;
                if self.size == 0 {
                    self.step = ChunkStep::DataCr;
                }
                peeled.content = content as usize;
                return Ok(peeled);
            }
            if self.step.is_trailer() {
                peeled.trailers_from.get_or_insert(peeled.framing);
            }
            let ends = self.step == ChunkStep::EndLf;
            self.step = self.step(byte).ok_or(Malformed::Chunk)?;
            peeled.framing += 1;
            if ends {
                peeled.ended = true;
                return Ok(peeled);
            }
            if matches!(self.step, ChunkStep::Extension | ChunkStep::TrailerName | ChunkStep::TrailerValue) {
                self.spent += 1;
                if self.spent > self.spent_max {
                    return Err(Malformed::Chunk);
                }
            }
        }
        Ok(peeled)
    }

    fn step(&mut self, byte: u8) -> Option<ChunkStep> {
        use ChunkStep::{
            Data, DataCr, DataLf, EndLf, Extension, Size, SizeBlank, SizeLf, SizeStart, TrailerLf,
            TrailerName, TrailerStart, TrailerValue,
        };
        let text = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        match (self.step, byte) {
            (SizeStart, _) => {
                self.size = hex(byte)?;
                Some(Size)
            }
            (Size | SizeBlank, b'\r') => Some(SizeLf),
            (Size | SizeBlank, b';') => Some(Extension),
            (Size | SizeBlank, b' ' | b'\t') => Some(SizeBlank),
            (Size, _) => {
                self.size = self.size.checked_mul(16)?.checked_add(hex(byte)?)?;
                // As of a length: what many read it into has a sign.
                i64::try_from(self.size).ok()?;
                Some(Size)
            }
            (Extension, b'\r') => Some(SizeLf),
            (Extension, _) if text => Some(Extension),
            (SizeLf, b'\n') if self.size == 0 => Some(TrailerStart),
            (SizeLf, b'\n') => Some(Data),
            (DataCr, b'\r') => Some(DataLf),
            (DataLf, b'\n') => Some(SizeStart),
            (TrailerStart, b'\r') => Some(EndLf),
            (TrailerStart, _) if is_token(byte) => {
                self.trailers += 1;
                (self.trailers < TRAILERS_MAX).then_some(TrailerName)
            }
            (TrailerName, _) if is_token(byte) => Some(TrailerName),
            (TrailerName, b':') => Some(TrailerValue),
            (TrailerValue, b'\r') => Some(TrailerLf),
            (TrailerValue, _) if text => Some(TrailerValue),
            (TrailerLf, b'\n') => Some(TrailerStart),
            (EndLf, b'\n') => Some(SizeStart),
            _ => None,
        }
    }
}

fn hex(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}
