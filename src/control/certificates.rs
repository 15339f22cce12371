//! The certificates that listeners have from files, as operators and metrics are told of them.

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::config::{Document, Listener, ServerCertificate};
use crate::telemetry::Metrics;
use crate::types::Certificate;

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
        metrics.listener(&listener.name).set_certificates(expiries);
    }
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
