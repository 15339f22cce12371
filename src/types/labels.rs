//! Labels of tenants: texts by name, which operators choose.

use std::fmt;

/// A tenant's labels, sorted by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(Box<[(Box<str>, Box<str>)]>);

/// Whoever has labels.
pub trait Labelled: fmt::Debug {
    /// Tells the value of a label, or that there is none. Called back once: what a tenant has may be another's a moment later.
    fn label(&self, name: &str, told: &mut dyn FnMut(Option<&str>));
}

impl Labels {
    /// These; of a name that is there twice, the last.
    #[must_use]
    pub fn new<'l>(labels: impl IntoIterator<Item = (&'l String, &'l String)>) -> Self {
        let labels = labels.into_iter().map(|(name, value)| (name.as_str().into(), value.as_str().into()));
        let sorted: std::collections::BTreeMap<Box<str>, Box<str>> = labels.collect();
        Self(sorted.into_iter().collect())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(own, _)| (**own).cmp(name)).ok()?;
        self.0.get(at).map(|(_, value)| &**value)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

impl Labelled for Labels {
    fn label(&self, name: &str, told: &mut dyn FnMut(Option<&str>)) {
        told(self.get(name));
    }
}

/// Whoever has none.
impl Labelled for () {
    fn label(&self, _: &str, told: &mut dyn FnMut(Option<&str>)) {
        told(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn labels_are_found_by_name() {
        let written: BTreeMap<String, String> =
            [("region", "eu"), ("tier", ""), ("a b", "c")].map(|(n, v)| (n.to_owned(), v.to_owned())).into();
        let labels = Labels::new(&written);
        assert_eq!(labels.get("region"), Some("eu"));
        assert_eq!(labels.get("tier"), Some(""));
        assert_eq!((labels.get("regio"), labels.get("")), (None, None));
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a b", "c"), ("region", "eu"), ("tier", "")]);
        assert!(Labels::default().is_empty());
    }
}
