//! How far a request has been sent, and why it can't be sent further.

/// How a body's end is told to its endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    None,
    Length,
    Chunked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Progress {
    /// A byte was given to a connection.
    pub(super) touched: bool,
    /// A piece of the body was taken.
    pub(super) body_taken: bool,
    /// The body has no further piece.
    pub(super) body_ended: bool,
    /// The connection may still hold bytes back: TLS has encrypted, but not sent them.
    pub(super) unflushed: bool,
    /// Not a byte more will be taken: the endpoint has closed its side.
    pub(super) stopped: bool,
}

/// Why a request can't be sent to its end.
#[derive(Debug)]
pub(super) enum SendBroken {
    /// The connection takes no more bytes.
    Connection,
    /// The connection has taken nothing for too long.
    Stalled,
    /// The body failed: its flow says how.
    Body,
}
