//! What the application is told about the tenant.

use std::time::Duration;

use http::HeaderName;

use super::Builder;
use crate::config::decode::Spanned;
use crate::config::document::{Identity, Signed};
use crate::config::source::Mark;
use crate::config::written::{self, SigningAlgorithm, Text};
use crate::types::{InvalidSigningKey, SigningKey, TimeSpan};

/// The usual field of the tenant's id.
const TENANT_ID: HeaderName = HeaderName::from_static("x-tenant-id");
/// The usual field of the signed token.
const CONTEXT: HeaderName = HeaderName::from_static("x-tollgate-context");
/// How many keys may be believed at a time.
const KEYS_MAX: usize = 8;
/// How long tokens may be valid: less than two seconds is over before it arrives, more than a day is not short-lived.
const TTL: std::ops::RangeInclusive<Duration> = Duration::from_secs(2)..=Duration::from_secs(86_400);

type Header<'w> = Option<&'w Spanned<Text<HeaderName>>>;

/// What is written of the fields that tell the application about the tenant: the id's, the features', the token's.
fn written_headers(written: Option<&written::Identity>) -> [Header<'_>; 3] {
    let Some(written) = written else { return [None; 3] };
    let signed = written.signed.as_ref().and_then(|signed| signed.value.header.as_ref());
    [written.header.as_ref(), written.features_header.as_ref(), signed]
}

/// The fields that tell the application about the tenant.
pub(super) fn identity_headers(written: Option<&written::Identity>) -> Vec<HeaderName> {
    let [id, features, signed] = written_headers(written).map(name);
    [Some(id.unwrap_or(TENANT_ID)), features, signed].into_iter().flatten().collect()
}

fn name(header: Header<'_>) -> Option<HeaderName> {
    header.map(|header| header.value.0.clone())
}

