//! What was sent to a client that it has not taken.

/// A client's socket, as far as what was sent over it is concerned. Only to be asked while it is open.
pub trait Untaken {
    /// Octets that the client has not taken of what was sent; `None` where that is not known.
    fn octets(&self) -> Option<u64>;

    /// Has them thrown away when the socket is closed, and the client told by a reset. Otherwise the kernel would go on offering them,
    /// for minutes, to whoever does not take them.
    fn abandon(&self);
}
