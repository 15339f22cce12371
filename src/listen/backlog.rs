//! How much of what was sent a client has not taken.

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use socket2::SockRef;

use crate::types::Untaken;

/// Tells how many octets wait in the kernel to be taken by a client. Its number could be another's when the socket is closed.
///
/// A socket's buffer holds megabytes. What a write puts there has not been taken by anybody, and that there is no room
/// says nothing of whether the client takes something: only the kernel knows.
#[derive(Debug, Clone, Copy)]
pub struct Backlog(RawFd);

impl Backlog {
    pub(super) fn of(socket: &impl AsRawFd) -> Self {
        Self(socket.as_raw_fd())
    }
}

impl Untaken for Backlog {
    /// By SIOCOUTQ (tcp(7)): what was sent and not acknowledged, or not sent yet.
    fn octets(&self) -> Option<u64> {
        let mut octets: libc::c_int = 0;
        // SAFETY: the call writes one `int` to where it is told, and nothing for a descriptor that is not open.
        #[allow(unsafe_code)]
        let outcome = unsafe { libc::ioctl(self.0, libc::TIOCOUTQ, &raw mut octets) };
        if outcome == 0 { u64::try_from(octets).ok() } else { None }
    }

    /// By SO_LINGER of no time (socket(7)).
    fn abandon(&self) {
        // SAFETY: the socket is open as long as this may be asked.
        #[allow(unsafe_code)]
        let socket = unsafe { BorrowedFd::borrow_raw(self.0) };
        let _ = SockRef::from(&socket).set_linger(Some(Duration::ZERO));
    }
}
