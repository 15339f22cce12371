//! What a plain scalar means: the core schema of YAML 1.2 (§10.3.2).

use super::Scalar;

/// A scalar's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::config) enum Value<'s> {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'s str),
}

/// Resolves a scalar. Quoted ones are always text.
pub(in crate::config) fn resolve(scalar: &Scalar) -> Value<'_> {
    let text: &str = &scalar.text;
    if !scalar.plain {
        return Value::Text(text);
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).unwrap_or(Value::Text(text)),
    }
}

fn number(text: &str) -> Option<Value<'static>> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok().map(Value::Unsigned);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return u64::from_str_radix(digits, 8).ok().map(Value::Unsigned);
    }
    if unsigned.bytes().all(|b| b.is_ascii_digit()) {
        let integer = text.parse().map(Value::Unsigned).or_else(|_| text.parse().map(Value::Signed)).ok();
        return integer.or_else(|| text.parse().map(Value::Float).ok());
    }
    let float = unsigned.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'-' | b'+'));
    if float { text.parse().map(Value::Float).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Scalar {
        Scalar { text: text.into(), plain: true }
    }

    #[test]
    fn plain_scalars_resolve_by_the_core_schema() {
        for (text, value) in [
            ("", Value::Null),
            ("~", Value::Null),
            ("true", Value::Bool(true)),
            ("yes", Value::Text("yes")),
            ("12", Value::Unsigned(12)),
            ("-12", Value::Signed(-12)),
            ("+12", Value::Unsigned(12)),
            ("0x1F", Value::Unsigned(31)),
            ("0o17", Value::Unsigned(15)),
            ("1.5", Value::Float(1.5)),
            ("1e3", Value::Float(1_000.0)),
            ("127.0.0.1", Value::Text("127.0.0.1")),
            ("12s", Value::Text("12s")),
            ("-", Value::Text("-")),
            (".", Value::Text(".")),
            ("1-1", Value::Text("1-1")),
            ("0xZZ", Value::Text("0xZZ")),
        ] {
            assert_eq!(resolve(&plain(text)), value, "{text}");
        }
        let quoted = Scalar { plain: false, ..plain("12") };
        assert_eq!(resolve(&quoted), Value::Text("12"));
    }
}
