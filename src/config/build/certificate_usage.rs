//! Whether there are certificates for the hosts that tenants are found by.

use std::collections::BTreeSet;

use super::Builder;
use crate::config::document::{Document, Domain};
use crate::config::source::Mark;

/// Warns of a tenant's domain that no certificate is for, where nothing is served but under TLS and none are ordered. (Where something
/// is served in the clear, whoever speaks TLS may stand in front of it.)
pub(super) fn check_domain(builder: &Builder<'_>, document: &Document, domain: &Domain, mark: Mark) {
    let mut serving =
        document.listeners.iter().filter(|listener| listener.https_redirect.is_none()).peekable();
    if serving.peek().is_none() {
        return;
    }
    let lacks = |names: &BTreeSet<Box<str>>| match domain {
        Domain::Exact(name) => !is_for(names, name),
        // Its hosts at any depth can't all have one; those right below it can.
        Domain::Wildcard(name) => !names.contains(format!("*.{name}").as_str()),
    };
    let all_lack = serving.all(|listener| {
        listener.tls.as_ref().is_some_and(|tls| !tls.on_demand && !tls.names.is_empty() && lacks(&tls.names))
    });
    if all_lack {
        builder
            .findings
            .warning("domain-without-certificate", mark, format!("no listener has a certificate for `{domain}`"))
            .hint("clients are shown another one, and believe nothing: add one to `tls.certificates`, or have it ordered (`tls.acme`)");
    }
}

/// RFC 6125 §6.4.3: a wildcard stands for one whole label.
fn is_for(names: &BTreeSet<Box<str>>, host: &str) -> bool {
    let below = host.split_once('.').map(|(_, parent)| format!("*.{parent}"));
    names.contains(host) || below.is_some_and(|wildcard| names.contains(wildcard.as_str()))
}
