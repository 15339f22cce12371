//! Bodies of answers that stand in files.

use std::path::PathBuf;

use super::Builder;
use crate::config::decode::Spanned;
use crate::config::document::AnswerFile;
use crate::config::written::{Config, Route};

/// Octets of a file: it is in memory for as long as its configuration is.
const FILE_MAX: usize = 1024 * 1024;

/// Types by the endings of names. What has none of these is octets.
const TYPES: [(&str, &str); 20] = [
    ("txt", "text/plain; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("htm", "text/html; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("md", "text/markdown; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("webmanifest", "application/manifest+json"),
    ("xml", "application/xml"),
    ("pdf", "application/pdf"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("ico", "image/x-icon"),
    ("woff2", "font/woff2"),
];

impl Builder<'_> {
    /// Reads a file. `None` where it can't be had, which is reported. Only who writes files may name one.
    pub(super) fn answer_file(&self, written: &Spanned<String>) -> Option<AnswerFile> {
        let text = &written.value;
        let error = |code, message| self.findings.error(code, written.mark, message);
        if self.of_api {
            error("invalid-value", "a tenant of the API can't name a file".to_owned())
                .hint("write the text as `body`");
            return None;
        }
        let path = self.path(text);
        let too_large = || {
            error("invalid-value", format!("the file `{text}` has more than {} KiB", FILE_MAX / 1024))
                .hint("serve it from a pool");
        };
        // One that is no file, like /dev/zero, may have no end.
        let read = std::fs::metadata(&path).and_then(|file| match file.is_file() {
            true if file.len() > FILE_MAX as u64 => Ok(None),
            // What has no length may have no end either, and be no file on a disk (/proc).
            true if file.len() == 0 => Err(std::io::Error::other("it is empty")),
            true => std::fs::read(&path).map(Some),
            false => Err(std::io::Error::other("it is no file")),
        });
        match read {
            Ok(Some(content)) if content.len() <= FILE_MAX => Some(AnswerFile {
                written: text.clone(),
                media_type: media_type(text),
                content: content.into(),
            }),
            Ok(_) => {
                too_large();
                None
            }
            Err(why) => {
                let why = crate::config::load::why(&why);
                error("missing-file", format!("the file `{text}` can't be read: {why}"))
                    .hint("paths are relative to the folder of the configuration file");
                None
            }
        }
    }

    /// The files that routes of the configuration file answer with: their changes are changes of the configuration.
    pub(super) fn answer_files(&self, config: &Config) -> Vec<PathBuf> {
        let base = config.routes.iter().flat_map(|routes| &routes.0);
        let of_plans = config.plans.iter().flat_map(|(_, plan)| &plan.routes.0);
        let of_tenants = config.tenants.0.iter().flat_map(|tenant| &tenant.routes.0);
        let file =
            |route: &Route| route.respond.as_ref()?.value.file.as_ref().map(|file| self.path(&file.value));
        base.chain(of_plans).chain(of_tenants).filter_map(file).collect()
    }
}

fn media_type(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let known = TYPES.iter().find(|(known, _)| Some(*known) == ending.as_deref());
    known.map_or("application/octet-stream", |(_, media_type)| media_type)
}

#[cfg(test)]
mod tests {
    use super::media_type;

    #[test]
    fn types_are_told_by_endings() {
        assert_eq!(media_type("assets/robots.txt"), "text/plain; charset=utf-8");
        assert_eq!(media_type("a.tar.JSON"), "application/json");
        assert_eq!(media_type("security"), "application/octet-stream");
    }
}
