//! Why handshakes come to nothing.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

/// Why a handshake came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeFailure {
    /// It took too long.
    #[error("the handshake took too long")]
    Timeout,
    /// As many handshakes as may wait for their turn do.
    #[error("as many handshakes wait for their turn as may")]
    Full,
    /// There is no certificate for the name that the client asks for, or it asks for none.
    #[error("there is no certificate for what the client asks for")]
    UnrecognizedName,
    /// The client resumes a session whose certificate has expired since.
    #[error("the client's certificate has expired since its session began")]
    ExpiredSince,
    /// What the client sent, or that it went away.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl HandshakeFailure {
    /// Its name in metrics, one of [`HANDSHAKE_FAILURES`](crate::telemetry::HANDSHAKE_FAILURES).
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Full => "max_pending_handshakes",
            Self::UnrecognizedName => "unrecognized_name",
            Self::ExpiredSince => "client_certificate_expired",
            Self::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref()) {
                Some(error) => of_tls(error),
                None => "closed",
            },
        }
    }
}

fn of_tls(error: &Error) -> &'static str {
    match error {
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => "not_tls",
        Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. } => "malformed",
        Error::PeerIncompatible(
            PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::Tls13RequiredForQuic,
        ) => "no_common_version",
        Error::PeerIncompatible(_) => "no_common_cipher",
        Error::NoApplicationProtocol => "no_application_protocol",
        Error::NoCertificatesPresented => "client_certificate_missing",
        Error::InvalidCertificate(why) => match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "client_certificate_expired"
            }
            CertificateError::Revoked => "client_certificate_revoked",
            CertificateError::UnknownIssuer => "client_certificate_untrusted",
            CertificateError::ExpiredRevocationList
            | CertificateError::ExpiredRevocationListContext { .. } => "client_crl_expired",
            CertificateError::UnknownRevocationStatus => "client_crl_missing",
            _ => "client_certificate_invalid",
        },
        Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate,
        ) => "certificate_rejected",
        Error::AlertReceived(_) => "alert",
        Error::PeerMisbehaved(_) | Error::DecryptError => "misbehaved",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_declared() {
        let of = |error| HandshakeFailure::Io(io::Error::new(io::ErrorKind::InvalidData, error));
        let failures = [
            HandshakeFailure::Timeout,
            HandshakeFailure::Full,
            HandshakeFailure::UnrecognizedName,
            HandshakeFailure::ExpiredSince,
            HandshakeFailure::Io(io::ErrorKind::UnexpectedEof.into()),
            of(Error::InvalidMessage(InvalidMessage::InvalidContentType)),
            of(Error::InvalidMessage(InvalidMessage::InvalidCcs)),
            of(Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered)),
            of(Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon)),
            of(Error::NoApplicationProtocol),
            of(Error::NoCertificatesPresented),
            of(CertificateError::Expired.into()),
            of(CertificateError::Revoked.into()),
            of(CertificateError::UnknownIssuer.into()),
            of(CertificateError::ExpiredRevocationList.into()),
            of(CertificateError::UnknownRevocationStatus.into()),
            of(CertificateError::BadSignature.into()),
            of(Error::AlertReceived(AlertDescription::UnknownCA)),
            of(Error::AlertReceived(AlertDescription::InternalError)),
            of(Error::DecryptError),
            of(Error::HandshakeNotComplete),
        ];
        let mut named: Vec<_> = failures.iter().map(HandshakeFailure::reason).collect();
        named.sort_unstable();
        named.dedup();
        let mut declared = crate::telemetry::HANDSHAKE_FAILURES;
        declared.sort_unstable();
        assert_eq!(named, declared);
    }
}
