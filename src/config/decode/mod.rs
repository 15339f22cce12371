//! From the tree to Serde types, with every error in one go.
//!
//! Serde stops at the first error. So the decoder does it again: it reports the error where it
//! stands, marks that value as poisoned, and decodes anew, now passing over poisoned values as
//! if they had not been written. [`List`] and [`Entries`] do so for each of their elements on
//! its own, so that an error in one tenant costs no second reading of the others.

mod access;
mod error;
mod node;
mod wrappers;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;

use serde::de::DeserializeOwned;

use super::findings::Findings;
use super::yaml::{Environment, Kind, Node, interpolate};

pub(super) use error::DecodeError;
pub(super) use wrappers::{Entries, List, OneOrList, Spanned, Unsupported, WordOr};

use error::Flaw;
use node::NodeDecoder;

/// What decoding of one load remembers from one try to the next.
pub(super) struct Decoder<'f> {
    findings: &'f Findings,
    poisoned: RefCell<HashSet<u32>>,
    refused: RefCell<HashSet<u32>>,
    in_unsupported: Cell<bool>,
    /// Whether it reads JSON: a text is never a number there, a number never a text, and there are no lines to show.
    json: bool,
}

/// Whether another try makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Again,
    GiveUp,
}

impl<'f> Decoder<'f> {
    pub fn new(findings: &'f Findings) -> Self {
        Self {
            findings,
            poisoned: RefCell::default(),
            refused: RefCell::default(),
            in_unsupported: Cell::new(false),
            json: false,
        }
    }

    /// A decoder of trees that were made from JSON.
    pub fn of_json(findings: &'f Findings) -> Self {
        Self { json: true, ..Self::new(findings) }
    }

    /// Fills variables into a tree. What can't be filled in is reported and poisoned.
    pub fn interpolate(&self, root: &mut Node, environment: &Environment<'_>) {
        root.scalars(false, &mut |id, mark, scalar, _| match interpolate(&scalar.text, environment) {
            Ok(None) => {}
            Ok(Some(filled)) => {
                scalar.text = filled.text.as_str().into();
                self.findings.filled(mark, filled);
            }
            Err(error) => {
                self.findings.error(error.code(), mark, error.to_string());
                self.poison(id);
            }
        });
    }

    /// Decodes a tree. Every error is reported; `None` where nothing of the value is left.
    pub fn decode<T: DeserializeOwned>(&self, root: &Node) -> Option<T> {
        loop {
            match T::deserialize(NodeDecoder { node: root, key: None, decoder: self }) {
                Ok(value) => return Some(value),
                Err(error) if self.absorb(&error, root) == Verdict::GiveUp => return None,
                Err(_) => {}
            }
        }
    }

    /// Reports an error and poisons where it stands.
    fn absorb(&self, error: &DecodeError, root: &Node) -> Verdict {
        if let Some(flaw) = error.flaw() {
            self.report(error, flaw);
        }
        let Some(at) = error.place() else { return Verdict::GiveUp };
        // What was poisoned before and still is in the way can't be passed over.
        let stuck = !self.poison(at.id);
        if stuck || at.id == root.id || self.findings.full(root.mark.file) {
            Verdict::GiveUp
        } else {
            Verdict::Again
        }
    }

    fn report(&self, error: &DecodeError, flaw: &Flaw) {
        let Some(place) = error.place() else { return };
        let (code, message, hint) = flaw.describe(self.json);
        self.findings.error(code, place.mark, message).maybe_hint(hint);
    }

    /// Marks a value to be passed over, and tells whether it was not marked before.
    fn poison(&self, id: u32) -> bool {
        self.poisoned.borrow_mut().insert(id)
    }

    fn is_poisoned(&self, id: u32) -> bool {
        let poisoned = self.poisoned.borrow();
        !poisoned.is_empty() && poisoned.contains(&id)
    }

    /// Whether a mapping had a key whose value was passed over.
    fn had_poisoned(&self, node: &Node, key: &str) -> bool {
        match &node.kind {
            Kind::Mapping(entries) => {
                entries.iter().any(|entry| &*entry.key == key && self.is_poisoned(entry.value.id))
            }
            _ => false,
        }
    }
}
