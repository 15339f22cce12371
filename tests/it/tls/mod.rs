//! TLS of clients.

mod agreement;
mod announced;
mod authority;
mod certificates;
mod client;
mod client_auth;
mod explained;
mod https_only;
mod observed;
mod reloads;
mod sessions;
mod tools;
mod under_load;

pub use client::Credulous;

use crate::harness::{Config, Origin, config};
use authority::Issued;

/// A gateway with one TLS listener, whose certificates are `0.pem` and `0.key`, `1.pem` and so on; `more` is YAML of further keys of `tls`.
fn tls(certificates: &[&Issued], more: &str, origin: &Origin) -> Config {
    let names: Vec<String> = (0..certificates.len())
        .map(|at| format!("{{ cert: '{{dir}}/{at}.pem', key: '{{dir}}/{at}.key' }}"))
        .collect();
    let listener =
        format!("[{{ bind: 127.0.0.1:0, tls: {{ certificates: [{}]{more} }} }}]", names.join(", "));
    certificates.iter().enumerate().fold(
        config().to(origin).set("listeners", &listener),
        |config, (at, issued)| {
            config.file(&format!("{at}.pem"), &issued.cert).file(&format!("{at}.key"), &issued.key)
        },
    )
}
