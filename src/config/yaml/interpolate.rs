//! `${VAR}`, `${VAR:-default}` and `$$` in values.

/// Where variables come from: the process's environment, or a test's own.
pub(in crate::config) type Environment<'e> = dyn Fn(&str) -> Option<String> + Sync + 'e;

/// Why a text can't be interpolated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::config) enum InterpolationError {
    #[error("the environment variable `{0}` is not set\nset it, or write a default: ${{{0}:-default}}")]
    Missing(String),
    #[error("`${{` is not closed\nwrite ${{NAME}}, or $$ for a dollar sign")]
    Unclosed,
    #[error(
        "`{0}` is not the name of a variable\nwrite ${{NAME}} or ${{NAME:-default}}, or $$ for a dollar sign"
    )]
    Name(String),
}

impl InterpolationError {
    /// The code of a diagnostic about it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing-variable",
            Self::Unclosed | Self::Name(_) => "invalid-value",
        }
    }
}

/// A text with its variables filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::config) struct Filled {
    pub text: String,
    /// What came from the environment, and the reference that it took the place of. Defaults
    /// are not among these: they stand in the file for all to read.
    pub values: Vec<(String, String)>,
}

/// Fills in variables. `None` where the text has none, and stays as it is.
pub(in crate::config) fn interpolate(
    text: &str,
    environment: &Environment<'_>,
) -> Result<Option<Filled>, InterpolationError> {
    if !text.contains('$') {
        return Ok(None);
    }
    let mut filled = Filled::default();
    let mut rest = text;
    while let Some((before, from_dollar)) = rest.find('$').and_then(|dollar| rest.split_at_checked(dollar)) {
        filled.text.push_str(before);
        if let Some(after) = from_dollar.strip_prefix("$$") {
            filled.text.push('$');
            rest = after;
        } else if let Some(after) = from_dollar.strip_prefix("${") {
            let (reference, after) = after.split_once('}').ok_or(InterpolationError::Unclosed)?;
            let (name, value) = value_of(reference, environment)?;
            match value {
                Ok(value) => {
                    filled.text.push_str(&value);
                    filled.values.push((value, format!("${{{name}}}")));
                }
                Err(default) => filled.text.push_str(default),
            }
            rest = after;
        } else {
            filled.text.push('$');
            rest = from_dollar.strip_prefix('$').unwrap_or_default();
        }
    }
    filled.text.push_str(rest);
    Ok(if filled.text == text { None } else { Some(filled) })
}

/// The name of a variable with its value, or else the default that is written.
fn value_of<'r>(
    reference: &'r str,
    environment: &Environment<'_>,
) -> Result<(&'r str, Result<String, &'r str>), InterpolationError> {
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(InterpolationError::Name(name.into()));
    }
    match (environment(name), default) {
        // As in a shell, `:-` stands in for an empty variable too.
        (Some(value), Some(default)) if value.is_empty() => Ok((name, Err(default))),
        (Some(value), _) => Ok((name, Ok(value))),
        (None, Some(default)) => Ok((name, Err(default))),
        (None, None) => Err(InterpolationError::Missing(name.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<Option<String>, InterpolationError> {
        let filled = interpolate(text, &|name| match name {
            "PORT" => Some("8080".into()),
            "EMPTY" => Some(String::new()),
            _ => None,
        });
        filled.map(|filled| filled.map(|filled| filled.text))
    }

    #[test]
    fn variables_are_filled_in() {
        let ok = |text: &str| filled(text).unwrap().unwrap_or_else(|| text.into());
        assert_eq!(ok("0.0.0.0:${PORT}"), "0.0.0.0:8080");
        assert_eq!(ok("${PORT}${PORT}"), "80808080");
        assert_eq!(ok("${HOST:-localhost}:${PORT}"), "localhost:8080");
        assert_eq!(ok("${EMPTY:-x}${EMPTY}"), "x");
        assert_eq!(ok("${HOST:-}"), "");
        assert_eq!(ok("$$5, $5 and $${PORT}"), "$5, $5 and ${PORT}");
        assert_eq!(ok("a$"), "a$");
        assert_eq!(filled("plain"), Ok(None));
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(filled("${HOST}"), Err(InterpolationError::Missing("HOST".into())));
        assert_eq!(filled("${HOST"), Err(InterpolationError::Unclosed));
        assert_eq!(filled("${}"), Err(InterpolationError::Name(String::new())));
        assert_eq!(filled("${1X}"), Err(InterpolationError::Name("1X".into())));
    }
}
