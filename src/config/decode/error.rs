//! Why a value can't be decoded, and which value that is.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use crate::config::source::Mark;
use crate::config::suggest;

/// An error of decoding. It remembers the innermost value that it passed on its way out.
#[derive(Debug)]
pub(in crate::config) struct DecodeError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    flaw: Option<Flaw>,
    place: Option<Place>,
}

/// The value that an error is about.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct Place {
    pub id: u32,
    pub mark: Mark,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) enum Flaw {
    Custom(String),
    Type { expected: String, found: String, hint: Option<String> },
    UnknownKey { key: String, known: &'static [&'static str] },
    UnknownWord { word: String, known: &'static [&'static str] },
    MissingKey(&'static str),
}

impl DecodeError {
    pub fn new(flaw: Flaw) -> Self {
        Self(Box::new(Inner { flaw: Some(flaw), place: None }))
    }

    /// An error that was reported already, and only has to find its way out.
    pub fn silent() -> Self {
        Self(Box::new(Inner { flaw: None, place: None }))
    }

    /// The same error at a value, unless it already stands at an inner one.
    pub fn at(mut self, place: impl FnOnce() -> Place) -> Self {
        if self.0.place.is_none() {
            self.0.place = Some(place());
        }
        self
    }

    /// The same error without words, where they would tell again what was told.
    pub fn silenced(mut self) -> Self {
        self.0.flaw = None;
        self
    }

    /// The same error with what to write instead of a value of the wrong type.
    pub fn with_hint(mut self, how: String) -> Self {
        if let Some(Flaw::Type { hint, .. }) = &mut self.0.flaw {
            *hint = Some(how);
        }
        self
    }

    /// The same error, about a key: a choice that is written as a key is an unknown one.
    pub fn of_key(mut self) -> Self {
        if let Some(Flaw::UnknownWord { word, known }) = self.0.flaw {
            self.0.flaw = Some(Flaw::UnknownKey { key: word, known });
        }
        self
    }

    pub fn flaw(&self) -> Option<&Flaw> {
        self.0.flaw.as_ref()
    }

    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }
}

impl Flaw {
    /// The code, the message and a hint, as they fit YAML or JSON.
    pub fn describe(&self, json: bool) -> (&'static str, String, Option<String>) {
        match self {
            Self::Custom(message) => ("invalid-value", message.clone(), None),
            Self::Type { expected, found, hint } => {
                let yes_or_no = || {
                    let hint = match json {
                        true => "write true or false without quotes",
                        false => "YAML 1.2 knows only true and false",
                    };
                    (expected == "true or false" && found.starts_with("the text")).then(|| hint.to_owned())
                };
                let hint = hint.clone().or_else(yes_or_no);
                ("invalid-type", format!("expected {expected}, found {found}"), hint)
            }
            Self::UnknownKey { key, known } => {
                ("unknown-key", format!("unknown key `{key}`"), suggest::hint(key, known.iter().copied()))
            }
            Self::UnknownWord { word, known } => (
                "invalid-value",
                format!("`{word}` is none of the values that this may have"),
                suggest::hint(word, known.iter().copied()),
            ),
            Self::MissingKey(key) => {
                let hint = if json { format!("add `\"{key}\"` here") } else { format!("add `{key}:` here") };
                ("missing-key", format!("the key `{key}` is missing"), Some(hint))
            }
        }
    }
}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Flaw::Custom(message.to_string()))
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Flaw::Type { expected: name_of_expected(expected), found: name_of(unexpected), hint: None })
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Flaw::UnknownWord { word: variant.to_owned(), known: expected })
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Flaw::UnknownKey { key: field.to_owned(), known: expected })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Flaw::MissingKey(field))
    }
}

fn name_of(unexpected: Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(number) => format!("`{number}`"),
        Unexpected::Signed(number) => format!("`{number}`"),
        Unexpected::Float(number) => format!("`{number}`"),
        Unexpected::Str(text) => format!("the text `{text}`"),
        Unexpected::Unit | Unexpected::Option => "nothing".into(),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map => "a mapping".into(),
        other => other.to_string(),
    }
}

/// Rust's names of types mean nothing to operators.
fn name_of_expected(expected: &dyn Expected) -> String {
    let name = expected.to_string();
    match name.as_str() {
        "u8" => "a whole number from 0 to 255".into(),
        "u16" => "a whole number from 0 to 65535".into(),
        "u32" => "a whole number from 0 to 4294967295".into(),
        "u64" | "usize" => "a whole number".into(),
        "a nonzero u32" | "a nonzero usize" | "a nonzero u64" => "a whole number above 0".into(),
        "f32" | "f64" => "a number".into(),
        "a boolean" => "true or false".into(),
        "a string" | "a borrowed string" => "a text".into(),
        "a sequence" => "a list".into(),
        "a map" => "a mapping".into(),
        _ if name.starts_with("struct ") => "a mapping".into(),
        _ if name.starts_with("enum ") => "a value".into(),
        _ => name,
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.flaw() {
            Some(flaw) => f.write_str(&flaw.describe(false).1),
            None => f.write_str("reported before"),
        }
    }
}

impl std::error::Error for DecodeError {}
