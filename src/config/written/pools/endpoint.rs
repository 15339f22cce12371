//! Endpoints: a text, or a mapping with a weight.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use crate::config::decode::Spanned;

/// An endpoint.
#[derive(Debug)]
pub(in crate::config) struct Endpoint {
    pub url: Spanned<String>,
    pub weight: Option<Spanned<u32>>,
}

/// An endpoint with more than its place.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EndpointMapping {
    /// Where it listens: http://HOST:PORT, https://HOST:PORT, dns+http://NAME:PORT, dns+https://NAME:PORT or unix:/PATH.
    url: Spanned<String>,
    /// Its part of requests beside the others'. Default 1.
    #[schemars(range(min = 1, max = 1000))]
    weight: Option<Spanned<u32>>,
}

/// What stands at an endpoint's place.
enum Form {
    Text(String),
    Mapping(EndpointMapping),
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, mark, key } = Spanned::<Form>::deserialize(deserializer)?;
        Ok(match value {
            Form::Text(value) => Self { url: Spanned { value, mark, key }, weight: None },
            Form::Mapping(EndpointMapping { url, weight }) => Self { url, weight },
        })
    }
}

impl<'de> Deserialize<'de> for Form {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FormVisitor;

        impl<'de> Visitor<'de> for FormVisitor {
            type Value = Form;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an endpoint like http://HOST:PORT, or a mapping with `url` and `weight`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Form, E> {
                Ok(Form::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Form, A::Error> {
                EndpointMapping::deserialize(MapAccessDeserializer::new(map)).map(Form::Mapping)
            }
        }

        deserializer.deserialize_any(FormVisitor)
    }
}

impl JsonSchema for Endpoint {
    fn schema_name() -> Cow<'static, str> {
        "Endpoint".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mapping = generator.subschema_for::<EndpointMapping>();
        json_schema!({
            "description": "An endpoint: where it listens, or a mapping with its weight.",
            "anyOf": [{ "type": "string" }, mapping]
        })
    }
}
