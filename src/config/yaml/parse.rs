//! From text to tree.
//!
//! serde-saphyr re-exports the event parser that it is built on; its events carry byte ranges for
//! keys as well as values and the style of each scalar, which its `Spanned<T>` does not, and so
//! errors can stand at keys and interpolation can tell quoted text from plain.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle, Tag};

use super::{Entry, Kind, Node, Scalar, Value, resolve};
use crate::config::source::Mark;

/// The deepest nesting. The configuration needs eight; the decoder recurses once a level.
const DEPTH_MAX: usize = 64;

/// The most nodes that aliases may add, so that a few lines can't expand into gigabytes.
const ALIASED_NODES_MAX: u32 = 100_000;

/// A text that is no YAML document. One is reported, because what follows it is guesswork.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct SyntaxError {
    pub code: &'static str,
    pub mark: Mark,
    pub message: String,
    pub hint: Option<String>,
    /// Where the other one is, for something that is there twice.
    pub first: Option<Mark>,
}

/// What was read: the root, and errors that don't keep the rest from being understood.
pub(in crate::config) struct Parsed {
    pub root: Node,
    pub errors: Vec<SyntaxError>,
}

/// Parses the one document of a text. `ids` numbers the nodes; it goes on from one text to the next.
pub(in crate::config) fn parse(text: &str, file: u32, ids: &mut u32) -> Result<Parsed, SyntaxError> {
    let mut builder = Builder {
        text,
        file,
        ids,
        open: Vec::new(),
        anchors: HashMap::new(),
        aliased: 0,
        errors: Vec::new(),
        root: None,
    };
    let options = granit_parser::options! { emit_comments: false, disallow_directives: true };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| builder.syntax(&error))?;
        let mark = builder.mark(span);
        builder.event(event, mark)?;
    }
    let end = text.len() as u32;
    let root = builder.root.take();
    let errors = builder.errors;
    let nothing =
        || Node { id: 0, mark: Mark { file, start: 0, end: end.min(1) }, kind: Kind::Mapping(Vec::new()) };
    Ok(Parsed { root: root.unwrap_or_else(nothing), errors })
}

struct Builder<'t> {
    text: &'t str,
    file: u32,
    ids: &'t mut u32,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    aliased: u32,
    errors: Vec<SyntaxError>,
    root: Option<Node>,
}

/// A collection that has not ended yet.
struct Open {
    id: u32,
    mark: Mark,
    anchor: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<Entry>, seen: Seen, key: Option<(Box<str>, Mark, bool)>, merges: Vec<Node> },
}

