//! What an X.509 certificate (RFC 5280) says of itself. Whether that is true, whoever checks its chain has to say.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate, X509Name, X509Version};

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Its subject as text (RFC 4514), in ASCII. May be empty.
    pub subject: Box<str>,
    /// The subject's last common name, where it has one.
    pub common_name: Option<Box<str>>,
    /// The domains among its alternative names, in lower case, wildcards with `*.`.
    pub dns: Vec<Box<str>>,
    /// The URIs among them.
    pub uris: Vec<Box<str>>,
    /// The mail addresses among them.
    pub emails: Vec<Box<str>>,
    /// Its serial number in upper-case hexadecimal digits.
    pub serial: Box<str>,
    /// The SHA-256 of the whole certificate in lower-case hexadecimal digits.
    pub fingerprint: Box<str>,
    /// Whether others may be believed by it: it says that it is an authority's (RFC 5280 §4.2.1.9), or is of version 1 and can't say so;
    /// or it is its own, and vouches for itself.
    pub may_issue: bool,
    /// From when on it holds, in seconds since 1970.
    pub not_before: i64,
    /// Until when it holds, in seconds since 1970.
    pub not_after: i64,
}

impl Certificate {
    /// Reads a certificate in DER. `None`: it is none, or its alternative names can't be read.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let (mut dns, mut uris, mut emails) = (Vec::new(), Vec::new(), Vec::new());
        if let Some(names) = certificate.subject_alternative_name().ok()? {
            for name in &names.value.general_names {
                match name {
                    GeneralName::DNSName(name) => dns.push(name.to_ascii_lowercase().into()),
                    GeneralName::URI(uri) => uris.push((*uri).into()),
                    GeneralName::RFC822Name(address) => emails.push((*address).into()),
                    _ => {}
                }
            }
        }
        let constraints = certificate.basic_constraints().ok().flatten();
        let may_issue = match constraints {
            Some(constraints) => constraints.value.ca,
            None => certificate.version() != X509Version::V3,
        };
        let may_issue = may_issue || certificate.issuer() == certificate.subject();
        let common_names = certificate.subject().iter_common_name();
        let common_name = common_names.last().and_then(|name| name.as_str().ok()).map(Into::into);
        let hex = |bytes: &[u8], upper: bool| -> Box<str> {
            let mut text = String::with_capacity(bytes.len() * 2);
            for byte in bytes {
                let _ = if upper { write!(text, "{byte:02X}") } else { write!(text, "{byte:02x}") };
            }
            text.into()
        };
        // A number above 0 with its highest bit set has an octet of 0 before it (X.690 §8.3.2).
        let serial = match certificate.raw_serial() {
            [0, rest @ ..] if !rest.is_empty() => rest,
            serial => serial,
        };
        Some(Self {
            subject: distinguished(certificate.subject()),
            common_name,
            dns,
            uris,
            emails,
            serial: hex(serial, true),
            fingerprint: hex(digest(&SHA256, der).as_ref(), false),
            may_issue,
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
        })
    }
}

impl Certificate {
    /// What people are told that it is: its subject or, where that is empty, the first of its alternative names.
    #[must_use]
    pub fn told(&self) -> &str {
        let names = [&self.uris, &self.dns, &self.emails].into_iter().flatten();
        let named = std::iter::once(&self.subject).chain(names).find(|name| !name.is_empty());
        named.unwrap_or(&self.fingerprint)
    }
}

/// A name as text: the most specific part first, and nothing in a value that could be taken for another part (RFC 4514 §2).
pub(super) fn distinguished(name: &X509Name<'_>) -> Box<str> {
    let mut text = String::new();
    let sets: Vec<_> = name.iter_rdn().collect();
    for (at, set) in sets.iter().rev().enumerate() {
        if at > 0 {
            text.push(',');
        }
        for (at, attribute) in set.iter().enumerate() {
            if at > 0 {
                text.push('+');
            }
            let oid = attribute.attr_type().to_id_string();
            text.push_str(keyword(&oid).unwrap_or(&oid));
            text.push('=');
            match attribute.as_str() {
                Ok(value) => escape(&mut text, value),
                Err(_) => {
                    text.push('#');
                    for byte in attribute.as_slice() {
                        let _ = write!(text, "{byte:02x}");
                    }
                }
            }
        }
    }
    text.into()
}

/// The short names of RFC 4514 §3, and that of a mail address, which authorities use as well.
fn keyword(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "0.9.2342.19200300.100.1.25" => "DC",
        "0.9.2342.19200300.100.1.1" => "UID",
        "1.2.840.113549.1.9.1" => "emailAddress",
        _ => return None,
    })
}

fn escape(text: &mut String, value: &str) {
    let last = value.len().saturating_sub(1);
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' | b'=' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            b'#' | b' ' if at == 0 => {
                text.push('\\');
                text.push(char::from(byte));
            }
            b' ' if at == last => text.push_str("\\ "),
            0x20..=0x7e => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\{byte:02x}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType, SerialNumber};

    fn made(change: impl FnOnce(&mut CertificateParams)) -> Certificate {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        change(&mut params);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Certificate::read(certificate.der()).unwrap()
    }

    #[test]
    fn a_subject_can_t_pretend_to_be_several() {
        let read = made(|params| {
            params.distinguished_name.push(DnType::OrganizationName, " Acme, \"Inc\"");
            params.distinguished_name.push(DnType::CommonName, "eve,O=Bank+CN=root\r\nx: y é");
        });
        assert_eq!(
            &*read.subject,
            "CN=eve\\,O\\=Bank\\+CN\\=root\\0d\\0ax: y \\c3\\a9,O=\\ Acme\\, \\\"Inc\\\""
        );
        assert_eq!(read.common_name.as_deref(), Some("eve,O=Bank+CN=root\r\nx: y é"));
    }

    #[test]
    fn names_serial_and_fingerprint_are_read() {
        let read = made(|params| {
            params.serial_number = Some(SerialNumber::from(vec![0xab, 0x01]));
            params.subject_alt_names = vec![
                SanType::DnsName("WWW.Acme.test".try_into().unwrap()),
                SanType::URI("spiffe://example.org/tenant/acme".try_into().unwrap()),
                SanType::Rfc822Name("ops@acme.test".try_into().unwrap()),
            ];
        });
        assert_eq!(read.dns, ["www.acme.test".into()]);
        assert_eq!(read.uris, ["spiffe://example.org/tenant/acme".into()]);
        assert_eq!(read.emails, ["ops@acme.test".into()]);
        assert_eq!(&*read.serial, "AB01");
        assert_eq!(read.fingerprint.len(), 64);
        assert!(read.not_before < read.not_after);
        assert_eq!(read.subject.len(), 0);
        assert_eq!(read.told(), "spiffe://example.org/tenant/acme");
        let nameless = Certificate { uris: Vec::new(), dns: Vec::new(), emails: Vec::new(), ..read };
        assert_eq!(nameless.told(), &*nameless.fingerprint);
        let named = Certificate { subject: "CN=worker-7".into(), ..nameless };
        assert_eq!(named.told(), "CN=worker-7");
    }

    #[test]
    fn what_is_no_certificate_says_nothing() {
        assert_eq!(Certificate::read(b""), None);
        assert_eq!(Certificate::read(&[0x30, 0x03, 1, 1, 0]), None);
    }
}
