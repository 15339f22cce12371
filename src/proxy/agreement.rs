//! Whether the host that a request names is one that its connection was opened for.
//!
//! A client may use a connection for every host that the certificate shown on it is for (RFC 9113 §9.1.1). Whose requests they are is
//! decided by their hosts; what was asked for in the handshake (SNI) must lead to the same tenant, and so must whatever else stands
//! between the two: whoever looks at the handshake alone must not be told another tenant's name than we serve.

use super::snapshot::Snapshot;
use crate::http::conn::ConnState;
use crate::tenant::{Identified, LookedUp, Unidentified};
use crate::types::HostName;

/// Whether host and handshake agree. Nearly always they are the same text, or there is no TLS.
///
/// # Errors
/// [`Unidentified::Misdirected`], or whose the name in the handshake is has to be looked up first.
pub(super) fn agree(
    snapshot: &Snapshot,
    looked_up: &LookedUp,
    conn: &ConnState,
    host: Option<&HostName>,
    identified: &Identified,
) -> Result<(), Unidentified> {
    // A client that asks for no name has opened its connection for an address, and says in each request what it wants there.
    let Some(secured) = &conn.secured else { return Ok(()) };
    let Some((asked, host)) = secured.server_name.as_ref().zip(host) else { return Ok(()) };
    if host.as_str() == asked.as_str() {
        return Ok(());
    }
    if !is_among(host.as_str(), &secured.names) {
        return Err(Unidentified::Misdirected);
    }
    let Snapshot { identify, directory, .. } = snapshot;
    let owner = identify.by_host(directory, looked_up, asked.as_str())?;
    match owner {
        Some(owner) if owner.id() == identified.tenant.id() => Ok(()),
        // Neither is a tenant's host: something else says whose the request is.
        None if !identified.by_host => Ok(()),
        _ => Err(Unidentified::Misdirected),
    }
}

/// Whether a certificate for these names is for this host (RFC 6125 §6.4).
fn is_among(host: &str, names: &[Box<str>]) -> bool {
    let parent = host.split_once('.').map(|(_, parent)| parent);
    names.iter().any(|name| {
        let wildcard = name.strip_prefix("*.");
        **name == *host || wildcard.is_some_and(|wildcard| parent == Some(wildcard))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let names: Vec<Box<str>> = vec!["acme.test".into(), "*.app.test".into()];
        for host in ["acme.test", "a.app.test"] {
            assert!(is_among(host, &names), "{host}");
        }
        for host in ["app.test", "a.b.app.test", "test", "www.acme.test", ""] {
            assert!(!is_among(host, &names), "{host}");
        }
    }
}
