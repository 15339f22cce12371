//! TLS on a listener.

use super::Builder;
use super::pem::check_identity;
use crate::config::decode::Spanned;
use crate::config::document::{ListenerTls, ServerCertificate};
use crate::config::written;

impl Builder<'_> {
    pub(super) fn listener_tls(&mut self, written: &Spanned<written::Tls>) -> ListenerTls {
        let certificates = &written.value.certificates.0;
        if certificates.is_empty() && self.findings.errors_in(written.mark.file) == 0 {
            self.findings
                .error("missing-key", written.key, "`tls` has no certificate to show")
                .hint("add `certificates: [{ cert: app.pem, key: app.key }]`");
        }
        let built = certificates.iter().filter_map(|certificate| self.server_certificate(certificate));
        ListenerTls { certificates: built.collect() }
    }

    fn server_certificate(&mut self, written: &written::Certificate) -> Option<ServerCertificate> {
        let (cert, key) = (&written.cert, &written.key);
        let (chain, secret) = self.certificates(cert).zip(self.private_key(key))?;
        if let Err(why) = check_identity(&chain.text, secret.expose()) {
            self.no_identity(why, cert, key);
        }
        Some(ServerCertificate { chain, key: secret })
    }
}
