//! A connected TCP socket whose small messages may wait for others.

use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;

use super::pipe::Pipe;
use super::turn::{SMALL, State, Waiting};

/// A connected TCP socket.
pub trait Tcp: AsyncRead + AsyncWrite + Unpin {
    /// The socket itself.
    fn stream(&self) -> &TcpStream;

    /// Writes what may be sent a moment later, together with what others send. An error of it is told by a later call, as
    /// one of the network is.
    ///
    /// # Errors
    /// Those of send(2).
    fn poll_write_soon(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>>;
}

/// A stream that may be a socket with nothing around it.
pub trait Bare {
    /// The socket: what is written to it goes as it is.
    fn bare(&mut self) -> Option<&mut TcpSocket>;
}

impl Bare for DuplexStream {
    fn bare(&mut self) -> Option<&mut TcpSocket> {
        None
    }
}

/// Sends everything at once.
impl Tcp for TcpStream {
    fn stream(&self) -> &TcpStream {
        self
    }

    fn poll_write_soon(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self).poll_write(cx, data)
    }
}

/// A connected TCP socket of a worker. As [`TcpStream`], but for what is written by [`Tcp::poll_write_soon`].
#[derive(Debug)]
pub struct TcpSocket {
    stream: TcpStream,
    /// What is about to be sent; made with the first small message.
    waiting: Option<Rc<Waiting>>,
}

impl From<TcpStream> for TcpSocket {
    fn from(stream: TcpStream) -> Self {
        Self { stream, waiting: None }
    }
}

impl Tcp for TcpSocket {
    fn stream(&self) -> &TcpStream {
        &self.stream
    }

    fn poll_write_soon(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if data.len() > SMALL || !Waiting::is_possible() {
            return self.poll_write_now(cx, data);
        }
        let waiting = self.waiting.get_or_insert_with(|| Waiting::of(self.stream.as_raw_fd()));
        if waiting.take(data, cx) {
            return Poll::Ready(Ok(data.len()));
        }
        self.poll_write_now(cx, data)
    }
}

impl TcpSocket {
    /// Takes octets that have come, no more than so many, into the pipe, which must be empty; 0 is the connection's end.
    ///
    /// # Errors
    /// Those of splice(2).
    pub fn poll_fill(
        &mut self,
        pipe: &mut Pipe,
        octets_max: u64,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.have_stuck_sent(cx);
        pipe.poll_fill(&self.stream, octets_max, cx)
    }

    /// Sends what is in the pipe, behind what waits; how much of it was taken.
    ///
    /// # Errors
    /// Those of splice(2).
    pub fn poll_empty(&mut self, pipe: &mut Pipe, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ready!(self.poll_sent(cx))?;
        pipe.poll_empty(&self.stream, cx)
    }

    /// Whoever only reads has it sent, too. A fault is told to who writes: there may be an answer to read.
    fn have_stuck_sent(&mut self, cx: &mut Context<'_>) {
        if self.waiting.as_ref().is_some_and(|waiting| waiting.state() == State::Stuck) {
            let _ = self.poll_unstuck(cx);
        }
    }

    fn poll_write_now(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_sent(cx))?;
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    /// Ready when nothing waits any more.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(waiting) = &self.waiting else { return Poll::Ready(Ok(())) };
        waiting.send();
        self.poll_unstuck(cx)
    }

    /// Ready when nothing is stuck any more.
    fn poll_unstuck(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(waiting) = &self.waiting else { return Poll::Ready(Ok(())) };
        loop {
            match waiting.state() {
                State::Empty | State::Queued => return Poll::Ready(Ok(())),
                State::Broken => return Poll::Ready(Err(waiting.fault())),
                State::Stuck => {
                    let stream = Pin::new(&mut self.stream);
                    let sent = waiting.with_rest(|rest| match stream.poll_write(cx, rest) {
                        Poll::Ready(Ok(sent)) => (Poll::Ready(Ok(sent)), sent),
                        other => (other, 0),
                    });
                    if ready!(sent)? == 0 {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                }
            }
        }
    }
}

impl Drop for TcpSocket {
    fn drop(&mut self) {
        self.waiting.iter().for_each(|waiting| waiting.close());
    }
}

impl AsyncRead for TcpSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.have_stuck_sent(cx);
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

/// What is written so is sent at once, behind what waits.
impl AsyncWrite for TcpSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_now(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_sent(cx))?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// What waits for others is as good as sent.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_unstuck(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sent(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
