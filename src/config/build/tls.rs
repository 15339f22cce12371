//! TLS on a listener.

use std::time::Duration;

use jiff::Timestamp;

use super::Builder;
use super::pem::{check_revocations, check_usable, issuers, no_authorities, subjects};
use super::server_certificates::now_s;
use crate::config::decode::{List, Spanned};
use crate::config::document::{AlpnProtocol, ClientAuth, Hsts, ListenerTls, PemFile};
use crate::config::{suggest, written};
use crate::types::RevocationList;

/// For how long browsers remember where nobody says, and what those ask for that ship with it: a year, in seconds.
const HSTS_DEFAULT_S: u64 = 365 * 24 * 60 * 60;

impl Builder<'_> {
    pub(super) fn listener_tls(&mut self, written: &Spanned<written::Tls>) -> ListenerTls {
        let tls = &written.value;
        let on_demand = written.value.acme.is_some();
        if tls.certificates.0.is_empty() && !on_demand && self.findings.errors_in(written.mark.file) == 0 {
            self.findings
                .error("missing-key", written.key, "`tls` has no certificate to show")
                .hint("add `certificates: [{ cert: app.pem, key: app.key }]`, or `acme:`");
        }
        let (certificates, names) = self.server_certificates(&tls.certificates.0);
        ListenerTls {
            certificates,
            on_demand,
            default_certificate: tls
                .default_certificate
                .as_ref()
                .and_then(|name| self.default_certificate(name, &names)),
            names: names.into_iter().collect(),
            strict_sni: tls.strict_sni,
            client_auth: tls.client_auth.as_ref().and_then(|auth| self.client_auth(auth)),
            tls13_only: matches!(tls.min_version, Some(written::TlsVersion::V13)),
            alpn: self.alpn(tls.alpn.as_ref()),
            hsts: tls.hsts.as_ref().map(|hsts| self.hsts(hsts)),
        }
    }

    /// One of the names that certificates are for, wildcards as they stand there.
    fn default_certificate(&self, written: &Spanned<String>, names: &[Box<str>]) -> Option<String> {
        let name = written.value.to_ascii_lowercase();
        if names.iter().any(|known| **known == *name) {
            return Some(name);
        }
        if self.findings.errors_in(written.mark.file) == 0 {
            let hint = suggest::hint(&name, names.iter().map(AsRef::as_ref));
            let none = || Some("write a name that one of `certificates` is for".to_owned());
            self.findings
                .error("unknown-certificate", written.mark, format!("no certificate is for `{name}`"))
                .maybe_hint(hint.or_else(none));
        }
        None
    }

    fn client_auth(&mut self, written: &written::ClientAuth) -> Option<ClientAuth> {
        let ca = self.authorities(&written.ca);
        let ca = ca?;
        for subject in no_authorities(&ca.text) {
            let message =
                format!("`{}` has the certificate of `{subject}`, which is no authority", written.ca.value);
            self.findings
                .warning("no-authority", written.ca.mark, message)
                .hint("no client's certificate is believed by it, not even itself: put the certificate of who has issued those of the clients there");
        }
        let mut crl = Vec::new();
        for file in &written.crl.0 {
            let Some(list) = self.revocations(file) else { continue };
            if let Err(why) = check_usable(&list.text, &ca.text) {
                let message = format!("the file `{}` can't be used: {why}", file.value);
                self.findings
                    .error("invalid-value", file.mark, message)
                    .hint("it needs a list of version 2 with a number, as `openssl ca -gencrl` makes it where `crlnumber` is set");
            }
            crl.push(list);
        }
        if !crl.is_empty() {
            self.warn_of_unlisted(&written.ca, &ca, &crl);
        }
        Some(ClientAuth {
            ca,
            crl,
            required: !matches!(written.mode, Some(written::ClientAuthMode::Optional)),
            forward: written.forward.unwrap_or(true),
        })
    }

    fn revocations(&mut self, written: &Spanned<String>) -> Option<PemFile> {
        let text = self.pem_text(written)?;
        match check_revocations(&text) {
            Ok(lists) => {
                self.warn_of_end(written, &lists);
                return Some(PemFile { path: self.path(&written.value), text: text.into() });
            }
            Err(why) => {
                let message = format!("the file `{}` can't be used: {why}", written.value);
                self.findings
                    .error("invalid-value", written.mark, message)
                    .hint("it needs a block that begins with -----BEGIN X509 CRL-----");
            }
        }
        None
    }

    /// Warns of authorities without a list, where others have one: whoever has a certificate of theirs is refused.
    fn warn_of_unlisted(&self, written: &Spanned<String>, ca: &PemFile, crl: &[PemFile]) {
        let listed: Vec<_> = crl.iter().flat_map(|list| issuers(&list.text)).collect();
        for subject in subjects(&ca.text).filter(|subject| !listed.contains(subject)) {
            let message = format!("`crl` has no list of `{subject}`, an authority of `{}`", written.value);
            self.findings
                .warning("missing-revocations", written.mark, message)
                .hint("all certificates of that authority are refused: add its list, or take the authority out of `ca`");
        }
    }

    /// Warns of a list that is out of date, or soon will be.
    fn warn_of_end(&self, written: &Spanned<String>, lists: &[RevocationList]) {
        let now = now_s();
        let ending = lists.iter().filter(|list| list.is_ending(now));
        let Some(until) = ending.filter_map(|list| list.next_update).min() else { return };
        let (file, at) = (&written.value, Timestamp::from_second(until).unwrap_or_default());
        let (code, message) = match until < now {
            true => ("expired-revocations", format!("the file `{file}` is out of date since {at}")),
            false => ("expiring-revocations", format!("the file `{file}` is out of date from {at} on")),
        };
        self.findings.warning(code, written.mark, message).hint(
            "without a list that is up to date every client's certificate is refused: put the authority's present one in its place",
        );
    }

    fn alpn(&self, written: Option<&Spanned<List<written::Alpn>>>) -> Vec<AlpnProtocol> {
        let Some(written) = written else { return vec![AlpnProtocol::H2, AlpnProtocol::Http11] };
        if written.value.0.is_empty() && self.findings.errors_in(written.mark.file) == 0 {
            self.findings
                .error("invalid-value", written.key, "no protocol is left to speak")
                .hint("write [h2, http/1.1], or one of them");
        }
        let mut protocols = Vec::new();
        for protocol in &written.value.0 {
            let protocol = match protocol {
                written::Alpn::H2 => AlpnProtocol::H2,
                written::Alpn::Http11 => AlpnProtocol::Http11,
            };
            if protocols.contains(&protocol) {
                self.findings
                    .error("invalid-value", written.key, "a protocol is there twice")
                    .hint("remove one of the two");
            }
            protocols.push(protocol);
        }
        protocols
    }

    fn hsts(&self, written: &Spanned<written::Hsts>) -> Hsts {
        let hsts = &written.value;
        let max_age = hsts.max_age.map_or(Duration::from_secs(HSTS_DEFAULT_S), |age| age.0);
        if hsts.preload && (!hsts.include_subdomains || max_age.as_secs() < HSTS_DEFAULT_S) {
            self.findings
                .error(
                    "invalid-value",
                    written.key,
                    "`preload` is for hosts with all that is below them, for a year at least",
                )
                .hint("add `include_subdomains: true` and `max_age: 365d`, or remove `preload`");
        }
        Hsts { max_age, include_subdomains: hsts.include_subdomains, preload: hsts.preload }
    }
}
