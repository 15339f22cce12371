//! A pipe of the kernel's, through which octets go from one socket to another without being copied (splice(2)).
//!
//! A body of a megabyte that is read and written is copied twice, through a buffer, and most of what its passing costs is that. Through
//! a pipe only references to the pages go. For small pieces it is not worth its system calls.

use std::io;
use std::task::{Context, Poll};

use tokio::net::TcpStream;

/// Octets that are passed in one go, at most: what a pipe holds in pages of 4 KiB, if nobody asks for more.
const ROOM: usize = 64 * 1024;
/// And by a wide one: as much as anybody may ask for (pipe-max-size in pipe(7)).
const WIDE: usize = 1024 * 1024;

/// Octets on their way between two sockets. What is left in it when it is dropped is lost.
#[derive(Debug)]
pub struct Pipe {
    ends: system::Ends,
    room: usize,
    held: usize,
    is_unfit: bool,
}

impl Pipe {
    /// An empty one.
    ///
    /// # Errors
    /// There are no descriptors left, or the system has no such thing.
    pub fn new() -> io::Result<Self> {
        Self::of(ROOM)
    }

    /// One through which more goes at a time: a long body costs a fifth less.
    ///
    /// # Errors
    /// As [`new`](Self::new); or this user has too many of them.
    pub fn wide() -> io::Result<Self> {
        Self::of(WIDE)
    }

    fn of(room: usize) -> io::Result<Self> {
        Ok(Self { ends: system::Ends::new(room)?, room, held: 0, is_unfit: false })
    }

    /// How many octets are in it.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// Whether the system has not let anything through: it has to be copied.
    #[must_use]
    pub fn is_unfit(&self) -> bool {
        self.is_unfit
    }

    /// Takes octets that a socket has received, no more than so many, into the pipe, which must be empty: a full one could not be told
    /// from a socket that has none. 0 is the connection's end.
    pub(super) fn poll_fill(
        &mut self,
        from: &TcpStream,
        octets_max: u64,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        debug_assert_eq!(self.held, 0, "a full pipe");
        let octets_max = usize::try_from(octets_max).unwrap_or(self.room).min(self.room);
        let filled = self.ends.poll_fill(from, octets_max, cx);
        match &filled {
            Poll::Ready(Ok(octets)) => self.held += octets,
            // Of what the network does to a connection it is none (splice(2)), and nothing was taken: a sandbox may forbid it.
            Poll::Ready(Err(error)) => {
                self.is_unfit = matches!(
                    error.kind(),
                    io::ErrorKind::InvalidInput
                        | io::ErrorKind::OutOfMemory
                        | io::ErrorKind::PermissionDenied
                        | io::ErrorKind::Unsupported
                );
            }
            Poll::Pending => {}
        }
        filled
    }

    /// Has a socket send what is in the pipe; how many octets it took.
    pub(super) fn poll_empty(&mut self, into: &TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let emptied = self.ends.poll_empty(into, self.held, cx);
        if let Poll::Ready(Ok(octets)) = emptied {
            self.held = self.held.saturating_sub(octets);
        }
        emptied
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::task::{Context, Poll, ready};

    use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice};
    use tokio::io::Interest;
    use tokio::net::TcpStream;

    /// A pipe's two ends. Neither is waited for: it is filled when it is empty, and emptied when it is not.
    #[derive(Debug)]
    pub(super) struct Ends {
        read: OwnedFd,
        write: OwnedFd,
    }

    const NOW: SpliceFlags = SpliceFlags::NONBLOCK.union(SpliceFlags::MOVE);

    impl Ends {
        pub(super) fn new(room: usize) -> io::Result<Self> {
            let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
            // Who has many of them gets small ones (pipe-user-pages-soft in pipe(7)), through which hardly anything goes at a time.
            if fcntl_getpipe_size(&write)? < room {
                fcntl_setpipe_size(&write, room)?;
            }
            Ok(Self { read, write })
        }

        pub(super) fn poll_fill(
            &self,
            from: &TcpStream,
            octets: usize,
            cx: &mut Context<'_>,
        ) -> Poll<io::Result<usize>> {
            poll_moved(from, Interest::READABLE, cx, || splice(from, None, &self.write, None, octets, NOW))
        }

        pub(super) fn poll_empty(
            &self,
            into: &TcpStream,
            octets: usize,
            cx: &mut Context<'_>,
        ) -> Poll<io::Result<usize>> {
            poll_moved(into, Interest::WRITABLE, cx, || splice(&self.read, None, into, None, octets, NOW))
        }
    }

