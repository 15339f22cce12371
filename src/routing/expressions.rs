//! Routes by regular expressions over whole paths, all of them looked at in one pass.

use std::sync::Arc;

use regex::bytes::{RegexSet, RegexSetBuilder};

use crate::types::Pattern;

/// What is kept for expressions, in order.
#[derive(Debug)]
pub(super) struct Expressions<R> {
    kept: Vec<(Pattern, Arc<R>)>,
    /// All of them in one automaton; none where there are too few for that to pay.
    set: Option<RegexSet>,
}

/// Octets that they may take together, compiled.
const SIZE_MAX: usize = 16 * 1024 * 1024;
/// Octets of the states that a search among all of them keeps, for each thread that searches.
const STATES_MAX: usize = 1024 * 1024;

/// From how many on they are looked at together.
const TOGETHER_MIN: usize = 4;

impl<R> Default for Expressions<R> {
    fn default() -> Self {
        Self { kept: Vec::new(), set: None }
    }
}

impl<R> Expressions<R> {
    pub(super) fn insert(&mut self, pattern: Pattern, kept: Arc<R>) {
        self.kept.push((pattern, kept));
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<R>> {
        self.kept.iter().map(|(_, kept)| kept)
    }

    /// Puts them in order, and makes ready to find them.
    pub(super) fn sort_by_key<K: Ord>(&mut self, key: impl Fn(&Arc<R>) -> K) {
        self.kept.sort_by_key(|(_, kept)| key(kept));
        let all = self.kept.iter().map(|(pattern, _)| pattern.as_whole());
        // Should they not fit together, each is asked on its own.
        self.set = (self.kept.len() >= TOGETHER_MIN)
            .then(|| {
                let mut builder = RegexSetBuilder::new(all);
                builder.unicode(false).size_limit(SIZE_MAX).dfa_size_limit(STATES_MAX).build().ok()
            })
            .flatten();
    }

    /// The first that is taken of those whose expression holds for the path.
    pub(super) fn find(&self, path: &str, takes: &dyn Fn(&R) -> bool) -> Option<&Arc<R>> {
        let path = path.as_bytes();
        let Some(set) = &self.set else {
            let holding = self.kept.iter().filter(|(pattern, _)| pattern.holds(path));
            return holding.map(|(_, kept)| kept).find(|kept| takes(kept));
        };
        if !set.is_match(path) {
            return None;
        }
        let holding = set.matches(path);
        holding.iter().filter_map(|at| self.kept.get(at)).map(|(_, kept)| kept).find(|kept| takes(kept))
    }
}
