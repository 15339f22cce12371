//! Files of PEM that the configuration names: certificates, authorities, keys.

use super::Builder;
use super::pem::{IdentityError, check_authorities, has_block};
use crate::config::decode::Spanned;
use crate::config::document::PemFile;
use crate::types::Secret;

impl Builder<'_> {
    pub(super) fn no_identity(&self, why: IdentityError, cert: &Spanned<String>, key: &Spanned<String>) {
        let invalid = |written: &Spanned<String>, what: String| {
            let message = format!("the file `{}` can't be used: {what}", written.value);
            self.findings.error("invalid-value", written.mark, message)
        };
        match why {
            IdentityError::Chain(what) => invalid(cert, what),
            IdentityError::Key(what) => {
                invalid(key, what).hint("it takes RSA from 2048 bits, ECDSA P-256, P-384 and P-521, and Ed25519")
            }
            IdentityError::Apart => invalid(key, "it is not the key of the certificate".to_owned())
                .hint("the gateway's own certificate must be the first in its file; where both are being renewed, the other one is still to be written")
                .see(cert.mark, "the certificate is"),
        };
    }

    pub(super) fn authorities(&mut self, written: &Spanned<String>) -> Option<PemFile> {
        let file = self.certificates(written)?;
        if let Err(why) = check_authorities(&file.text) {
            let message = format!("the file `{}` can't be used: {why}", written.value);
            self.findings.error("invalid-value", written.mark, message);
        }
        Some(file)
    }

    pub(super) fn certificates(&mut self, written: &Spanned<String>) -> Option<PemFile> {
        let text = self.pem_text(written)?;
        if !has_block(&text, |label| label == "CERTIFICATE") {
            let (what, hint) = match text.contains("-----BEGIN CERTIFICATE-----") {
                true => (
                    "is cut short: a certificate begins in it and does not end",
                    "write the whole file again",
                ),
                false => (
                    "has no certificate in PEM",
                    "it needs a block that begins with -----BEGIN CERTIFICATE-----",
                ),
            };
            let message = format!("the file `{}` {what}", written.value);
            self.findings.error("invalid-value", written.mark, message).hint(hint);
            return None;
        }
        Some(PemFile { path: self.path(&written.value), text: text.into() })
    }

    pub(super) fn private_key(&mut self, written: &Spanned<String>) -> Option<Secret> {
        let text = self.pem_text(written)?;
        let is_key = |label: &str| matches!(label, "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY");
        let is_encrypted = is_encrypted(&text);
        if has_block(&text, is_key) && !is_encrypted {
            return Some(Secret::new(text));
        }
        let file = &written.value;
        let (what, hint) = if is_encrypted {
            (
                "is encrypted",
                format!(
                    "nobody is there to type its passphrase: decrypt it by `openssl pkey -in {file} -out {file}.new`, and keep the new file from other users"
                ),
            )
        } else {
            (
                "has no private key in PEM",
                "it needs a block that begins with -----BEGIN PRIVATE KEY-----".to_owned(),
            )
        };
        self.findings.error("invalid-value", written.mark, format!("the file `{file}` {what}")).hint(hint);
        None
    }

    /// Reads a file of PEM. One that stands where its path should is not shown: it may be a key.
    pub(super) fn pem_text(&mut self, written: &Spanned<String>) -> Option<String> {
        if written.value.contains("-----BEGIN") {
            self.findings
                .error(
                    "invalid-value",
                    written.mark,
                    "this is the PEM itself, where the path of a file belongs",
                )
                .hint("put it into a file that other users can't read, and write its path");
            return None;
        }
        self.read_file(written)
    }
}

/// Whether a key is encrypted: by PKCS #8, or as OpenSSL did before (RFC 1421 §4.6.1.1).
fn is_encrypted(text: &str) -> bool {
    text.lines().any(|line| {
        line.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----")
            || line.strip_prefix("Proc-Type:").is_some_and(|kind| kind.contains("ENCRYPTED"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_encrypting_a_key_are_known() {
        let block =
            |label: &str, more: &str| format!("-----BEGIN {label}-----\n{more}MIIB\n-----END {label}-----\n");
        assert!(is_encrypted(&block("ENCRYPTED PRIVATE KEY", "")));
        let more = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n";
        assert!(is_encrypted(&block("RSA PRIVATE KEY", more)));
        assert!(!is_encrypted(&block("RSA PRIVATE KEY", "")));
    }
}