    /// Has octets moved as soon as the socket is ready for it.
    fn poll_moved(
        socket: &TcpStream,
        interest: Interest,
        cx: &mut Context<'_>,
        splice: impl Fn() -> rustix::io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match interest.is_readable() {
                true => ready!(socket.poll_read_ready(cx))?,
                false => ready!(socket.poll_write_ready(cx))?,
            }
            let moved = socket.try_io(interest, || Ok(splice()?));
            if !is_to_be_repeated(&moved) {
                return Poll::Ready(moved);
            }
        }
    }

    fn is_to_be_repeated(moved: &io::Result<usize>) -> bool {
        let is_not_now = |error: &io::Error| {
            matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
        };
        moved.as_ref().is_err_and(is_not_now)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::io;
    use std::task::{Context, Poll};

    use tokio::net::TcpStream;

    /// There are none.
    #[derive(Debug)]
    pub(super) enum Ends {}

    impl Ends {
        pub(super) fn new(_: usize) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(super) fn poll_fill(
            &self,
            _: &TcpStream,
            _: usize,
            _: &mut Context<'_>,
        ) -> Poll<io::Result<usize>> {
            match *self {}
        }

        pub(super) fn poll_empty(
            &self,
            _: &TcpStream,
            _: usize,
            _: &mut Context<'_>,
        ) -> Poll<io::Result<usize>> {
            match *self {}
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (client, server) =
            tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (client.unwrap(), server.unwrap().0)
    }

    #[tokio::test]
    async fn what_is_poured_in_comes_out_whole_and_no_more_than_was_asked_for() {
        for pipe in [Pipe::new(), Pipe::wide()] {
            passes_whole(pipe.unwrap()).await;
        }
    }

    async fn passes_whole(mut pipe: Pipe) {
        let ((mut origin, from), (into, mut client)) = (pair().await, pair().await);
        let said: Vec<u8> = (0..3_000_003_u32).map(|at| (at * 7 % 251) as u8).collect();
        let rest = b"the next answer";
        let (told, expected) = (said.clone(), said.len() as u64);
        let saying = tokio::spawn(async move {
            origin.write_all(&told).await.unwrap();
            origin.write_all(rest).await.unwrap();
            origin
        });
        let taking = tokio::spawn(async move {
            let mut taken = vec![0; expected as usize];
            client.read_exact(&mut taken).await.unwrap();
            taken
        });
        let mut left = expected;
        while left > 0 {
            let filled = poll_fn(|cx| pipe.poll_fill(&from, left, cx)).await.unwrap();
            assert!((1..=pipe.room.min(left as usize)).contains(&filled) && pipe.held() == filled);
            left -= filled as u64;
            while pipe.held() > 0 {
                assert!(poll_fn(|cx| pipe.poll_empty(&into, cx)).await.unwrap() > 0);
            }
        }
        assert!(taking.await.unwrap() == said);
        let (mut from, mut next) = (from, vec![0; rest.len()]);
        from.read_exact(&mut next).await.unwrap();
        assert_eq!(next, rest);
        // Nothing more comes.
        drop(saying.await.unwrap());
        assert_eq!(poll_fn(|cx| pipe.poll_fill(&from, 1, cx)).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn what_the_socket_does_not_take_stays() {
        let ((mut origin, from), (into, mut client)) = (pair().await, pair().await);
        let (mut sent, piece) = (0, [b'a'; ROOM]);
        while let Ok(octets) = into.try_write(&piece) {
            sent += octets;
        }
        let mut pipe = Pipe::new().unwrap();
        origin.write_all(b"b").await.unwrap();
        assert_eq!(poll_fn(|cx| pipe.poll_fill(&from, 9, cx)).await.unwrap(), 1);
        assert!(poll_fn(|cx| Poll::Ready(pipe.poll_empty(&into, cx).is_pending())).await);
        assert_eq!(pipe.held(), 1);
        let mut taken = vec![0; sent + 1];
        let (read, emptied) =
            tokio::join!(client.read_exact(&mut taken), poll_fn(|cx| pipe.poll_empty(&into, cx)));
        assert_eq!((read.unwrap(), emptied.unwrap(), pipe.held()), (sent + 1, 1, 0));
        assert!(taken.ends_with(b"ab"));
        // Who is gone takes nothing.
        origin.write_all(b"c").await.unwrap();
        assert_eq!(poll_fn(|cx| pipe.poll_fill(&from, 9, cx)).await.unwrap(), 1);
        client.set_zero_linger().unwrap();
        drop(client);
        into.readable().await.unwrap();
        assert!(poll_fn(|cx| pipe.poll_empty(&into, cx)).await.is_err());
        assert_eq!(pipe.held(), 1);
    }
}
