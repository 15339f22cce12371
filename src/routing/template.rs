//! Templates of paths, many of them at once.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::types::{PathSegment, PathTemplate};

/// What is kept for templates, found by path: literal segments before others, from the left.
#[derive(Debug)]
pub(super) struct TemplateTree<R> {
    nodes: Vec<Node<R>>,
}

#[derive(Debug)]
struct Node<R> {
    literal: HashMap<Box<str>, usize>,
    any: Option<usize>,
    here: Vec<Arc<R>>,
}

impl<R> Default for Node<R> {
    fn default() -> Self {
        Self { literal: HashMap::new(), any: None, here: Vec::new() }
    }
}

impl<R> Default for TemplateTree<R> {
    fn default() -> Self {
        Self { nodes: Vec::new() }
    }
}

impl<R> TemplateTree<R> {
    pub(super) fn insert(&mut self, template: &PathTemplate, kept: Arc<R>) {
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
        }
        let mut at = 0;
        for segment in template.segments() {
            let new = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else { return };
            at = match segment {
                PathSegment::Literal(text) => *node.literal.entry(text.clone()).or_insert(new),
                PathSegment::Any(_) => *node.any.get_or_insert(new),
            };
            if at == new {
                self.nodes.push(Node::default());
            }
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.here.push(kept);
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<R>> {
        self.nodes.iter().flat_map(|node| &node.here)
    }

    pub(super) fn buckets_mut(&mut self) -> impl Iterator<Item = &mut Vec<Arc<R>>> {
        self.nodes.iter_mut().map(|node| &mut node.here)
    }

    /// The first that is taken of those whose template takes the path. As deep as the deepest template, at most.
    pub(super) fn find<'t>(&'t self, path: &str, takes: &dyn Fn(&R) -> bool) -> Option<&'t Arc<R>> {
        self.below(self.nodes.first()?, path.strip_prefix('/'), takes)
    }

    fn below<'t>(
        &'t self,
        node: &'t Node<R>,
        rest: Option<&str>,
        takes: &dyn Fn(&R) -> bool,
    ) -> Option<&'t Arc<R>> {
        let Some(rest) = rest else { return node.here.iter().find(|kept| takes(kept)) };
        let (segment, rest) = match rest.split_once('/') {
            Some((segment, rest)) => (segment, Some(rest)),
            None => (rest, None),
        };
        if segment.is_empty() {
            return None;
        }
        let down = |at: &usize| self.below(self.nodes.get(*at)?, rest, takes);
        node.literal.get(segment).and_then(down).or_else(|| node.any.as_ref().and_then(down))
    }
}