impl Builder<'_> {
    fn mark(&self, span: granit_parser::Span) -> Mark {
        let range = span.byte_range().unwrap_or_default();
        Mark { file: self.file, start: range.start as u32, end: range.end as u32 }
    }

    fn syntax(&self, error: &granit_parser::ScanError) -> SyntaxError {
        let last = self.text.len().saturating_sub(1);
        let mut at = error.marker().byte_offset().unwrap_or(last).min(last);
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        let tab = error.info().contains("tab");
        let hint = if tab {
            "YAML indents with spaces, never with tabs"
        } else {
            "check indentation, quotes and brackets here and on the line before"
        };
        self.error("syntax", self.point(at), error.info(), Some(hint))
    }

    fn point(&self, at: usize) -> Mark {
        Mark { file: self.file, start: at as u32, end: at as u32 + 1 }
    }

    fn error(&self, code: &'static str, mark: Mark, message: String, hint: Option<&str>) -> SyntaxError {
        SyntaxError { code, mark, message, hint: hint.map(str::to_owned), first: None }
    }

    fn id(&mut self) -> u32 {
        *self.ids += 1;
        *self.ids
    }

    fn event(&mut self, event: Event<'_>, mark: Mark) -> Result<(), SyntaxError> {
        match event {
            Event::DocumentStart(..) if self.root.is_some() => {
                let message = "a second document starts here".into();
                Err(self.error(
                    "syntax",
                    mark,
                    message,
                    Some("write one document per file, and remove the `---` line"),
                ))
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = self.plain(style, tag.as_deref(), mark)?;
                let id = self.id();
                let scalar = Scalar { text: text.into(), plain };
                self.finished(Node { id, mark, kind: Kind::Scalar(scalar) }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.plain(ScalarStyle::Plain, tag.as_deref(), mark)?;
                self.open(anchor, mark, Content::Sequence(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.plain(ScalarStyle::Plain, tag.as_deref(), mark)?;
                let content = Content::Mapping {
                    entries: Vec::new(),
                    seen: Seen::default(),
                    key: None,
                    merges: Vec::new(),
                };
                self.open(anchor, mark, content)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(mark),
            Event::Alias(anchor) => self.alias(anchor, mark),
            _ => Ok(()),
        }
    }

    fn plain(&self, style: ScalarStyle, tag: Option<&Tag>, mark: Mark) -> Result<bool, SyntaxError> {
        let Some(tag) = tag else { return Ok(style == ScalarStyle::Plain) };
        match tag.to_string().trim_start_matches("tag:yaml.org,2002:").trim_start_matches('!') {
            "str" => Ok(false),
            "" | "null" | "bool" | "int" | "float" | "seq" | "map" => Ok(style == ScalarStyle::Plain),
            _ => Err(self.error(
                "syntax",
                mark,
                "YAML tags mean nothing here".into(),
                Some("remove the `!` tag"),
            )),
        }
    }

    fn open(&mut self, anchor: usize, mark: Mark, content: Content) -> Result<(), SyntaxError> {
        if let Some(Open { content: Content::Mapping { key: None, .. }, .. }) = self.open.last() {
            return Err(self.error(
                "syntax",
                mark,
                "a key must be a text".into(),
                Some("quote a value that starts with `{` or `[`"),
            ));
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(self.error("syntax", mark, format!("nested deeper than {DEPTH_MAX} levels"), None));
        }
        let id = self.id();
        self.open.push(Open { id, mark, anchor, content });
        Ok(())
    }

    fn close(&mut self, end: Mark) -> Result<(), SyntaxError> {
        let Some(Open { id, mark, anchor, content }) = self.open.pop() else { return Ok(()) };
        let kind = match content {
            Content::Sequence(items) => Kind::Sequence(items),
            Content::Mapping { mut entries, mut seen, merges, .. } => {
                for merge in merges {
                    self.merge(merge, &mut entries, &mut seen)?;
                }
                Kind::Mapping(entries)
            }
        };
        let mark = Mark { end: end.end.max(mark.end), ..mark };
        self.finished(Node { id, mark, kind }, anchor)
    }

    /// Gives a whole node to the collection that it stands in.
    fn finished(&mut self, node: Node, anchor: usize) -> Result<(), SyntaxError> {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        let Content::Mapping { entries, seen, key, merges } = &mut open.content else {
            if let Content::Sequence(items) = &mut open.content {
                items.push(node);
            }
            return Ok(());
        };
        let Some((name, mark, plain)) = key.take() else {
            let Kind::Scalar(scalar) = node.kind else {
                return Err(self.error("syntax", node.mark, "a key must be a text".into(), None));
            };
            *key = Some((scalar.text, node.mark, scalar.plain));
            return Ok(());
        };
        if &*name == "<<" && plain {
            merges.push(node);
        } else if let Some(first) = seen.find(&name, entries) {
            let message = format!("the key `{name}` is there twice");
            let hint = Some("merge the two, or remove one".into());
            self.errors.push(SyntaxError { code: "duplicate-key", mark, message, hint, first: Some(first) });
        } else {
            entries.push(Entry { key: name, mark, value: node });
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, mark: Mark) -> Result<(), SyntaxError> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(self.error(
                "syntax",
                mark,
                "an alias can't stand inside of what it names".into(),
                None,
            ));
        };
        let mut node = node.clone();
        let depth = self.renumber(&mut node);
        if self.aliased > ALIASED_NODES_MAX || self.open.len() + depth > DEPTH_MAX {
            return Err(self.error(
                "syntax",
                mark,
                "aliases expand into too much".into(),
                Some("write the values out"),
            ));
        }
        self.finished(node, 0)
    }

    /// Gives the copy of an anchored node ids of its own, and returns how deep it is.
    fn renumber(&mut self, node: &mut Node) -> usize {
        node.id = self.id();
        self.aliased = self.aliased.saturating_add(1);
        let below = match &mut node.kind {
            Kind::Scalar(_) => 0,
            Kind::Sequence(items) => items.iter_mut().map(|item| self.renumber(item)).max().unwrap_or(0),
            Kind::Mapping(entries) => {
                entries.iter_mut().map(|entry| self.renumber(&mut entry.value)).max().unwrap_or(0)
            }
        };
        below + 1
    }

    /// `<<: *defaults`: entries that are not there yet, from a mapping or a list of them.
    fn merge(&mut self, from: Node, entries: &mut Vec<Entry>, seen: &mut Seen) -> Result<(), SyntaxError> {
        match from.kind {
            Kind::Mapping(more) => {
                for entry in more {
                    if seen.find(&entry.key, entries).is_none() {
                        entries.push(entry);
                    }
                }
                Ok(())
            }
            Kind::Sequence(items) => items.into_iter().try_for_each(|item| self.merge(item, entries, seen)),
            Kind::Scalar(scalar) if matches!(resolve(&scalar), Value::Null) => Ok(()),
            Kind::Scalar(_) => {
                Err(self.error("syntax", from.mark, "`<<` merges a mapping, and this is none".into(), None))
            }
        }
    }
}

/// The keys of a mapping so far. Small mappings, which are nearly all, are searched as they are.
#[derive(Default)]
struct Seen(HashMap<Box<str>, Mark>);

impl Seen {
    fn find(&mut self, key: &str, entries: &[Entry]) -> Option<Mark> {
        const SMALL: usize = 16;
        if entries.len() <= SMALL {
            return entries.iter().find(|entry| &*entry.key == key).map(|entry| entry.mark);
        }
        let known = self.0.len();
        self.0.extend(entries.iter().skip(known).map(|entry| (entry.key.clone(), entry.mark)));
        self.0.get(key).copied()
    }
}
