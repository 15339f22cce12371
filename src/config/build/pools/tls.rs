//! TLS to endpoints.

use std::net::IpAddr;

use super::Builder;
use crate::config::build::pem::check_identity;
use crate::config::decode::Spanned;
use crate::config::document::{ClientCertificate, Endpoint, EndpointHost, UpstreamTls};
use crate::config::written;
use crate::types::HostName;

impl Builder<'_> {
    pub(super) fn tls(
        &mut self,
        written: Option<&Spanned<written::UpstreamTls>>,
        endpoints: &[Endpoint],
    ) -> Option<UpstreamTls> {
        let tls = written?;
        if !endpoints.is_empty() && !endpoints.iter().any(|endpoint| endpoint.target.is_tls()) {
            self.findings
                .error("invalid-value", tls.key, "`tls` is there, but no endpoint is spoken to over TLS")
                .hint("write https:// before the endpoints, or remove `tls`");
        }
        let insecure = tls.value.insecure.as_ref().filter(|insecure| insecure.value);
        if let Some(insecure) = insecure {
            self.findings
                .warning(
                    "insecure-tls",
                    insecure.mark,
                    "every certificate is believed: whoever is on the way can read and change all",
                )
                .hint("write the authority's file as `ca`, and remove `insecure`");
        }
        if let (Some(insecure), Some(ca)) = (insecure, &tls.value.ca) {
            self.findings
                .error("conflicting-keys", ca.key, "`ca` is never asked where every certificate is believed")
                .hint("keep `ca`, and remove `insecure`")
                .see(insecure.mark, "`insecure` is");
        }
        Some(UpstreamTls {
            ca: tls.value.ca.as_ref().and_then(|file| self.authorities(file)),
            client: self.client_certificate(&tls.value),
            server_name: tls.value.server_name.as_ref().and_then(|name| self.server_name(name)),
            insecure: insecure.is_some(),
        })
    }

    fn client_certificate(&mut self, written: &written::UpstreamTls) -> Option<ClientCertificate> {
        let (cert, key) = match (&written.client_cert, &written.client_key) {
            (None, None) => return None,
            (Some(cert), Some(key)) => (cert, key),
            (Some(alone), None) => return self.lonely(alone, "client_cert", "client_key"),
            (None, Some(alone)) => return self.lonely(alone, "client_key", "client_cert"),
        };
        let (chain, secret) = self.certificates(cert).zip(self.private_key(key))?;
        if let Err(why) = check_identity(&chain.text, secret.expose()) {
            self.no_identity(why, cert, key);
        }
        Some(ClientCertificate { chain, key: secret })
    }

    fn lonely<T>(&self, alone: &Spanned<String>, there: &str, missing: &str) -> Option<T> {
        self.findings
            .error("missing-key", alone.key, format!("`{there}` is there without `{missing}`"))
            .hint(format!("add `{missing}:` here"));
        None
    }

    fn server_name(&self, written: &Spanned<String>) -> Option<EndpointHost> {
        let name = written.value.as_str();
        if let Ok(ip) = name.parse::<IpAddr>() {
            return Some(EndpointHost::Ip(ip));
        }
        let why = match HostName::parse(name.as_bytes()) {
            Ok(host) if host.port().is_none() && !name.starts_with('[') => {
                return Some(EndpointHost::Name(host.as_str().to_owned()));
            }
            Ok(_) => "it has more than a name".to_owned(),
            Err(error) => error.to_string(),
        };
        self.findings
            .error("invalid-value", written.mark, format!("`{name}` is no server name: {why}"))
            .hint("write the name in the endpoint's certificate, like app.internal");
        None
    }
}
