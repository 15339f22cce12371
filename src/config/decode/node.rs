//! A node as a Serde deserializer.

use serde::de::{Deserializer, Error as _, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::Decoder;
use super::access::{Choice, EntriesOf, Items, Retries, WithMarks};
use super::error::{DecodeError, Flaw, Place};
use super::wrappers::{ENTRIES, RECOVER, SPANNED, UNSUPPORTED, WORD_OR};
use crate::config::source::Mark;
use crate::config::yaml::{Entry, Kind, Node, Scalar, Value, resolve};

/// Decodes one node; `key` is where its key stands, if it has one.
#[derive(Clone, Copy)]
pub(super) struct NodeDecoder<'a> {
    pub node: &'a Node,
    pub key: Option<(Mark, &'a str)>,
    pub decoder: &'a Decoder<'a>,
}

impl<'a> NodeDecoder<'a> {
    fn place(self) -> Place {
        Place { id: self.node.id, mark: self.node.mark }
    }

    fn finish<T>(self, result: Result<T, DecodeError>) -> Result<T, DecodeError> {
        result.map_err(|error| {
            if error.place().is_some() {
                return error;
            }
            // A key that is missing because its value was reported is no second error; and a
            // whole mapping is too much to underline for one that is.
            let missing = match error.flaw() {
                Some(Flaw::MissingKey(key)) => Some(*key),
                _ => None,
            };
            let Some(missing) = missing else { return error.at(|| self.place()) };
            let reported = self.decoder.had_poisoned(self.node, missing);
            let mark = self.key.map_or(self.first_of_mapping(), |(mark, _)| mark);
            let error = error.at(|| Place { mark, ..self.place() });
            if reported { error.silenced() } else { error }
        })
    }

    fn first_of_mapping(self) -> Mark {
        match &self.node.kind {
            Kind::Mapping(entries) if !self.decoder.json => {
                entries.first().map_or(self.node.mark, |entry| entry.mark)
            }
            _ => self.node.mark,
        }
    }

    pub fn unexpected(self) -> Unexpected<'a> {
        match &self.node.kind {
            Kind::Sequence(_) => Unexpected::Seq,
            Kind::Mapping(_) => Unexpected::Map,
            Kind::Scalar(scalar) => match resolve(scalar) {
                Value::Null => Unexpected::Unit,
                Value::Bool(value) => Unexpected::Bool(value),
                Value::Unsigned(number) => Unexpected::Unsigned(number),
                Value::Signed(number) => Unexpected::Signed(number),
                Value::Float(number) => Unexpected::Float(number),
                Value::Text(text) => Unexpected::Str(text),
            },
        }
    }

    fn wrong_type<'de, V: Visitor<'de>>(self, visitor: &V) -> DecodeError {
        DecodeError::invalid_type(self.unexpected(), visitor)
    }

    fn can_be_text(self, scalar: &Scalar) -> bool {
        if self.decoder.json { !scalar.plain } else { !self.node.is_null() }
    }

    fn sequence(self) -> Option<&'a [Node]> {
        match &self.node.kind {
            Kind::Sequence(items) => Some(items),
            _ if self.node.is_null() => Some(&[]),
            _ => None,
        }
    }

    fn mapping(self) -> Option<&'a [Entry]> {
        match &self.node.kind {
            Kind::Mapping(entries) => Some(entries),
            _ if self.node.is_null() => Some(&[]),
            _ => None,
        }
    }
}

impl<'de, 'a> Deserializer<'de> for NodeDecoder<'a> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let result = match &self.node.kind {
            Kind::Sequence(items) => visitor.visit_seq(Items { items: items.iter(), decoder: self.decoder }),
            Kind::Mapping(entries) => visitor.visit_map(EntriesOf::new(entries, self.decoder)),
            Kind::Scalar(scalar) => match resolve(scalar) {
                Value::Null => visitor.visit_unit(),
                Value::Bool(value) => visitor.visit_bool(value),
                Value::Unsigned(number) => visitor.visit_u64(number),
                Value::Signed(number) => visitor.visit_i64(number),
                Value::Float(number) => visitor.visit_f64(number),
                Value::Text(text) => visitor.visit_str(text),
            },
        };
        self.finish(result)
    }

    /// Numbers and booleans are taken as they were written where a text is wanted, but for JSON, which quotes every text.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let result = match &self.node.kind {
            Kind::Scalar(scalar) if self.can_be_text(scalar) => visitor.visit_str(&scalar.text),
            _ => Err(self.wrong_type(&visitor)),
        };
        self.finish(result)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.node.is_null() { self.finish(visitor.visit_none()) } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match name {
            SPANNED => visitor.visit_seq(WithMarks { of: self, given: 0 }),
            RECOVER => visitor.visit_seq(Retries { of: self }),
            ENTRIES => {
                let result = match self.mapping() {
                    Some(entries) => {
                        let mut all = EntriesOf::new(entries, self.decoder);
                        all.keep_poisoned = true;
                        visitor.visit_map(all)
                    }
                    None => Err(self.wrong_type(&visitor)),
                };
                self.finish(result)
            }
            WORD_OR => match &self.node.kind {
                Kind::Scalar(_) => self.deserialize_str(visitor),
                _ => self.deserialize_any(visitor),
            },
            UNSUPPORTED => {
                let decoder = self.decoder;
                let outermost = !decoder.in_unsupported.replace(true);
                if outermost && decoder.refused.borrow_mut().insert(self.node.id) {
                    let (mark, key) = self.key.unwrap_or((self.node.mark, "this"));
                    decoder.findings.not_supported(mark, &format!("`{key}`"));
                }
                let result = visitor.visit_newtype_struct(self);
                decoder.in_unsupported.set(!outermost);
                result
            }
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let result = match self.sequence() {
            Some(items) => visitor.visit_seq(Items { items: items.iter(), decoder: self.decoder }),
            None if self.mapping().is_some() && !self.decoder.json => {
                Err(self.wrong_type(&visitor).with_hint("write `- ` before each element".to_owned()))
            }
            None => Err(self.wrong_type(&visitor)),
        };
        self.finish(result)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let result = match self.mapping() {
            Some(entries) => visitor.visit_map(EntriesOf::new(entries, self.decoder)),
            None => Err(self.wrong_type(&visitor)),
        };
        self.finish(result)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if self.mapping().is_none() && keys.len() <= 6 {
            let list = keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
            let hint = format!("write a mapping with {list}");
            return self.finish(Err(self.wrong_type(&visitor).with_hint(hint)));
        }
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let result = match &self.node.kind {
            Kind::Scalar(_) if !self.node.is_null() => visitor.visit_enum(Choice { of: self, entry: None }),
            Kind::Mapping(entries) => match entries.as_slice() {
                [entry] if self.decoder.is_poisoned(entry.value.id) => Err(DecodeError::silent()),
                [entry] => visitor.visit_enum(Choice { of: self, entry: Some(entry) }),
                _ => Err(DecodeError::custom("expected one word, or a mapping with one key")),
            },
            _ => Err(self.wrong_type(&visitor)),
        };
        self.finish(result)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        tuple tuple_struct
    }
}
