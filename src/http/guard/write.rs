//! The guard's way out: hyper's bytes as they are, interim responses between them, and an end that loses no answer.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::Write;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::Guard;
use crate::http::taking::Taking;
use crate::time::Deadline;

/// How long what a peer still sends is read after the last answer.
const LINGER: Duration = Duration::from_secs(2);

/// A head and a body that together have no more octets are sent as one piece: to copy them costs less than that the kernel gathers
/// them.
const FLAT_MAX: usize = 2048;

/// Makes one piece of several, if they fit.
fn gathered(bufs: &[IoSlice<'_>], into: &mut ReadBuf<'_>) -> bool {
    bufs.iter().all(|buf| {
        let fits = buf.len() <= into.remaining();
        if fits {
            into.put_slice(buf);
        }
        fits
    })
}

impl<S: AsyncRead + AsyncWrite + Unpin> Guard<S> {
    /// Ends what nothing is under way on: over TLS the client is told (close_notify), so that it takes the end for none that somebody
    /// else has made. What it does not take at once is not waited for.
    pub async fn close(&mut self) {
        poll_fn(|cx| {
            let _ = Pin::new(&mut self.io).poll_shutdown(cx);
            Poll::Ready(())
        })
        .await;
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.io).poll_write(cx, buf);
        self.heed(sent, cx)
    }

    /// Sends what stands in several places, in one go.
    fn poll_send_all(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if let [buf] = bufs {
            return self.poll_send(cx, buf);
        }
        let mut room = [MaybeUninit::uninit(); FLAT_MAX];
        let mut flat = ReadBuf::uninit(&mut room);
        let sent = if gathered(bufs, &mut flat) {
            Pin::new(&mut self.io).poll_write(cx, flat.filled())
        } else {
            Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
        };
        self.heed(sent, cx)
    }

    /// Heeds how the client takes what it is sent.
    fn heed(&mut self, sent: Poll<io::Result<usize>>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match sent {
            Poll::Ready(result) => {
                self.state.way_out.note_taken();
                if let (Some(taking), Ok(octets)) = (&mut self.taking, &result) {
                    taking.written(*octets, &self.state);
                }
                Poll::Ready(result)
            }
            Poll::Pending => {
                self.state.way_out.note_clogged();
                let deadlines = &self.deadlines;
                let taking = self.taking.get_or_insert_with(|| Box::new(Taking::new(deadlines)));
                let why = ready!(taking.poll_slow(&self.state, cx));
                self.state.cut_off(why);
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    /// Interim responses go before whatever hyper says next. They come from a handler that has not answered yet, and
    /// only while all that hyper had said before was taken: so they stand between two messages.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = Rc::clone(&self.state);
        while !state.interim.is_empty() {
            let sent = state.interim.write(|waiting| {
                let sent = self.poll_send(cx, waiting);
                let len = if let Poll::Ready(Ok(len)) = &sent { *len } else { 0 };
                (sent, len)
            });
            if ready!(sent)? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Write for Guard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if !self.state.interim.is_empty() {
            ready!(self.poll_interim(cx))?;
        }
        let sent = self.poll_send(cx, buf);
        self.state.interim.note_written(matches!(&sent, Poll::Ready(Ok(len)) if *len == buf.len()));
        sent
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.state.interim.is_empty() {
            ready!(self.poll_interim(cx))?;
        }
        let sent = self.poll_send_all(cx, bufs);
        let is_all = |len| len == bufs.iter().map(|buf| buf.len()).sum::<usize>();
        self.state.interim.note_written(matches!(&sent, Poll::Ready(Ok(len)) if is_all(*len)));
        sent
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.state.interim.is_empty() {
            ready!(self.poll_interim(cx))?;
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Closes so that the peer can still read the answer: our side first, then what it goes on
    /// sending is read and thrown away for a while. A socket that is closed with bytes unread is
    /// reset, and the reset destroys an early answer on its way (RFC 9112 §9.6).
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.state.is_parking() {
            // hyper ends, the connection goes on.
            return Poll::Ready(Ok(()));
        }
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.io).poll_shutdown(cx)?);
            this.linger = Some(Deadline::at(Instant::now() + LINGER));
        }
        if !this.framed || !this.state.owes_linger() {
            return Poll::Ready(Ok(()));
        }
        let mut buffer = [0_u8; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut buffer);
            match Pin::new(&mut this.io).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    let Some(linger) = this.linger.as_mut() else { return Poll::Ready(Ok(())) };
                    return linger.poll(cx).map(Ok);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_small_is_sent_as_one_piece() {
        let (head, body) = ([b'h'; 200], [b'b'; FLAT_MAX - 200]);
        let mut room = [MaybeUninit::uninit(); FLAT_MAX];
        let mut flat = ReadBuf::uninit(&mut room);
        assert!(gathered(&[IoSlice::new(&head), IoSlice::new(&body)], &mut flat));
        assert_eq!(flat.filled(), [&head[..], &body[..]].concat());
        flat.clear();
        assert!(!gathered(&[IoSlice::new(&head), IoSlice::new(&body), IoSlice::new(b"b")], &mut flat));
    }
}
