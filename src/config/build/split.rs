//! Routes that lead to several pools.

use std::collections::HashMap;

use super::Builder;
use crate::config::decode::{List, Spanned};
use crate::config::document::{RoutePool, Split, SplitPart, Sticky};
use crate::config::source::Mark;
use crate::config::written;

/// Pools that one route may lead to.
const PARTS_MAX: usize = 32;

impl Builder<'_> {
    pub(super) fn split(&self, written: &Spanned<List<written::Split>>) -> Split {
        let parts = &written.value.0;
        let mut seen: HashMap<&str, Mark> = HashMap::new();
        let mut split = Split { parts: Vec::with_capacity(parts.len()), sticky: None };
        let mut first_sticky: Option<Mark> = None;
        for part in parts {
            let pool = &part.pool;
            if let Some(first) = seen.insert(&pool.value, pool.mark) {
                self.findings
                    .error("duplicate-pool", pool.mark, format!("the pool `{}` is there twice", pool.value))
                    .hint("give it one weight, the sum of the two")
                    .see(first, "the other one is");
            }
            let pool = match self.route_pool(pool) {
                RoutePool::Named(name) => Some(name),
                _ => None,
            };
            split.parts.push(SplitPart { pool, weight: part.weight.value });
            let Some(sticky) = &part.sticky else { continue };
            let built = Sticky::from(&sticky.value);
            match (&split.sticky, first_sticky) {
                (Some(other), Some(first)) if *other != built => {
                    self.findings
                        .error("conflicting-keys", sticky.mark, "this split is `sticky` in two ways")
                        .hint("`sticky` holds for the whole split: write it once")
                        .see(first, "the other one is");
                }
                _ => (split.sticky, first_sticky) = (Some(built), Some(sticky.mark)),
            }
        }
        self.weights(written);
        split
    }

    fn weights(&self, written: &Spanned<List<written::Split>>) {
        let parts = &written.value.0;
        // What can't be read was reported.
        if parts.is_empty() && self.findings.errors_in(written.mark.file) > 0 {
            return;
        }
        if parts.iter().all(|part| part.weight.value == 0) {
            self.findings
                .error("invalid-value", written.mark, "a split in which no pool has a weight leads nowhere")
                .hint("write it like [{ pool: shared, weight: 95 }, { pool: canary, weight: 5 }]");
        }
        if parts.len() > PARTS_MAX {
            self.findings
                .error(
                    "invalid-value",
                    written.mark,
                    format!("a split over {} pools is too large", parts.len()),
                )
                .hint(format!("write up to {PARTS_MAX}"));
        }
    }
}
