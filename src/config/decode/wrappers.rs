//! Types that ask the decoder for more than Serde gives: marks, recovery, refusal.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer, StrDeserializer};
use serde::de::{self, Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::config::source::Mark;

pub(super) const SPANNED: &str = "$tollgate::Spanned";
pub(super) const RECOVER: &str = "$tollgate::Recover";
pub(super) const ENTRIES: &str = "$tollgate::Entries";
pub(super) const WORD_OR: &str = "$tollgate::WordOr";
pub(super) const UNSUPPORTED: &str = "$tollgate::Unsupported";

/// A value that knows where it was written, and where its key was.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct Spanned<T> {
    pub value: T,
    pub mark: Mark,
    /// The key's place; the value's own for elements of lists.
    pub key: Mark,
}

/// A list of which each element is decoded on its own: bad ones are reported and left out.
#[derive(Clone, Debug)]
pub(in crate::config) struct List<T>(pub Vec<T>);

/// A mapping from names of the operator's choosing, in the order of the file.
#[derive(Clone, Debug)]
pub(in crate::config) struct Entries<T>(pub Vec<EntryOf<T>>);

/// An entry; its value is `None` where it was bad and reported, so that its name is still known.
#[derive(Clone, Debug)]
pub(in crate::config) struct EntryOf<T> {
    pub key: Spanned<String>,
    pub value: Option<T>,
}

/// A value of the surface that later versions give a meaning: its type is checked, then it is refused.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct Unsupported<T>(PhantomData<fn() -> T>);

/// A single word, or a mapping.
#[derive(Clone, Debug)]
pub(in crate::config) enum WordOr<W, M> {
    Word(W),
    Mapping(M),
}

/// A value that is written as one text, or several of them in a list.
#[derive(Clone, Debug)]
pub(in crate::config) enum OneOrList<T> {
    One(T),
    List(List<Spanned<T>>),
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Entries<T> {
    /// The names, also of entries that were bad.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|entry| entry.key.value.as_str())
    }

    /// The entries that could be read.
    pub fn iter(&self) -> impl Iterator<Item = (&Spanned<String>, &T)> {
        self.0.iter().filter_map(|entry| entry.value.as_ref().map(|value| (&entry.key, value)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Marked<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Marked<T> {
            type Value = Spanned<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value with its place")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Spanned<T>, A::Error> {
                let mut number =
                    || -> Result<u32, A::Error> { parts.next_element().map(Option::unwrap_or_default) };
                let mark = Mark { file: number()?, start: number()?, end: number()? };
                let key = Mark { file: mark.file, start: number()?, end: number()? };
                let value = parts.next_element()?.ok_or_else(|| A::Error::custom("nothing was written"))?;
                Ok(Spanned { value, mark, key })
            }
        }

        deserializer.deserialize_newtype_struct(SPANNED, Marked(PhantomData))
    }
}

/// A value that is tried until it decodes or nothing of it is left.
struct Recovered<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Recovered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Retry<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Retry<T> {
            type Value = Recovered<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut tries: A) -> Result<Recovered<T>, A::Error> {
                loop {
                    if let Ok(value) = tries.next_element() {
                        return Ok(Recovered(value));
                    }
                }
            }
        }

        deserializer.deserialize_newtype_struct(RECOVER, Retry(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<List<T>, A::Error> {
                let mut list = Vec::with_capacity(items.size_hint().unwrap_or_default());
                while let Some(Recovered(item)) = items.next_element()? {
                    list.extend(item);
                }
                Ok(List(list))
            }
        }

        deserializer.deserialize_seq(Items(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Pairs<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
                let mut entries = Vec::with_capacity(map.size_hint().unwrap_or_default());
                while let Some((key, Recovered(value))) = map.next_entry()? {
                    entries.push(EntryOf { key, value });
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_newtype_struct(ENTRIES, Pairs(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Unsupported<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Refused<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Refused<T> {
            type Value = Unsupported<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Self::Value, D::Error> {
                T::deserialize(deserializer).map(|_| Unsupported(PhantomData))
            }
        }

        deserializer.deserialize_newtype_struct(UNSUPPORTED, Refused(PhantomData))
    }
}

impl<'de, W: Deserialize<'de>, M: Deserialize<'de>> Deserialize<'de> for WordOr<W, M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<W, M>(PhantomData<(W, M)>);

        impl<'de, W: Deserialize<'de>, M: Deserialize<'de>> Visitor<'de> for Either<W, M> {
            type Value = WordOr<W, M>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word or a mapping")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Self::Value, E> {
                W::deserialize(StrDeserializer::new(word)).map(WordOr::Word)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                M::deserialize(MapAccessDeserializer::new(map)).map(WordOr::Mapping)
            }
        }

        deserializer.deserialize_newtype_struct(WORD_OR, Either(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrList<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = OneOrList<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one value or a list of them")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                T::deserialize(StrDeserializer::new(text)).map(OneOrList::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
                List::deserialize(SeqAccessDeserializer::new(items)).map(OneOrList::List)
            }
        }

        deserializer.deserialize_newtype_struct(WORD_OR, Either(PhantomData))
    }
}

/// The schema of a wrapper is that of what it wraps.
macro_rules! schema_of {
    ($wrapper:ident, $inner:ty) => {
        impl<T: JsonSchema> JsonSchema for $wrapper<T> {
            fn inline_schema() -> bool {
                <$inner>::inline_schema()
            }

            fn schema_name() -> Cow<'static, str> {
                <$inner>::schema_name()
            }

            fn schema_id() -> Cow<'static, str> {
                <$inner>::schema_id()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                <$inner>::json_schema(generator)
            }
        }
    };
}

schema_of!(Spanned, T);
schema_of!(Unsupported, T);
schema_of!(List, Vec<T>);
schema_of!(Entries, std::collections::BTreeMap<String, T>);

impl<T: JsonSchema> JsonSchema for OneOrList<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrList{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        schemars::json_schema!({ "anyOf": [one.clone(), { "type": "array", "items": one, "minItems": 1 }] })
    }
}

impl<W: JsonSchema, M: JsonSchema> JsonSchema for WordOr<W, M> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}Or{}", W::schema_name(), M::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (word, mapping) = (generator.subschema_for::<W>(), generator.subschema_for::<M>());
        schemars::json_schema!({ "anyOf": [word, mapping] })
    }
}
