//! The route table: compiled once a configuration, shared by all tenants.
//!
//! Precedence is total. It is Gateway API's (HTTPRouteRule) with what that leaves open filled in: exact host, longest
//! wildcard, any host; then exact path, template, expression, longest prefix; then a method, most header rules, most query
//! rules, most cookie rules, client networks, most features, most labels; then file order. What can be is looked up by hash,
//! so the cost of a match grows with the depth of host and path (at most the depth of the deepest rule), not with the
//! number of routes.

use std::sync::Arc;

use hashbrown::HashMap;

use super::Route;
use super::expressions::Expressions;
use super::rule::{Asked, HostRule, PathRule};
use super::template::TemplateTree;

/// All routes, ready to be matched.
#[derive(Debug)]
pub struct RouteTable<T> {
    hosts: HashMap<String, Paths<T>>,
    below: HashMap<String, Paths<T>>,
    anywhere: Paths<T>,
    routes: usize,
}

/// Routes of one precedence by their host, by path.
#[derive(Debug)]
struct Paths<T> {
    exact: HashMap<String, Bucket<T>>,
    templates: TemplateTree<Route<T>>,
    expressions: Expressions<Route<T>>,
    prefix: HashMap<String, Bucket<T>>,
    depth_max: usize,
}

/// Routes of one precedence by host and path, in the order of what else they ask.
type Bucket<T> = Vec<Arc<Route<T>>>;

impl<T> RouteTable<T> {
    /// Compiles routes that are given in file order.
    #[must_use]
    pub fn new(routes: Vec<Arc<Route<T>>>) -> Self {
        let mut table = Self {
            hosts: HashMap::new(),
            below: HashMap::new(),
            anywhere: Paths::default(),
            routes: routes.len(),
        };
        for route in routes {
            if route.rule.hosts.is_empty() {
                table.anywhere.insert(Arc::clone(&route));
            }
            for host in &route.rule.hosts {
                let paths = match host {
                    HostRule::Exact(name) => table.hosts.entry(name.clone()),
                    HostRule::Below(name) => table.below.entry(name.clone()),
                };
                paths.or_default().insert(Arc::clone(&route));
            }
        }
        let with_hosts = table.hosts.values_mut().chain(table.below.values_mut());
        with_hosts.chain([&mut table.anywhere]).for_each(Paths::sort);
        table
    }

    /// How many routes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.routes
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes == 0
    }

    /// All of them, by their places: gathered each time, for whoever explains.
    #[must_use]
    pub fn routes(&self) -> Vec<&Arc<Route<T>>> {
        let with_hosts = self.hosts.values().chain(self.below.values());
        let mut routes: Vec<_> = with_hosts.chain([&self.anywhere]).flat_map(Paths::routes).collect();
        routes.sort_by_key(|route| route.index);
        routes.dedup_by(|one, other| Arc::ptr_eq(one, other));
        routes
    }

    /// The route of a request.
    #[must_use]
    pub fn find(&self, asked: &Asked<'_>) -> Option<&Arc<Route<T>>> {
        let of_host = || {
            let host = asked.host?;
            self.hosts.get(host).and_then(|paths| paths.find(asked)).or_else(|| self.find_below(host, asked))
        };
        let has_hosts = !(self.hosts.is_empty() && self.below.is_empty());
        let found = if has_hosts { of_host() } else { None };
        found.or_else(|| self.anywhere.find(asked))
    }

    /// By the wildcards over a host, the longest first.
    fn find_below(&self, host: &str, asked: &Asked<'_>) -> Option<&Arc<Route<T>>> {
        if self.below.is_empty() {
            return None;
        }
        let mut rest = host;
        while let Some((_, parent)) = rest.split_once('.') {
            let found = self.below.get(parent).and_then(|paths| paths.find(asked));
            if found.is_some() {
                return found;
            }
            rest = parent;
        }
        None
    }
}

impl<T> Default for Paths<T> {
    fn default() -> Self {
        Self {
            exact: HashMap::new(),
            templates: TemplateTree::default(),
            expressions: Expressions::default(),
            prefix: HashMap::new(),
            depth_max: 0,
        }
    }
}

impl<T> Paths<T> {
    fn insert(&mut self, route: Arc<Route<T>>) {
        match &route.rule.path {
            PathRule::Exact(path) => self.exact.entry(path.clone()).or_default().push(route),
            PathRule::Template(template) => self.templates.insert(&template.clone(), route),
            PathRule::Pattern(pattern) => self.expressions.insert(pattern.clone(), route),
            PathRule::Prefix(path) => {
                let key = path.trim_end_matches('/').to_owned();
                self.depth_max = self.depth_max.max(key.matches('/').count());
                self.prefix.entry(key).or_default().push(route);
            }
        }
    }

    fn routes(&self) -> impl Iterator<Item = &Arc<Route<T>>> {
        let buckets = self.exact.values().chain(self.prefix.values()).flatten();
        buckets.chain(self.templates.all()).chain(self.expressions.all())
    }

    fn sort(&mut self) {
        // Stable: file order decides what nothing else does.
        let by_conditions = |route: &Arc<Route<T>>| std::cmp::Reverse(route.rule.specificity());
        let buckets = self.exact.values_mut().chain(self.prefix.values_mut());
        buckets.chain(self.templates.buckets_mut()).for_each(|bucket| bucket.sort_by_key(by_conditions));
        self.expressions.sort_by_key(by_conditions);
    }

    fn find(&self, asked: &Asked<'_>) -> Option<&Arc<Route<T>>> {
        let takes = |route: &Route<T>| route.rule.holds(asked);
        let of = |bucket: Option<&'_ Bucket<T>>| -> Option<usize> {
            bucket?.iter().position(|route| takes(route))
        };
        if !self.exact.is_empty() {
            let bucket = self.exact.get(asked.path);
            if let Some(at) = of(bucket) {
                return bucket?.get(at);
            }
        }
        let by_shape = self.templates.find(asked.path, &takes);
        let by_shape = by_shape.or_else(|| self.expressions.find(asked.path, &takes));
        if by_shape.is_some() {
            return by_shape;
        }
        let path = asked.path;
        let mut end = prefix_end(path, self.depth_max);
        loop {
            let bucket = self.prefix.get(path.get(..end)?);
            if let Some(at) = of(bucket) {
                return bucket?.get(at);
            }
            if end == 0 {
                return None;
            }
            end = path.get(..end)?.rfind('/')?;
        }
    }
}

/// Where the longest prefix of at most `depth` segments ends.
fn prefix_end(path: &str, depth: usize) -> usize {
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut slashes = 0;
    for (at, byte) in path.bytes().enumerate() {
        if byte == b'/' {
            if slashes == depth {
                return at;
            }
            slashes += 1;
        }
    }
    path.len()
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
