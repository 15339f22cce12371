//! How much of what was sent a client has not taken.

use std::os::fd::{AsRawFd, RawFd};

/// Tells how many octets wait in the kernel to be taken by a client.
///
/// A socket's buffer holds megabytes. What a write puts there has not been taken by anybody, and that there is no room
/// says nothing of whether the client takes something: only the kernel knows.
#[derive(Debug, Clone, Copy)]
pub struct Backlog(RawFd);

impl Backlog {
    pub(super) fn of(socket: &impl AsRawFd) -> Self {
        Self(socket.as_raw_fd())
    }

    /// The octets that were sent and not acknowledged, or not sent yet (SIOCOUTQ, tcp(7)); `None` where the kernel does not
    /// tell. Only to be asked while the socket is open: its number could be another's after that.
    #[must_use]
    pub fn octets(self) -> Option<u64> {
        let mut octets: libc::c_int = 0;
        // SAFETY: the call writes one `int` to where it is told, and nothing for a descriptor that is not open.
        #[allow(unsafe_code)]
        let outcome = unsafe { libc::ioctl(self.0, libc::TIOCOUTQ, &raw mut octets) };
        if outcome == 0 { u64::try_from(octets).ok() } else { None }
    }
}
