//! What is known of a client's connection from the handshake of TLS.

use crate::types::HostName;

/// What a handshake has settled. It ends here: what it says is true of the connection to this gateway, not of the one to an endpoint.
#[derive(Debug, Clone, Default)]
pub struct Secured {
    /// The host that the client asked for (SNI, RFC 6066 §3); `None`: it named none.
    pub server_name: Option<HostName>,
    /// The version of the protocol, like `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite by its name in the IANA's registry, like `TLS_AES_128_GCM_SHA256`.
    pub cipher: &'static str,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
}
