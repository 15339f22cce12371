//! Which part of a client's certificate names its tenant.

/// A part of a certificate that is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// A part of a certificate, and what stands around the tenant's id in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertPattern {
    /// The part.
    pub part: CertPart,
    /// What stands before the id; may be empty.
    pub before: String,
    /// What stands behind it; may be empty.
    pub after: String,
}

/// Why a text is no such pattern. Says what to write.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCertPattern {
    /// There is no such part.
    #[error("a certificate has no `{0}`\nwrite one of san_dns, san_uri, san_email and subject_cn")]
    Part(String),
    /// The id has no place in it, or several.
    #[error("a pattern has {{tenant}} in it, once\nwrite it like \"spiffe://example.org/tenant/{{tenant}}\"")]
    Placeholder,
}

impl CertPattern {
    /// What stands for the tenant's id.
    pub const PLACEHOLDER: &'static str = "{tenant}";

    /// A part by its name, and its pattern.
    ///
    /// # Errors
    /// [`InvalidCertPattern`].
    pub fn new(part: &str, pattern: &str) -> Result<Self, InvalidCertPattern> {
        let part = match part {
            "san_dns" => CertPart::SanDns,
            "san_uri" => CertPart::SanUri,
            "san_email" => CertPart::SanEmail,
            "subject_cn" => CertPart::SubjectCn,
            other => return Err(InvalidCertPattern::Part(other.to_owned())),
        };
        let around = pattern.split_once(Self::PLACEHOLDER);
        let (before, after) = around.ok_or(InvalidCertPattern::Placeholder)?;
        if [before, after].iter().any(|text| text.contains(['{', '}'])) {
            return Err(InvalidCertPattern::Placeholder);
        }
        // Domains are compared in lower case.
        let fold = |text: &str| match part {
            CertPart::SanDns => text.to_ascii_lowercase(),
            _ => text.to_owned(),
        };
        Ok(Self { part, before: fold(before), after: fold(after) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_one_place_for_the_id() {
        let pattern = CertPattern::new("san_dns", "{tenant}.Clients.test").unwrap();
        assert_eq!(
            (pattern.part, &*pattern.before, &*pattern.after),
            (CertPart::SanDns, "", ".clients.test")
        );
        for pattern in ["", "acme", "{tenant}{tenant}", "{tenant}/{x}"] {
            assert_eq!(
                CertPattern::new("san_uri", pattern),
                Err(InvalidCertPattern::Placeholder),
                "{pattern}"
            );
        }
        assert!(matches!(CertPattern::new("san_ip", "{tenant}"), Err(InvalidCertPattern::Part(_))));
    }
}
