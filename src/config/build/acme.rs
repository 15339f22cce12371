//! Certificates on demand.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Builder;
use crate::config::decode::Spanned;
use crate::config::document::{Acme, AcmeBudgets, AcmeChallenge, ExternalAccount};
use crate::config::source::Mark;
use crate::config::written;
use crate::types::{EncryptionKey, EncryptionKeys, Secret};

/// How long a handshake waits where nothing is written.
const ISSUE_TIMEOUT: Duration = Duration::from_secs(10);
/// What is left of a handshake after that, so that it can still show another certificate.
const LEFT: Duration = Duration::from_secs(1);
const MAKE_KEY: &str = "make one with `openssl rand -base64 32`, and keep it apart from the store";

impl Builder<'_> {
    /// The authority of the listeners that have one.
    pub(super) fn acme(&mut self, config: &written::Config) -> Option<Acme> {
        let listeners = config.listeners.value.0.iter();
        let tls = listeners.filter_map(|listener| listener.tls.as_ref());
        let mut first: Option<(Mark, Acme)> = None;
        for written in tls.filter_map(|tls| tls.value.acme.as_ref()) {
            let handshake = self.deadline_of_handshakes(config);
            let Some(acme) = self.authority(written, handshake) else { continue };
            match &first {
                None => {
                    if config.store.is_none() {
                        self.findings
                            .error(
                                "missing-key",
                                written.key,
                                "`acme` keeps certificates in the store, and there is none",
                            )
                            .hint("add `store: sqlite:state/tollgate.db`");
                    }
                    self.finds_domains(config, written.key);
                    first = Some((written.key, acme));
                }
                Some((mark, other)) if *other != acme => {
                    self.findings
                        .error(
                            "conflicting-keys",
                            written.key,
                            "`acme` is another one than on another listener",
                        )
                        .hint("write the same on both: there is one authority for all listeners")
                        .see(*mark, "the other one is");
                }
                Some(_) => {}
            }
        }
        first.map(|(_, acme)| acme)
    }

    /// Warns where no request can be one of the domains that certificates are ordered for.
    fn finds_domains(&self, config: &written::Config, mark: Mark) {
        let rules = config.tenancy.as_ref().and_then(|tenancy| tenancy.identify.as_ref());
        // Without rules there is an error about that.
        let Some(rules) = rules.filter(|rules| !rules.value.0.is_empty()) else { return };
        // A key or a certificate tells whose a request is at any host.
        let finds = |rule: &written::IdentifyRule| {
            use written::IdentifyRule::{ApiKey, ClientCert, Domain};
            matches!(rule, Domain | ApiKey(_) | ClientCert(_))
        };
        if !rules.value.0.iter().any(|rule| finds(&rule.value)) {
            self.findings
                .warning(
                    "no-domain-rule",
                    mark,
                    "certificates are ordered for tenants' own domains, and no rule of `tenancy.identify` finds a tenant by those",
                )
                .hint("add the rule `- domain`, or remove `acme`")
                .see(rules.mark, "the rules are");
        }
    }

    fn deadline_of_handshakes(&self, config: &written::Config) -> Duration {
        let written = config.limits.as_ref().and_then(|limits| limits.tls_handshake_timeout.as_ref());
        written.map_or(Duration::from_secs(10), |span| span.value.0)
    }

    fn authority(&mut self, written: &Spanned<written::Acme>, handshake: Duration) -> Option<Acme> {
        let acme = &written.value;
        let directory = &acme.directory;
        if !directory.value.starts_with("https://") {
            let message = format!("`{}` is no https URL", directory.value);
            self.findings
                .error("invalid-value", directory.mark, message)
                .hint("for Let's Encrypt it is https://acme-v02.api.letsencrypt.org/directory");
        }
        if let Some(contact) = acme.contact.as_ref().filter(|contact| !contact.value.starts_with("mailto:")) {
            self.findings
                .error("invalid-value", contact.mark, format!("`{}` is no contact", contact.value))
                .hint("write mailto: before an address, like mailto:ops@example.com");
        }
        let ca = acme.ca.as_ref().and_then(|file| self.authorities(file));
        let encryption = self.encryption(written);
        let external_account = acme.external_account.as_ref().and_then(|account| self.external(account));
        Some(Acme {
            directory: directory.value.clone(),
            contact: acme.contact.as_ref().map(|contact| contact.value.clone()),
            ca,
            external_account,
            challenges: self.challenges(acme),
            issue_timeout: self.issue_timeout(acme, handshake),
            on_demand: acme.on_demand.unwrap_or(true),
            budgets: self.budgets(acme.budgets.as_ref()),
            addresses: acme.addresses.0.iter().filter_map(|address| self.address(address)).collect(),
            // Last, so that everything else is checked, too.
            encryption: encryption?,
        })
    }

    fn encryption(&mut self, written: &Spanned<written::Acme>) -> Option<EncryptionKeys> {
        let acme = &written.value;
        let current = match (&acme.encryption_key_file, &acme.encryption_key) {
            (Some(_), Some(key)) => {
                self.findings
                    .error(
                        "conflicting-keys",
                        key.key,
                        "`encryption_key_file` and `encryption_key` are both there",
                    )
                    .hint("keep one of them");
                None
            }
            (None, None) => {
                self.findings
                    .error("missing-key", written.key, "`acme` has no key to encrypt private keys with")
                    .hint(format!("add `encryption_key_file:`; {MAKE_KEY}"));
                None
            }
            (Some(file), None) => self.encryption_key_file(file),
            (None, Some(key)) => self.encryption_key(&key.value, key.mark, "the key"),
        };
        let former = acme.former_encryption_key_files.0.iter();
        let former: Vec<_> = former.map(|file| self.encryption_key_file(file)).collect();
        Some(EncryptionKeys { current: current?, former: former.into_iter().flatten().collect() })
    }

    fn encryption_key_file(&mut self, file: &Spanned<String>) -> Option<EncryptionKey> {
        let text = self.read_file(file)?;
        self.encryption_key(&text, file.mark, &format!("the file `{}`", file.value))
    }

    fn encryption_key(&self, text: &str, mark: Mark, what: &str) -> Option<EncryptionKey> {
        EncryptionKey::parse(text)
            .map_err(|why| {
                self.findings.error("invalid-value", mark, format!("{what} {why}")).hint(MAKE_KEY);
            })
            .ok()
    }

    fn external(&mut self, written: &written::ExternalAccount) -> Option<ExternalAccount> {
        let (text, mark) = match (&written.hmac_key_file, &written.hmac_key) {
            (Some(file), None) => (self.read_file(file)?, file.mark),
            (None, Some(key)) => (key.value.clone(), key.mark),
            (file, _) => {
                let what = match file {
                    Some(_) => "`hmac_key_file` and `hmac_key` are both there",
                    None => "the account has no key",
                };
                self.findings
                    .error("missing-key", written.key_id.key, what)
                    .hint("write `hmac_key_file:`, with the key that the authority gave you");
                return None;
            }
        };
        let key = text.trim().trim_end_matches('=');
        if key.is_empty() || URL_SAFE_NO_PAD.decode(key).is_err() {
            self.findings
                .error("invalid-value", mark, "the key of the account is no base64url")
                .hint("copy it as the authority gave it to you");
            return None;
        }
        Some(ExternalAccount { key_id: written.key_id.value.clone(), hmac_key: Secret::new(key) })
    }

    fn challenges(&self, written: &written::Acme) -> Vec<AcmeChallenge> {
        let Some(challenges) = &written.challenges else {
            return vec![AcmeChallenge::Http01, AcmeChallenge::TlsAlpn01];
        };
        if challenges.value.0.is_empty() {
            self.findings
                .error("invalid-value", challenges.mark, "there is no challenge")
                .hint("write http-01 or tls-alpn-01, or leave it out for both");
        }
        let mut wanted = Vec::new();
        for challenge in &challenges.value.0 {
            let challenge = match challenge {
                written::AcmeChallenge::Http01 => AcmeChallenge::Http01,
                written::AcmeChallenge::TlsAlpn01 => AcmeChallenge::TlsAlpn01,
            };
            if !wanted.contains(&challenge) {
                wanted.push(challenge);
            }
        }
        wanted
    }

    fn issue_timeout(&self, written: &written::Acme, handshake: Duration) -> Duration {
        let Some(span) = &written.issue_timeout else {
            return ISSUE_TIMEOUT.min(handshake.saturating_sub(LEFT));
        };
        if span.value.0 >= handshake {
            self.findings
                .error(
                    "invalid-value",
                    span.mark,
                    format!("`{}` is not shorter than `limits.tls_handshake_timeout`", span.value),
                )
                .hint("raise that: a handshake that has waited in vain goes on with another certificate");
        }
        span.value.0
    }

    fn budgets(&self, written: Option<&written::AcmeBudgets>) -> AcmeBudgets {
        let nothing = written::AcmeBudgets::default();
        let written = written.unwrap_or(&nothing);
        let count = |count: &Option<Spanned<u32>>, default: u32| {
            let Some(count) = count else { return default };
            if count.value == 0 {
                self.findings
                    .error("invalid-value", count.mark, "a budget of zero lets no certificate be issued")
                    .hint(format!("leave it out for {default}, or take `acme` away"));
            }
            count.value
        };
        AcmeBudgets {
            tenant: count(&written.per_tenant, 50),
            registered: count(&written.per_registered_domain, 50),
            account: count(&written.account, 300),
        }
    }

    fn address(&self, written: &Spanned<String>) -> Option<IpAddr> {
        written
            .value
            .parse()
            .map_err(|_| {
                self.findings
                    .error("invalid-value", written.mark, format!("`{}` is no address", written.value))
                    .hint("write an IP address, like 203.0.113.10");
            })
            .ok()
    }
}
