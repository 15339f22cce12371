//! What is inside of a node: elements, entries, choices, and the marks beside a value.

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::error::{DecodeError, Place};
use super::node::NodeDecoder;
use super::wrappers::SPANNED;
use super::{Decoder, Verdict};
use crate::config::source::Mark;
use crate::config::yaml::{Entry, Node};

pub(super) struct Items<'a> {
    pub items: std::slice::Iter<'a, Node>,
    pub decoder: &'a Decoder<'a>,
}

impl<'de, 'a> SeqAccess<'de> for Items<'a> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let decoder = self.decoder;
        match self.items.find(|node| !decoder.is_poisoned(node.id)) {
            Some(node) => seed.deserialize(NodeDecoder { node, key: None, decoder }).map(Some),
            None => Ok(None),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

pub(super) struct EntriesOf<'a> {
    entries: std::slice::Iter<'a, Entry>,
    value: Option<&'a Entry>,
    decoder: &'a Decoder<'a>,
    /// Whether entries are given whose values were passed over, for the sake of their names.
    pub keep_poisoned: bool,
}

impl<'a> EntriesOf<'a> {
    pub fn new(entries: &'a [Entry], decoder: &'a Decoder<'a>) -> Self {
        Self { entries: entries.iter(), value: None, decoder, keep_poisoned: false }
    }
}

impl<'de, 'a> MapAccess<'de> for EntriesOf<'a> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let decoder = self.decoder;
        let all = self.keep_poisoned;
        self.value = self.entries.find(|entry| all || !decoder.is_poisoned(entry.value.id));
        match self.value {
            Some(entry) => seed.deserialize(KeyDecoder { entry }).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let entry = self.value.take().ok_or_else(DecodeError::silent)?;
        let key = Some((entry.mark, &*entry.key));
        seed.deserialize(NodeDecoder { node: &entry.value, key, decoder: self.decoder })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// Decodes a key. An error at a key poisons its value: the entry is passed over.
struct KeyDecoder<'a> {
    entry: &'a Entry,
}

impl<'de> Deserializer<'de> for KeyDecoder<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let place = || Place { id: self.entry.value.id, mark: self.entry.mark };
        visitor.visit_str(&self.entry.key).map_err(|error: DecodeError| error.of_key().at(place))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if name == SPANNED {
            let mark = self.entry.mark;
            visitor.visit_seq(KeyWithMarks { of: Some(self), mark, given: 0 })
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// A value preceded by the numbers of its own mark and its key's.
pub(super) struct WithMarks<'a> {
    pub of: NodeDecoder<'a>,
    pub given: u8,
}

fn number_of_mark(own: Mark, key: Mark, index: u8) -> Option<u32> {
    [own.file, own.start, own.end, key.start, key.end].get(usize::from(index)).copied()
}

impl<'de> SeqAccess<'de> for WithMarks<'_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let own = self.of.node.mark;
        let key = self.of.key.map_or(own, |(mark, _)| mark);
        let number = number_of_mark(own, key, self.given);
        self.given = self.given.saturating_add(1);
        match number {
            Some(number) => seed.deserialize(number.into_deserializer()).map(Some),
            None => seed.deserialize(self.of).map(Some),
        }
    }
}

struct KeyWithMarks<'a> {
    of: Option<KeyDecoder<'a>>,
    mark: Mark,
    given: u8,
}

impl<'de> SeqAccess<'de> for KeyWithMarks<'_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let number = number_of_mark(self.mark, self.mark, self.given);
        self.given = self.given.saturating_add(1);
        match number {
            Some(number) => seed.deserialize(number.into_deserializer()).map(Some),
            None => self.of.take().map(|key| seed.deserialize(key)).transpose(),
        }
    }
}

/// The same value again and again, for [`super::List`] and [`super::Entries`]: an `Err` asks for
/// another try, `None` says that nothing of it is left.
pub(super) struct Retries<'a> {
    pub of: NodeDecoder<'a>,
}

impl<'de> SeqAccess<'de> for Retries<'_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let NodeDecoder { node, decoder, .. } = self.of;
        if decoder.is_poisoned(node.id) {
            return Ok(None);
        }
        match seed.deserialize(self.of) {
            Ok(value) => Ok(Some(value)),
            Err(error) if decoder.absorb(&error, node) == Verdict::Again => Err(DecodeError::silent()),
            Err(_) => {
                decoder.poison(node.id);
                Ok(None)
            }
        }
    }
}

/// An enum: a word, or a mapping with one key.
pub(super) struct Choice<'a> {
    pub of: NodeDecoder<'a>,
    pub entry: Option<&'a Entry>,
}

impl<'de, 'a> EnumAccess<'de> for Choice<'a> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), DecodeError> {
        let variant = match self.entry {
            Some(entry) => seed.deserialize(KeyDecoder { entry })?,
            None => seed.deserialize(self.of)?,
        };
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'_> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        match self.entry {
            None => Ok(()),
            Some(entry) => {
                Err(DecodeError::custom(format!("`{}` stands alone\nwrite just `{0}`", entry.key)))
            }
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, DecodeError> {
        match self.entry {
            Some(entry) => {
                let key = Some((entry.mark, &*entry.key));
                seed.deserialize(NodeDecoder { node: &entry.value, key, decoder: self.of.decoder })
            }
            None => {
                let Unexpected::Str(word) = self.of.unexpected() else { return Err(DecodeError::silent()) };
                Err(DecodeError::custom(format!("`{word}` needs a value\nwrite `{word}: …`")))
            }
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DecodeError> {
        Err(de::Error::invalid_type(self.of.unexpected(), &visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        Err(de::Error::invalid_type(self.of.unexpected(), &visitor))
    }
}
