//! A tenant's document from a file, in YAML or JSON.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::{Map, Value};

/// How large a document may be: four times what the API takes.
const SIZE_MAX: u64 = 1 << 20;

/// The document in this file; `-` is standard input.
pub(super) fn read(path: &Path) -> anyhow::Result<Map<String, Value>> {
    let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let mut text = String::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(SIZE_MAX + 1).read_to_string(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(SIZE_MAX + 1).read_to_string(&mut text))
    };
    let size = read.with_context(|| format!("{name} can't be read"))?;
    if size as u64 > SIZE_MAX {
        bail!("{name} is larger than {} KiB: is it a tenant's document?", SIZE_MAX >> 10);
    }
    parse(&text).with_context(|| name)
}

fn parse(text: &str) -> anyhow::Result<Map<String, Value>> {
    // JSON is YAML, too, but its own reader's errors are about JSON.
    let value = if text.trim_start().starts_with('{') && serde_json::from_str::<Value>(text).is_ok() {
        serde_json::from_str(text)?
    } else {
        let options = serde_saphyr::options! {
            strict_booleans: true,
            leading_zero_numbers_as_strings: true,
            underscored_numbers_as_strings: true,
        };
        serde_saphyr::from_str_with_options(text, options)?
    };
    match value {
        Value::Object(members) => Ok(members),
        _ => bail!("a tenant's document has names and values, like `plan: pro`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn yaml_and_json_are_the_same_document() {
        let yaml = "plan: pro\ndomains: [a.test]\nlabels: { on: 'yes', zip: 01234 }\nlimits:\n  rate_limit: { rate: 5/s }\n";
        let json = r#"{"plan":"pro","domains":["a.test"],"labels":{"on":"yes","zip":"01234"},"limits":{"rate_limit":{"rate":"5/s"}}}"#;
        assert_eq!(parse(yaml).unwrap(), parse(json).unwrap());
        assert_eq!(parse("{ plan: pro }").unwrap()["plan"], json!("pro"));
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for text in ["", "- plan: pro", "plan: pro\nplan: free", "plan: [", "pro"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
