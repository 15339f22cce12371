//! What is known of a client's connection from the handshake of TLS.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;

use crate::types::{Certificate, HostName};

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
    /// Whether HTTP/2 was settled on (ALPN). Nothing else may be spoken then, and it may not be spoken else (RFC 9113 §3.2).
    pub h2: bool,
    /// The names that the certificate is for that was shown, in lower case, wildcards with `*.`.
    pub names: Arc<[Box<str>]>,
    /// The certificate that the client has shown, and that was found to be good.
    pub client: Option<Box<Certificate>>,
    /// What the application is told of it: lines of a head.
    pub client_lines: Bytes,
    /// What answers say in Strict-Transport-Security.
    pub hsts: Option<HeaderValue>,
}

/// What the application is told of a client's certificate, as lines of a head; `None`: the client has shown none, and was asked for one.
///
/// Lists are separated by a comma and a blank. A comma within a value, and all that is not visible ASCII, is percent-encoded, so that
/// no certificate can say more than one thing in a field.
#[must_use]
pub fn client_lines(client: Option<&Certificate>) -> Bytes {
    let Some(client) = client else { return Bytes::from_static(b"x-client-cert-verified: NONE\r\n") };
    let mut lines = String::from("x-client-cert-verified: SUCCESS\r\n");
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = write!(lines, "x-client-cert-{name}: {value}\r\n");
        }
    };
    line("subject", &encoded(&client.subject, ""));
    for (name, values) in [("dns", &client.dns), ("uri", &client.uris), ("email", &client.emails)] {
        let values: Vec<String> = values.iter().map(|value| encoded(value, ",% ")).collect();
        line(name, &values.join(", "));
    }
    line("serial", &client.serial);
    line("fingerprint", &client.fingerprint);
    Bytes::from(lines)
}

fn encoded(value: &str, besides: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            0x20..=0x7e if !besides.contains(char::from(byte)) => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_says_one_thing_in_a_field() {
        let client = Certificate {
            subject: "CN=a\\, b".into(),
            common_name: None,
            dns: vec!["a.test".into(), "b.test".into()],
            uris: vec!["spiffe://x/a,b\r\nx-tenant-id: c".into()],
            emails: Vec::new(),
            serial: "01".into(),
            fingerprint: "ff".into(),
            may_issue: false,
            not_before: 0,
            not_after: 0,
        };
        assert_eq!(
            client_lines(Some(&client)),
            "x-client-cert-verified: SUCCESS\r\nx-client-cert-subject: CN=a\\, b\r\nx-client-cert-dns: a.test, b.test\r\n\
             x-client-cert-uri: spiffe://x/a%2Cb%0D%0Ax-tenant-id:%20c\r\nx-client-cert-serial: 01\r\n\
             x-client-cert-fingerprint: ff\r\n"
        );
        assert_eq!(client_lines(None), "x-client-cert-verified: NONE\r\n");
    }
}
