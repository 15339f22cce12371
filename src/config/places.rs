//! Where settings were written: a file read anew, and looked into by the way to a key. For `explain`; whoever serves keeps no places.

use std::path::Path;

use super::document::Origin;
use super::source::{Mark, Sources};
use super::yaml::{self, Entry, Kind, Node};

/// The places of one file.
#[derive(Debug)]
pub struct Places {
    sources: Sources,
    root: Node,
}

/// One step on the way to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The value of a key. Names of header fields are found in any case.
    Key(String),
    /// The element of a list that is this word, or has it for its `name` or `id`.
    Named(String),
    /// The element at a place, from 0.
    At(usize),
}

impl Step {
    /// The steps of keys below each other.
    #[must_use]
    pub fn keys(keys: &[&str]) -> Vec<Self> {
        keys.iter().map(|key| Self::Key((*key).to_owned())).collect()
    }
}

impl Places {
    /// Those of a file. `None` where it can't be read, or is no YAML.
    #[must_use]
    pub fn of_file(path: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(path).ok()?;
        Self::of_text(&text, &path.display().to_string())
    }

    /// Those of a text.
    #[must_use]
    pub fn of_text(text: &str, name: &str) -> Option<Self> {
        let mut sources = Sources::default();
        let file = sources.add(name, text);
        let parsed = yaml::parse(text, file, &mut 0).ok()?;
        Some(Self { sources, root: parsed.root })
    }

    /// Where the value at the end of a way was written: its key, where it has one. `None` where nothing is written there.
    #[must_use]
    pub fn of(&self, way: &[Step]) -> Option<Origin> {
        let mut at = (&self.root, self.root.mark);
        for step in way {
            at = next(at.0, step)?;
        }
        Some(self.sources.origin(at.1))
    }
}

fn next<'n>(node: &'n Node, step: &Step) -> Option<(&'n Node, Mark)> {
    match (&node.kind, step) {
        (Kind::Mapping(entries), Step::Key(key)) => {
            let exact = entries.iter().find(|entry| *entry.key == **key);
            let entry = exact.or_else(|| entries.iter().find(|entry| entry.key.eq_ignore_ascii_case(key)))?;
            Some((&entry.value, entry.mark))
        }
        (Kind::Sequence(items), Step::Named(name)) => {
            let item = items.iter().find(|item| is_named(item, name))?;
            Some((item, first_mark(item)))
        }
        (Kind::Sequence(items), Step::At(at)) => items.get(*at).map(|item| (item, first_mark(item))),
        _ => None,
    }
}

fn is_named(item: &Node, name: &str) -> bool {
    let is = |node: &Node| matches!(&node.kind, Kind::Scalar(scalar) if *scalar.text == *name);
    match &item.kind {
        Kind::Mapping(entries) => {
            entries.iter().any(|entry| matches!(&*entry.key, "name" | "id") && is(&entry.value))
        }
        _ => is(item),
    }
}

/// Where the first key of an element stands: what people call its line.
fn first_mark(item: &Node) -> Mark {
    match &item.kind {
        Kind::Mapping(entries) => entries.first().map_or(item.mark, |Entry { mark, .. }| *mark),
        _ => item.mark,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_way() {
        let text = "plans:\n  free:\n    rate_limit: { rate: 5/s,\n      burst: 10 }\n    features:\n      - reports\n\
                    \x20     - { name: sso, percent: 5 }\n    request_headers: { set: { X-Tier: free } }\n\
                    tenants:\n- { id: acme }\n-\n  id: globex\n  plan: free\n";
        let places = Places::of_text(text, "t.yaml").unwrap();
        let line = |way: &[Step]| places.of(way).map(|origin| origin.line);
        let free = |rest: &[Step]| [&Step::keys(&["plans", "free"])[..], rest].concat();
        assert_eq!(line(&free(&Step::keys(&["rate_limit", "rate"]))), Some(3));
        assert_eq!(line(&free(&Step::keys(&["rate_limit", "burst"]))), Some(4));
        assert_eq!(line(&free(&Step::keys(&["rate_limit", "shadow"]))), None);
        let named = |name: &str| free(&[Step::Key("features".into()), Step::Named(name.into())]);
        assert_eq!(
            (line(&named("reports")), line(&named("sso")), line(&named("x"))),
            (Some(6), Some(7), None)
        );
        assert_eq!(line(&free(&Step::keys(&["request_headers", "set", "x-tier"]))), Some(8));
        let plan_of =
            |id: &str| [Step::Key("tenants".into()), Step::Named(id.into()), Step::Key("plan".into())];
        assert_eq!((line(&plan_of("globex")), line(&plan_of("acme"))), (Some(13), None));
        assert_eq!(line(&[Step::Key("tenants".into()), Step::At(1)]), Some(12));
        assert_eq!(places.of(&Step::keys(&["plans"])).unwrap().to_string(), "t.yaml:1");
        assert!(Places::of_text("a: [", "t.yaml").is_none());
    }
}
