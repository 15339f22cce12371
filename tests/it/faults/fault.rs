//! The ways in which an endpoint fails, and what each does to a request.

/// What an endpoint is spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    /// HTTP/1.1 in clear text.
    Http1,
    /// The same over TLS.
    Tls,
    /// HTTP/2 with prior knowledge.
    Http2,
}

pub(super) const TRANSPORTS: [Transport; 3] = [Transport::Http1, Transport::Tls, Transport::Http2];

/// How an endpoint fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Refuses,
    BlackHole,
    /// It accepts the connection, and that is all.
    SaysNothing,
    ClosesAtOnce,
    ResetsBeforeHead,
    ResetsInHead,
    ResetsInBody,
    Truncates,
    StallsBeforeHead,
    StallsInBody,
    Garbage,
    Slow,
}

pub(super) const FAULTS: [Fault; 12] = [
    Fault::Refuses,
    Fault::BlackHole,
    Fault::SaysNothing,
    Fault::ClosesAtOnce,
    Fault::ResetsBeforeHead,
    Fault::ResetsInHead,
    Fault::ResetsInBody,
    Fault::Truncates,
    Fault::StallsBeforeHead,
    Fault::StallsInBody,
    Fault::Garbage,
    Fault::Slow,
];

/// What the client sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    Refused(u16, &'static str),
    /// The head, and then a body that is visibly cut; or nothing of it.
    Cut,
    Whole,
}

impl Transport {
    pub(super) fn url(self, address: std::net::SocketAddr) -> String {
        match self {
            Self::Tls => format!("https://{address}"),
            Self::Http1 | Self::Http2 => format!("http://{address}"),
        }
    }

    /// How a pool of such endpoints is told so.
    pub(super) fn keys(self) -> &'static str {
        match self {
            Self::Http1 => "protocol: http1",
            Self::Tls => "tls: { insecure: true }",
            Self::Http2 => "protocol: h2",
        }
    }
}

impl Fault {
    pub(super) fn seen(self, by: Transport) -> Seen {
        match (self, by) {
            (Self::Refuses | Self::BlackHole, _) => Seen::Refused(502, "upstream_connect"),
            // Without a greeting there is no connection; HTTP/1.1 has none.
            (Self::SaysNothing, Transport::Tls | Transport::Http2) => Seen::Refused(502, "upstream_connect"),
            (Self::SaysNothing | Self::StallsBeforeHead, _) => Seen::Refused(504, "upstream_timeout"),
            (Self::ClosesAtOnce | Self::ResetsBeforeHead | Self::ResetsInHead | Self::Garbage, _) => {
                Seen::Refused(502, "upstream_protocol")
            }
            (Self::ResetsInBody | Self::Truncates | Self::StallsInBody, _) => Seen::Cut,
            (Self::Slow, _) => Seen::Whole,
        }
    }

    /// The failure that is counted.
    pub(super) fn kind(self, by: Transport) -> Option<&'static str> {
        match (self, by) {
            (Self::Refuses | Self::BlackHole, _) => Some("connect"),
            (Self::SaysNothing, Transport::Tls | Transport::Http2) => Some("connect"),
            (Self::SaysNothing | Self::StallsBeforeHead | Self::StallsInBody, _) => Some("timeout"),
            (Self::ClosesAtOnce | Self::ResetsBeforeHead | Self::ResetsInBody | Self::Truncates, _) => {
                Some("reset")
            }
            // What comes of a head is in frames, which a connection's end doesn't make wrong.
            (Self::ResetsInHead, Transport::Http2) => Some("reset"),
            (Self::ResetsInHead | Self::Garbage, _) => Some("protocol"),
            (Self::Slow, _) => None,
        }
    }

    /// Whether the request gets as far as the endpoint.
    pub(super) fn is_asked(self) -> bool {
        !matches!(self, Self::Refuses | Self::BlackHole | Self::SaysNothing)
    }

    /// Whether the connection is still of use: to HTTP/2 a stream's failure is none of its connection.
    pub(super) fn leaves_connection(self, by: Transport) -> bool {
        let of_a_stream = [
            Self::ResetsBeforeHead,
            Self::ResetsInBody,
            Self::Truncates,
            Self::StallsBeforeHead,
            Self::StallsInBody,
        ];
        self == Self::Slow || (by == Transport::Http2 && of_a_stream.contains(&self))
    }
}
