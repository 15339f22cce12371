//! The admin token: where it comes from, and that it goes nowhere but into the request.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use http::HeaderValue;

use crate::types::Secret;

const VARIABLE: &str = "TOLLGATE_TOKEN";
const FILE_VARIABLE: &str = "TOLLGATE_TOKEN_FILE";

/// How large a token's file may be: more is another file, named by mistake.
const FILE_MAX: u64 = 64 << 10;

/// A token, and who gave it.
pub(super) struct Token {
    secret: Secret,
    /// As an error names it.
    source: String,
}

impl Token {
    /// What is in the file of `--token-file`, else in the environment, else in the file that the environment names. None of these is no
    /// error: the gateway says what it wants.
    pub(super) fn find(file: Option<&PathBuf>) -> anyhow::Result<Option<Self>> {
        if let Some(file) = file {
            return Self::from_file(file, &format!("--token-file {}", file.display())).map(Some);
        }
        if let Some(text) = std::env::var_os(VARIABLE).filter(|text| !text.is_empty()) {
            let text = text.into_string().map_err(|_| anyhow!("{VARIABLE} is not text"))?;
            return Self::new(&text, format!("the environment variable {VARIABLE}")).map(Some);
        }
        let Some(file) = std::env::var_os(FILE_VARIABLE).filter(|file| !file.is_empty()) else {
            return Ok(None);
        };
        let file = PathBuf::from(file);
        Self::from_file(&file, &format!("{FILE_VARIABLE}={}", file.display())).map(Some)
    }

    fn from_file(file: &Path, source: &str) -> anyhow::Result<Self> {
        let known = std::fs::metadata(file).with_context(|| format!("{source}: the file can't be read"))?;
        if known.len() > FILE_MAX {
            bail!("{source}: this file is too large to be a token");
        }
        let text =
            std::fs::read_to_string(file).with_context(|| format!("{source}: the file can't be read"))?;
        Self::new(&text, source.to_owned())
    }

    fn new(text: &str, source: String) -> anyhow::Result<Self> {
        let text = text.trim();
        if text.is_empty() {
            bail!("{source}: there is no token in it");
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            bail!("{source}: a token is one line of visible ASCII without blanks");
        }
        Ok(Self { secret: Secret::new(text), source })
    }

    /// Where it comes from: a variable or a file.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// The field that presents it.
    pub(super) fn authorization(&self) -> anyhow::Result<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.secret.expose()))
            .map_err(|_| anyhow!("{}: a token is one line of visible ASCII", self.source))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// How to give a token.
pub(super) const HOW: &str = "no token was given: put it into TOLLGATE_TOKEN, or name the file that has it in --token-file or TOLLGATE_TOKEN_FILE";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_its_line_and_a_bad_one_is_named_but_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("admin.token");
        std::fs::write(&file, "s3cret\n").unwrap();
        let token = Token::find(Some(&file)).unwrap().unwrap();
        assert_eq!(token.authorization().unwrap().to_str().unwrap(), "Bearer s3cret");
        assert!(token.source().contains("admin.token"), "{}", token.source());
        for bad in ["", "two words", "zwei\u{e4}"] {
            std::fs::write(&file, bad).unwrap();
            let error = format!("{:#}", Token::find(Some(&file)).err().unwrap());
            assert!(error.contains("admin.token"), "{error}");
            assert!(bad.is_empty() || !error.contains(bad), "{error}");
        }
        std::fs::remove_file(&file).unwrap();
        assert!(Token::find(Some(&file)).is_err());
    }
}
