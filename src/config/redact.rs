//! Which part of a line must not be shown, told from the line itself.
//!
//! A file that is no YAML has no tree to tell secrets from; so the keys that hold secrets are
//! recognised in the text, generously: a value too many blotted out harms nobody.

use std::ops::Range;

use super::yaml::Filled;

/// Whether the value of this key is a secret. A key that is nearly `token` counts: it is
/// probably a misspelt one, and the message about it shows the line.
pub(super) fn is_secret_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    if key.ends_with("_file") || key.ends_with("_files") {
        return false;
    }
    // Every key is asked about, and few share enough letters with `token` to be worth comparing.
    let shared = "token".chars().filter(|letter| key.contains(*letter)).count();
    ["token", "secret", "passw", "encryption_key", "hmac"].iter().any(|word| key.contains(word))
        || (shared >= 3 && key.len() <= 7 && strsim::osa_distance(&key, "token") <= 2)
}

/// Whether a text is nothing but the name of a variable, which is worth showing and no secret.
pub(super) fn is_reference(text: &str) -> bool {
    let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
}

/// The bytes of a line that belong to a secret. `above` are the lines before it, nearest first.
pub(super) fn secret_part<'l>(line: &str, mut above: impl Iterator<Item = &'l str>) -> Option<Range<usize>> {
    if let Some(start) = value_of_secret_key(line) {
        return Some(start..line.len());
    }
    let indent = |line: &str| line.len() - line.trim_start().len();
    let own = indent(line);
    let parent = above.find(|other| !other.trim().is_empty() && indent(other) < own);
    if parent.is_some_and(|parent| value_of_secret_key(parent).is_some()) {
        return Some(own..line.len());
    }
    password_in_url(line).or_else(|| private_key(line))
}

/// A private key in PEM (RFC 7468) on one line.
fn private_key(line: &str) -> Option<Range<usize>> {
    let start = line.find("-----BEGIN ")?;
    line.get(start..)?.contains("PRIVATE KEY").then_some(start..line.len())
}

fn value_of_secret_key(line: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(colon) = line.get(from..)?.find(':').map(|at| at + from) {
        let before = line.get(..colon)?.trim_end_matches(['"', '\'', ' ']);
        let word = before.rfind(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-'));
        let key = before.get(word.map_or(0, |at| at + 1)..)?;
        let rest = line.get(colon + 1..)?;
        let value = rest.trim_start();
        let shown = value.is_empty()
            || is_reference(value.trim_end().trim_end_matches(['}', '"']).trim_start_matches('"'))
            || is_reference(value.trim_matches(['"', '\'', ' ']));
        if !key.is_empty()
            && is_secret_key(key)
            && (rest.is_empty() || rest.starts_with([' ', '\t']))
            && !shown
        {
            return Some(line.len() - value.len());
        }
        from = colon + 1;
    }
    None
}

/// The password of `scheme://user:password@host`.
fn password_in_url(line: &str) -> Option<Range<usize>> {
    let start = line.find("://")? + 3;
    let authority = line.get(start..)?;
    let authority = authority.split(['/', '?', '#', ' ', '"', '\'']).next()?;
    let at = authority.rfind('@')?;
    let colon = authority.get(..at)?.find(':')?;
    Some(start + colon + 1..start + at)
}

/// A message about a value that variables were filled into, with their names in place of what
/// they hold: also where the message has it in another case, or made fit for a tenant's id.
pub(super) fn without_values(text: String, filled: &Filled) -> String {
    let whole = filled
        .values
        .iter()
        .fold(filled.text.clone(), |text, (value, reference)| replace(&text, value, reference));
    let text = text.replace(&format!("`{}`", filled.text), &format!("`{whole}`"));
    // A value of a few letters is part of many words, and no secret.
    let long = filled.values.iter().filter(|(value, _)| value.len() >= 4);
    long.fold(text, |text, (value, reference)| replace(&text, value, reference))
}

/// Replaces a value in whatever case, and with `-` where it has a sign that ids don't have.
fn replace(text: &str, value: &str, reference: &str) -> String {
    let alike = |text: &str| text.to_ascii_lowercase().replace(['_', ' ', '.'], "-");
    let (alike_text, alike_value) = (alike(text), alike(value));
    if alike_value.is_empty() {
        return text.to_owned();
    }
    let mut replaced = String::new();
    let mut from = 0;
    for (at, _) in alike_text.match_indices(&alike_value) {
        replaced.push_str(text.get(from..at).unwrap_or_default());
        replaced.push_str(reference);
        from = at + alike_value.len();
    }
    replaced.push_str(text.get(from..).unwrap_or_default());
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden<'l>(line: &'l str, above: &'l [&'l str]) -> &'l str {
        secret_part(line, above.iter().rev().copied()).map_or("", |part| &line[part])
    }

    #[test]
    fn values_of_secret_keys_are_found() {
        assert_eq!(hidden("  token: hunter2", &[]), "hunter2");
        assert_eq!(hidden("admin: { bind: x, token: \"hunter2\" }", &[]), "\"hunter2\" }");
        assert_eq!(hidden("  tokn: hunter2", &[]), "hunter2");
        assert_eq!(hidden("    hunter2", &["  token: |"]), "hunter2");
        assert_eq!(hidden("    more", &["  token: |", "    hunter2"]), "more");
        assert_eq!(hidden("store: postgres://app:hunter2@db/x", &[]), "hunter2");
        assert_eq!(hidden("  token: ${TOKEN}", &[]), "");
        assert_eq!(hidden("  token_file: secrets/admin.token", &[]), "");
        assert_eq!(hidden("  bind: 127.0.0.1:9900", &["admin:"]), "");
        let key = "-----BEGIN EC PRIVATE KEY-----\\nMIIhunter2\" }";
        assert_eq!(hidden(&format!("  tls: {{ client_key: \"{key}"), &[]), key);
        assert_eq!(hidden("  ca: -----BEGIN CERTIFICATE-----", &[]), "");
        assert_eq!(hidden("", &[]), "");
    }
}
