//! Changes to header fields.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::facts::Facts;
use crate::types::FieldValue;

/// Fields to remove, to set and to add, in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderRules {
    /// Set, replacing what was there.
    pub set: Vec<(HeaderName, FieldValue)>,
    /// Added as a further line.
    pub add: Vec<(HeaderName, FieldValue)>,
    /// Removed.
    pub remove: Vec<HeaderName>,
}

impl HeaderRules {
    /// Changes the fields of a request or its response.
    pub fn apply(&self, fields: &mut HeaderMap, facts: &Facts<'_>) {
        for name in &self.remove {
            fields.remove(name);
        }
        for (name, value) in &self.set {
            match filled(value, facts) {
                Some(value) => _ = fields.insert(name.clone(), value),
                // What can't stand in a field must not leave there what the client said.
                None => _ = fields.remove(name),
            }
        }
        for (name, value) in &self.add {
            if let Some(value) = filled(value, facts) {
                fields.append(name.clone(), value);
            }
        }
    }
}

/// The value for a request; `None` where what was filled in can't stand in a field.
fn filled(value: &FieldValue, facts: &Facts<'_>) -> Option<HeaderValue> {
    match value {
        FieldValue::Fixed(value) => Some(value.clone()),
        FieldValue::Filled(wording) => HeaderValue::try_from(facts.fill(wording)).ok(),
    }
}
