//! Why a message is refused.

/// Why a message is refused; each has one status and one metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// The request line is not `method SP target SP HTTP/1.x CRLF` (RFC 9112 §3).
    RequestLine,
    /// A version other than HTTP/1.0 and HTTP/1.1.
    Version,
    /// The target is in no form that its method allows (RFC 9112 §3.2).
    Target,
    /// `CONNECT`: this is no forward proxy.
    Connect,
    /// The target is longer than the limit.
    TargetTooLong,
    /// A line ends in LF without CR, or has a CR elsewhere (RFC 9112 §2.2).
    LineEnd,
    /// A field line continues the one before (RFC 9112 §5.2).
    ObsFold,
    /// A field name is no token, or white space stands before the colon (RFC 9112 §5.1).
    FieldName,
    /// A control character in a field value (RFC 9110 §5.5).
    FieldValue,
    /// Too many fields or too many octets of them.
    FieldsTooLarge,
    /// `Content-Length` is no single number (RFC 9112 §6.3).
    ContentLength,
    /// `Transfer-Encoding` besides `Content-Length`, repeated, or in HTTP/1.0 (RFC 9112 §6.1).
    TransferEncoding,
    /// A transfer coding other than `chunked`.
    TransferCoding,
    /// HTTP/1.1 without, or any version with several, `Host` fields (RFC 9112 §3.2).
    Host,
    /// The head was not complete in time.
    HeadTimeout,
    /// The chunked body does not follow RFC 9112 §7.1.
    Chunk,
}

impl Malformed {
    /// The status that answers it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Version => 505,
            Self::Connect => 405,
            Self::TargetTooLong => 414,
            Self::FieldsTooLarge => 431,
            Self::TransferCoding => 501,
            Self::HeadTimeout => 408,
            _ => 400,
        }
    }

    /// A short stable name, for metrics and the access log.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::RequestLine => "bad_request_line",
            Self::Version => "bad_version",
            Self::Target => "bad_target",
            Self::Connect => "connect_refused",
            Self::TargetTooLong => "target_too_long",
            Self::LineEnd => "bad_line_end",
            Self::ObsFold => "obsolete_line_folding",
            Self::FieldName => "bad_field_name",
            Self::FieldValue => "bad_field_value",
            Self::FieldsTooLarge => "fields_too_large",
            Self::ContentLength => "bad_content_length",
            Self::TransferEncoding => "bad_transfer_encoding",
            Self::TransferCoding => "unknown_transfer_coding",
            Self::Host => "bad_host",
            Self::HeadTimeout => "request_timeout",
            Self::Chunk => "bad_chunk",
        }
    }

    /// One sentence for whoever sent it.
    #[must_use]
    pub fn detail(self) -> &'static str {
        match self {
            Self::RequestLine => "The request line is not 'METHOD target HTTP/1.1'.",
            Self::Version => "Only HTTP/1.0, HTTP/1.1 and HTTP/2 are spoken here.",
            Self::Target => "The request target is not in a form that its method allows.",
            Self::Connect => "CONNECT is not offered here.",
            Self::TargetTooLong => "The request target is too long.",
            Self::LineEnd => "Every line of the head must end in CR LF, and no CR may stand elsewhere.",
            Self::ObsFold => "A field may not be continued on the next line.",
            Self::FieldName => "A field name is not a token, or a blank stands before its colon.",
            Self::FieldValue => "A field value has a control character.",
            Self::FieldsTooLarge => "The header section has too many fields or is too large.",
            Self::ContentLength => "Content-Length must be one decimal number, given once.",
            Self::TransferEncoding => {
                "Transfer-Encoding must be given once, in HTTP/1.1, and without Content-Length."
            }
            Self::TransferCoding => "The only transfer coding understood here is 'chunked'.",
            Self::Host => "A request needs exactly one valid Host.",
            Self::HeadTimeout => "The request's head did not arrive in time.",
            Self::Chunk => "The chunked body is malformed.",
        }
    }
}
