//! What is sent: nothing, a document, or a file that is read as it goes.

use std::fs::File;
use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

/// How much of a file is read at a time.
const CHUNK: usize = 64 << 10;

/// The body of a request.
pub(in crate::cli) enum Upload {
    /// All of it at hand.
    Whole(Option<Bytes>),
    /// A file from where it stands, and how much of it is still to come.
    File(File, u64),
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    /// Reads files where it is: nothing else runs in this thread.
    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let read = match self.get_mut() {
            Self::Whole(bytes) => Ok(bytes.take().filter(|bytes| !bytes.is_empty())),
            Self::File(_, 0) => Ok(None),
            Self::File(file, rest) => {
                let wanted = usize::try_from(*rest).unwrap_or(CHUNK).min(CHUNK);
                let mut chunk = BytesMut::zeroed(wanted);
                file.read(&mut chunk).and_then(|read| match read {
                    0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file has become shorter")),
                    read => {
                        chunk.truncate(read);
                        *rest -= read as u64;
                        Ok(Some(chunk.freeze()))
                    }
                })
            }
        };
        Poll::Ready(read.map(|bytes| bytes.map(Frame::data)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::File(_, rest) => *rest == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Whole(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            Self::File(_, rest) => *rest,
        })
    }
}
