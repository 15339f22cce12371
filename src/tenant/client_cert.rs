//! Whose a request is by the certificate that its client has shown.

use crate::types::{Certificate, TenantId};

/// Which part of a certificate names a tenant, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertRule {
    /// The part.
    pub part: CertPart,
    /// What stands before the id.
    pub before: Box<str>,
    /// What stands behind it.
    pub after: Box<str>,
}

/// A part of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertPart {
    /// A DNS name among its alternative names.
    SanDns,
    /// A URI among them.
    SanUri,
    /// A mail address among them.
    SanEmail,
    /// Its subject's last common name.
    SubjectCn,
}

impl ClientCertRule {
    /// The id that a certificate names. What does not fit, or has in the id's place what can be none, names nobody.
    ///
    /// # Errors
    /// It names several.
    pub(super) fn id<'c>(&self, certificate: &'c Certificate) -> Result<Option<&'c str>, Several> {
        let values: &[Box<str>] = match self.part {
            CertPart::SanDns => &certificate.dns,
            CertPart::SanUri => &certificate.uris,
            CertPart::SanEmail => &certificate.emails,
            CertPart::SubjectCn => certificate.common_name.as_slice(),
        };
        let mut found = None;
        for value in values {
            let id = value.strip_prefix(&*self.before).and_then(|rest| rest.strip_suffix(&*self.after));
            let Some(id) = id.filter(|id| TenantId::parse(id).is_ok()) else { continue };
            if found.is_some_and(|first| first != id) {
                return Err(Several);
            }
            found = Some(id);
        }
        Ok(found)
    }
}

impl ClientCertRule {
    /// The id that a certificate names, whether or not there is such a tenant; for people.
    #[must_use]
    pub fn id_in<'c>(&self, certificate: Option<&'c Certificate>) -> Option<&'c str> {
        self.id(certificate?).ok().flatten()
    }
}

impl CertPart {
    /// Its name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SanDns => "san_dns",
            Self::SanUri => "san_uri",
            Self::SanEmail => "san_email",
            Self::SubjectCn => "subject_cn",
        }
    }
}

/// A certificate names several tenants.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Several;

#[cfg(test)]
mod tests {
    use super::*;

    fn showing(uris: &[&str]) -> Certificate {
        Certificate {
            subject: "".into(),
            common_name: Some("acme".into()),
            dns: Vec::new(),
            uris: uris.iter().map(|uri| (*uri).into()).collect(),
            emails: Vec::new(),
            serial: "".into(),
            fingerprint: "".into(),
            may_issue: false,
            not_before: 0,
            not_after: 0,
        }
    }

    #[test]
    fn the_id_stands_where_the_pattern_has_it() {
        let rule = ClientCertRule {
            part: CertPart::SanUri,
            before: "spiffe://example.org/tenant/".into(),
            after: "/gateway".into(),
        };
        let id = |uris: &[&str]| rule.id(&showing(uris)).map(|id| id.map(str::to_owned));
        let acme = "spiffe://example.org/tenant/acme/gateway";
        assert_eq!(id(&["https://other.test", acme]), Ok(Some("acme".to_owned())));
        assert_eq!(id(&[acme, acme]), Ok(Some("acme".to_owned())));
        assert_eq!(id(&[acme, "spiffe://example.org/tenant/globex/gateway"]), Err(Several));
        for odd in [
            "spiffe://example.org/tenant//gateway",
            "spiffe://example.org/tenant/acme/x/gateway",
            "spiffe://example.org/tenant/acme",
            "spiffe://example.org/tenant/ACME/gateway",
            "xspiffe://example.org/tenant/acme/gateway",
            "spiffe://example.org/tenant/gateway",
        ] {
            assert_eq!(id(&[odd]), Ok(None), "{odd}");
        }
        let whole = ClientCertRule { part: CertPart::SubjectCn, before: "".into(), after: "".into() };
        assert_eq!(whole.id(&showing(&[])), Ok(Some("acme")));
    }
}
