//! The certificates that listeners have from files, and the lists of what is revoked of clients', as operators and metrics are told of them.

use jiff::Timestamp;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use serde_json::{Value, json};

use crate::config::{Document, Listener, PemFile, ServerCertificate};
use crate::telemetry::Metrics;
use crate::types::{Certificate, RevocationList};

/// The most of a listener that metrics tell of.
const METERED_MAX: usize = 1_000;

/// What is told of each: its names, until when it holds, and which it is.
pub(super) fn told(document: &Document) -> Value {
    let told = document.listeners.iter().flat_map(|listener| {
        of_files(listener).map(|(file, certificate)| {
            json!({
                "listener": &*listener.name,
                "source": "file",
                "file": file.chain.path.display().to_string(),
                "names": certificate.dns,
                "serial": certificate.serial,
                "fingerprint": certificate.fingerprint,
                "not_before": timestamp(certificate.not_before),
                "not_after": timestamp(certificate.not_after),
            })
        })
    });
    told.collect()
}

/// What is told of each list of revoked certificates: whose it is, and until when it holds.
pub(super) fn told_revocations(document: &Document) -> Value {
    let told = document.listeners.iter().flat_map(|listener| {
        lists(listener).map(|(file, list)| {
            json!({
                "listener": &*listener.name,
                "file": file.path.display().to_string(),
                "issuer": list.issuer,
                "this_update": timestamp(list.this_update),
                "next_update": list.next_update.map(timestamp),
            })
        })
    });
    told.collect()
}

/// Has metrics tell when each expires: by its first name, and where several have that, the one that is first to expire.
pub fn meter_certificates(document: &Document, metrics: &Metrics) {
    for listener in &document.listeners {
        let mut expiries: Vec<(Box<str>, i64)> = Vec::new();
        for (_, certificate) in of_files(listener) {
            let Some(name) = certificate.dns.into_iter().next() else { continue };
            match expiries.iter_mut().find(|(known, _)| *known == name) {
                Some((_, at_s)) => *at_s = certificate.not_after.min(*at_s),
                None => expiries.push((name, certificate.not_after)),
            }
        }
        expiries.truncate(METERED_MAX);
        let meter = metrics.listener(&listener.name);
        meter.set_certificates(expiries);
        let mut ends: Vec<(Box<str>, i64)> = Vec::new();
        for (issuer, until) in lists(listener).filter_map(|(_, list)| Some((list.issuer, list.next_update?)))
        {
            match ends.iter_mut().find(|(known, _)| *known == issuer) {
                Some((_, at_s)) => *at_s = until.min(*at_s),
                None => ends.push((issuer, until)),
            }
        }
        ends.truncate(METERED_MAX);
        meter.set_revocations(ends);
    }
}

pub(super) fn lists(listener: &Listener) -> impl Iterator<Item = (&PemFile, RevocationList)> {
    let auth = listener.tls.as_ref().and_then(|tls| tls.client_auth.as_ref());
    let files = auth.map(|auth| auth.crl.as_slice()).unwrap_or_default();
    files.iter().flat_map(|file| {
        let lists = CertificateRevocationListDer::pem_slice_iter(file.text.as_bytes()).flatten();
        lists.filter_map(move |list| Some((file, RevocationList::read(&list).ok()?)))
    })
}

pub(super) fn of_files(listener: &Listener) -> impl Iterator<Item = (&ServerCertificate, Certificate)> {
    let files = listener.tls.as_ref().map(|tls| tls.certificates.as_slice()).unwrap_or_default();
    files.iter().filter_map(|file| {
        let leaf = CertificateDer::from_pem_slice(file.chain.text.as_bytes()).ok()?;
        Some((file, Certificate::read(&leaf)?))
    })
}

fn timestamp(at_s: i64) -> String {
    Timestamp::from_second(at_s).map(|at| at.to_string()).unwrap_or_default()
}
