//! Failover from pool to pool.

use std::collections::{HashMap, HashSet};

use super::Builder;
use crate::config::decode::{Entries, Spanned};
use crate::config::written;

impl Builder<'_> {
    pub(super) fn failover(
        &self,
        name: &Spanned<String>,
        pool: &written::Pool,
        other: &Spanned<String>,
    ) -> Option<String> {
        if pool.health_check.is_none() && pool.outlier_detection.is_none() {
            self.findings
                .warning("blind-failover", other.mark, "nothing finds out that this pool's endpoints can't serve")
                .hint("add `health_check` or `outlier_detection`: without, `failover` is used when all endpoints drain");
        }
        if name.value == other.value {
            self.findings
                .error("circular-failover", other.mark, "a pool can't stand in for itself")
                .hint("name another pool, or remove it");
            return None;
        }
        self.known_pool(other)
    }

    /// Reports each circle of pools that stand in for each other, once.
    pub(super) fn failover_ends(&self, written: &Entries<written::Pool>) {
        let next: HashMap<&str, &Spanned<String>> = written
            .iter()
            .filter_map(|(name, pool)| Some((name.value.as_str(), pool.failover.as_ref()?)))
            .filter(|(name, other)| *name != other.value)
            .collect();
        let mut walked: HashSet<&str> = HashSet::new();
        for (start, _) in written.iter() {
            let mut way: Vec<&str> = Vec::new();
            let mut at = start.value.as_str();
            while walked.insert(at) {
                way.push(at);
                match next.get(at) {
                    Some(other) => at = other.value.as_str(),
                    None => break,
                }
            }
            // Where the way ended at a pool that an earlier one had passed, or at none, there is no new circle.
            let Some(from) = way.iter().position(|name| *name == at) else { continue };
            let circle = way.get(from..).unwrap_or_default();
            if let (Some(closing), true) = (circle.last().and_then(|last| next.get(last)), circle.len() > 1) {
                let shown = circle.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" → ");
                self.findings
                    .error(
                        "circular-failover",
                        closing.mark,
                        format!("failover goes in a circle: {shown} → `{at}`"),
                    )
                    .hint("remove it here: the last pool of a failover has none");
            }
        }
    }
}
