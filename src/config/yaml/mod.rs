//! YAML as a tree of which every node knows where it was written.
//!
//! `parse` makes the tree from the events of serde-saphyr's parser, `interpolate` fills in the
//! environment, `scalar` tells numbers and booleans from text. Only what the decoder needs of
//! YAML is here: one document, string keys, the core schema's types, anchors and merge keys.

mod interpolate;
mod parse;
mod scalar;

use super::source::Mark;

pub(super) use interpolate::{Environment, Filled, interpolate};
pub(super) use parse::{SyntaxError, parse};
pub(super) use scalar::{Value, resolve};

/// A value of a YAML document.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Its number, unlike that of any other node of a load.
    pub id: u32,
    pub mark: Mark,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Scalar(Scalar),
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(super) struct Scalar {
    /// The text, after interpolation.
    pub text: Box<str>,
    /// Whether it was written without quotes, and may so be a number, a boolean or nothing.
    pub plain: bool,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: Box<str>,
    pub mark: Mark,
    pub value: Node,
}

impl Node {
    /// Whether nothing was written, or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(scalar) if matches!(resolve(scalar), Value::Null))
    }

    /// Whether it is a mapping without an entry.
    pub fn is_empty(&self) -> bool {
        matches!(&self.kind, Kind::Mapping(entries) if entries.is_empty())
    }

    /// Calls `visit` for every scalar below this node, with whether a key above it is that of a
    /// secret.
    pub fn scalars(&mut self, secret: bool, visit: &mut dyn FnMut(u32, Mark, &mut Scalar, bool)) {
        match &mut self.kind {
            Kind::Scalar(scalar) => visit(self.id, self.mark, scalar, secret),
            Kind::Sequence(items) => items.iter_mut().for_each(|item| item.scalars(secret, visit)),
            Kind::Mapping(entries) => {
                for entry in entries {
                    entry.value.scalars(secret || super::redact::is_secret_key(&entry.key), visit);
                }
            }
        }
    }
}
