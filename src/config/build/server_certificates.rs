//! The certificates of a listener: whether they can be used, and what an operator should know of them before a client does.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::SignatureScheme;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::Builder;
use super::pem::check_identity;
use crate::config::decode::Spanned;
use crate::config::document::ServerCertificate;
use crate::config::source::Mark;
use crate::config::written;
use crate::types::Certificate;

/// Seconds before a certificate's end from when on a warning says so: 14 days.
const EXPIRES_SOON_S: i64 = 14 * 24 * 60 * 60;

/// Which certificate has a name already, by the kind of its key.
type Taken = HashMap<(Box<str>, u16), Mark>;

impl Builder<'_> {
    /// Those that can be used, and the names that they are for.
    pub(super) fn server_certificates(
        &mut self,
        written: &[written::Certificate],
    ) -> (Vec<ServerCertificate>, Vec<Box<str>>) {
        let (mut built, mut names, mut taken) = (Vec::new(), Vec::new(), Taken::new());
        for certificate in written {
            let (cert, key) = (&certificate.cert, &certificate.key);
            let Some((chain, secret)) = self.certificates(cert).zip(self.private_key(key)) else { continue };
            match check_identity(&chain.text, secret.expose()) {
                Ok(kind) => names.extend(self.look_at(cert, &chain.text, kind, &mut taken)),
                Err(why) => self.no_identity(why, cert, key),
            }
            built.push(ServerCertificate { chain, key: secret });
        }
        (built, names)
    }

    /// Warns of what clients would complain about. The names that it is for.
    fn look_at(
        &self,
        written: &Spanned<String>,
        chain: &str,
        kind: SignatureScheme,
        taken: &mut Taken,
    ) -> Vec<Box<str>> {
        let file = &written.value;
        let warn = |code, what: String| self.findings.warning(code, written.mark, what);
        let leaf = CertificateDer::from_pem_slice(chain.as_bytes()).ok();
        let Some(leaf) = leaf.and_then(|leaf| Certificate::read(&leaf)) else {
            warn("unreadable-certificate", format!("what names `{file}` is for can't be read"))
                .hint("it is shown only to clients that no other certificate is for");
            return Vec::new();
        };
        let now = now_s();
        if leaf.not_after < now {
            warn("expired-certificate", format!("`{file}` has expired on {}", day(leaf.not_after)))
                .hint("clients refuse it: put a new one in its place");
        } else if leaf.not_after - now < EXPIRES_SOON_S {
            warn("expiring-certificate", format!("`{file}` expires on {}", day(leaf.not_after)))
                .hint("put a new one in its place before that: the file is watched");
        }
        if leaf.not_before > now {
            let from = day(leaf.not_before);
            warn("certificate-not-yet-valid", format!("`{file}` is not valid before {from}"))
                .hint("clients refuse it until then; is this machine's clock right?");
        }
        if leaf.dns.is_empty() {
            warn("certificate-without-name", format!("`{file}` is for no name (subjectAltName)"))
                .hint("clients take no heed of a common name: have one issued with DNS names");
        }
        let mut names: Vec<Box<str>> = Vec::new();
        for name in leaf.dns {
            if names.contains(&name) {
                continue;
            }
            if let Some(first) = taken.get(&(name.clone(), u16::from(kind))) {
                warn("duplicate-certificate-name", format!("`{name}` of `{file}` has a certificate already"))
                    .hint("the first one is shown; remove one of the two, unless their keys are of different kinds")
                    .see(*first, "the other one is");
            } else {
                taken.insert((name.clone(), u16::from(kind)), written.mark);
            }
            names.push(name);
        }
        names
    }
}

/// Seconds since 1970.
pub(super) fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The day of a moment, in UTC.
fn day(at_s: i64) -> String {
    let at = jiff::Timestamp::from_second(at_s).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    jiff::tz::Offset::UTC.to_datetime(at).date().to_string()
}
