//! Certificates from an authority that speaks ACME (RFC 8555): the account, an order from its beginning to its certificate, what the authority finds
//! here when it looks, and what its errors mean. Knows neither tenants nor the store.

mod authority;
mod challenges;
mod elsewhere;
mod heard;
mod http;
mod leaf;
mod timing;
mod trouble;

pub use authority::{Authority, AuthorityTerms, ExternalAccount, Issued, Order, Step, Window};
pub use challenges::{Challenges, Placement, WELL_KNOWN};
pub use elsewhere::{Elsewhere, Proof, Seeking};
pub use leaf::Leaf;
pub use timing::{after_ms, pause_ms, renew_ms, within_window_ms};
pub use trouble::{Kind, Trouble};

/// How an authority sees that a name leads to this gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// It asks for a page over HTTP, at port 80 (RFC 8555 §8.3).
    Http01,
    /// It looks at the certificate of a handshake, at port 443 (RFC 8737).
    TlsAlpn01,
}

impl Challenge {
    /// Its name in ACME.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
        }
    }
}