impl Builder<'_> {
    pub(super) fn identity(&mut self, written: Option<&written::Identity>) -> Identity {
        let headers = written_headers(written);
        self.headers_of_identity(headers, written.is_some_and(|written| written.signed.is_some()));
        let [id, features_header, _] = headers.map(name);
        let signed = written.and_then(|written| written.signed.as_ref());
        let signed = signed.and_then(|signed| self.signed(signed));
        Identity { header: id.unwrap_or(TENANT_ID), features_header, signed }
    }

    /// Each has a name of its own, which means nothing else.
    fn headers_of_identity(&self, headers: [Header<'_>; 3], is_signed: bool) {
        let said = [
            ("the tenant's id", "X-Tenant-Id", Some(TENANT_ID)),
            ("its features", "X-Tenant-Features", None),
            ("the signed token", "X-Tollgate-Context", is_signed.then_some(CONTEXT)),
        ];
        let mut taken: Vec<(HeaderName, &str, Option<Mark>)> = Vec::new();
        // Defaults first: what is written is what is wrong.
        for (header, (what, _, default)) in headers.iter().zip(&said) {
            if let (None, Some(default)) = (header, default) {
                taken.push((default.clone(), what, None));
            }
        }
        for (header, (what, like, _)) in headers.iter().zip(&said) {
            let Some(header) = header else { continue };
            self.identity_header(header, what, like);
            let name = &header.value.0;
            if let Some((_, other, mark)) = taken.iter().find(|(taken, ..)| taken == name) {
                let message = format!("the header `{name}` can't carry {what}: it carries {other}");
                let finding = self.findings.error("duplicate-header", header.mark, message);
                finding.hint(format!("write another name here, like {like}")).maybe_see(*mark, "that is");
            }
            taken.push((name.clone(), what, Some(header.mark)));
        }
    }

    fn signed(&mut self, written: &Spanned<written::Signed>) -> Option<Signed> {
        let signed = &written.value;
        let keys = self.signing_keys(written);
        let ttl = signed.ttl.as_ref().map_or(Duration::from_secs(60), |ttl| self.token_ttl(ttl));
        for (text, what) in [(&signed.issuer, "an issuer"), (&signed.audience, "an audience")] {
            let Some(text) = text else { continue };
            if text.value.is_empty() || text.value.len() > 256 {
                self.findings
                    .error("invalid-value", text.mark, format!("{what} has 1 to 256 characters"))
                    .hint("write a name or a URL, or leave it out");
            }
        }
        let text = |text: &Option<Spanned<String>>| text.as_ref().map(|text| text.value.clone());
        (!keys.is_empty()).then(|| Signed {
            header: name(signed.header.as_ref()).unwrap_or(CONTEXT),
            keys,
            ttl,
            issuer: text(&signed.issuer).unwrap_or_else(|| "tollgate".to_owned()),
            audience: text(&signed.audience),
        })
    }

    fn token_ttl(&self, ttl: &Spanned<TimeSpan>) -> Duration {
        if !TTL.contains(&ttl.value.0) {
            self.findings
                .error("invalid-value", ttl.mark, format!("`{}` is not from 2s to 24h", ttl.value))
                .hint("leave it out for 60s");
        }
        ttl.value.0
    }

    fn signing_keys(&mut self, written: &Spanned<written::Signed>) -> Vec<SigningKey> {
        let signed = &written.value;
        let files: Vec<(&Spanned<String>, SigningAlgorithm)> = match (&signed.key_file, &signed.keys) {
            (Some(_), Some(keys)) => {
                self.findings
                    .error("conflicting-keys", keys.key, "`key_file` and `keys` are both there")
                    .hint("move the file into `keys`, as its first entry to go on signing with it");
                return Vec::new();
            }
            (None, None) => {
                self.findings
                    .error("missing-key", written.key, "nothing is there to sign with")
                    .hint("add `key_file:`, with a key that `openssl genpkey -algorithm ed25519` has made");
                return Vec::new();
            }
            (Some(file), None) => {
                vec![(file, signed.algorithm.as_ref().map(|written| written.value).unwrap_or_default())]
            }
            (None, Some(keys)) => {
                if let Some(algorithm) = &signed.algorithm {
                    self.findings
                        .error("conflicting-keys", algorithm.key, "`algorithm` is that of `key_file`")
                        .hint("write it beside each `key_file` in `keys`");
                }
                let count = keys.value.0.len();
                if count == 0 || count > KEYS_MAX {
                    self.findings
                        .error(
                            "invalid-value",
                            keys.mark,
                            format!("there are {count} keys, not 1 to {KEYS_MAX}"),
                        )
                        .hint("the first signs; keep the others for as long as tokens by them are valid");
                }
                keys.value.0.iter().map(|key| (&key.key_file, key.algorithm.unwrap_or_default())).collect()
            }
        };
        let mut keys: Vec<(SigningKey, Mark)> = Vec::with_capacity(files.len());
        for (file, algorithm) in files {
            let Some(key) = self.signing_key(file, algorithm) else { continue };
            if let Some((_, first)) = keys.iter().find(|(other, _)| *other == key) {
                self.findings
                    .error("duplicate-key", file.mark, "this key is there twice")
                    .hint("remove one of the two")
                    .see(*first, "the other one is");
            }
            keys.push((key, file.mark));
        }
        keys.into_iter().map(|(key, _)| key).collect()
    }

    /// Reads a key. Nothing of it is shown, nor what stands where its path should: it may be the key itself.
    fn signing_key(&mut self, file: &Spanned<String>, algorithm: SigningAlgorithm) -> Option<SigningKey> {
        if file.value.contains("-----BEGIN") {
            self.findings
                .error("invalid-value", file.mark, "this is the key itself, where the path of a file belongs")
                .hint("put it into a file that other users can't read, and write its path");
            return None;
        }
        let text = self.read_file(file)?;
        let key = match algorithm {
            SigningAlgorithm::EdDsa => SigningKey::ed25519(&text),
            SigningAlgorithm::Hs256 => SigningKey::hs256(&text),
        };
        key.map_err(|why| {
            let hint = match why {
                InvalidSigningKey::NoPem => {
                    "make one with `openssl genpkey -algorithm ed25519`, or write `algorithm: HS256` if it is a secret that the application has, too"
                }
                InvalidSigningKey::NotEd25519 => "make one with `openssl genpkey -algorithm ed25519`",
                InvalidSigningKey::Pem => "leave `algorithm` out to sign with it (EdDSA)",
                InvalidSigningKey::Short => "make one with `openssl rand -hex 32`",
            };
            self.findings
                .error("invalid-value", file.mark, format!("the file `{}` {why}", file.value))
                .hint(hint);
        })
        .ok()
    }
}
