//! What pools can be told and the gateway can't do yet: refused, never ignored.
//!
//! This is the only list of it. When a feature is there its line goes, and with it "Not supported yet" at the key in
//! `written` and the entry in README's table.

use crate::config::decode::Spanned;
use crate::config::findings::Findings;
use crate::config::source::Mark;
use crate::config::written::Pool;

/// Refuses the keys of a pool that do nothing yet.
pub(super) fn refuse(findings: &Findings, pool: &Pool) {
    let keys = [key("`circuit_breaker`", &pool.circuit_breaker)];
    for (mark, what) in keys.into_iter().flatten() {
        findings.not_supported(mark, what);
    }
}

fn key<'k, T>(what: &'k str, written: &Option<Spanned<T>>) -> Option<(Mark, &'k str)> {
    written.as_ref().map(|written| (written.key, what))
}
