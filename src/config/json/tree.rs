//! A JSON value as the tree that YAML makes, with JSON pointers for places.

use std::fmt::Write as _;

use serde_json::Value;

use super::READ_ONLY_KEYS;
use crate::config::source::Mark;
use crate::config::yaml::{Entry, Kind, Node, Scalar};

/// The tree of a value. A mark in it is the number of a node: where it starts is the node's place in `steps`.
pub(super) struct Tree<'v> {
    pub root: Node,
    steps: Vec<Step<'v>>,
}

/// The way to a node from the one above it; the first is the root's.
struct Step<'v> {
    parent: u32,
    part: Part<'v>,
}

enum Part<'v> {
    Root,
    Key(&'v str),
    Index(usize),
}

impl<'v> Tree<'v> {
    /// The tree of a value, without the keys of its root that can't be written.
    pub fn of(value: &'v Value) -> Self {
        let mut steps = Vec::with_capacity(16);
        let root = node(value, Step { parent: 0, part: Part::Root }, &mut steps);
        Self { root, steps }
    }

    /// The pointer to what a mark stands for (RFC 6901 §6).
    pub fn pointer(&self, mark: Mark) -> String {
        let mut parts = Vec::new();
        let mut at = mark.start;
        while let Some(step) = self.steps.get(at as usize) {
            match step.part {
                Part::Root => break,
                Part::Key(key) => parts.push(escaped(key)),
                Part::Index(index) => parts.push(index.to_string()),
            }
            at = step.parent;
        }
        let mut pointer = String::from("#");
        for part in parts.iter().rev() {
            pointer.push('/');
            pointer.push_str(part);
        }
        pointer
    }
}

/// Recursive: what was parsed from a text is at most 128 levels deep.
fn node<'v>(value: &'v Value, step: Step<'v>, steps: &mut Vec<Step<'v>>) -> Node {
    let id = steps.len() as u32;
    steps.push(step);
    let scalar = |text: &str, plain| Kind::Scalar(Scalar { text: text.into(), plain });
    let kind = match value {
        Value::Null => scalar("", true),
        Value::Bool(value) => scalar(if *value { "true" } else { "false" }, true),
        Value::Number(number) => scalar(&number.to_string(), true),
        Value::String(text) => scalar(text, false),
        Value::Array(items) => {
            let items = items.iter().enumerate();
            let step = |index| Step { parent: id, part: Part::Index(index) };
            Kind::Sequence(items.map(|(index, item)| node(item, step(index), steps)).collect())
        }
        Value::Object(members) => {
            let hidden = |key: &str| id == 0 && READ_ONLY_KEYS.contains(&key);
            let members = members.iter().filter(|(key, _)| !hidden(key));
            let entries = members.map(|(key, value)| {
                let value = node(value, Step { parent: id, part: Part::Key(key) }, steps);
                Entry { key: key.as_str().into(), mark: value.mark, value }
            });
            Kind::Mapping(entries.collect())
        }
    };
    Node { id, mark: Mark { file: 0, start: id, end: id }, kind }
}

/// A key as it stands in a pointer, which itself stands in a URI: `~` and `/` as RFC 6901 §3 says, and what a fragment
/// can't hold (RFC 3986 §3.5) percent-encoded.
fn escaped(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    for byte in key.bytes() {
        let _ = match byte {
            b'~' => text.write_str("~0"),
            b'/' => text.write_str("~1"),
            byte if byte.is_ascii_alphanumeric() || b"-._!$&'()*+,;=:@?".contains(&byte) => {
                text.write_char(char::from(byte))
            }
            byte => write!(text, "%{byte:02X}"),
        };
    }
    text
}
