//! Branding: that what is written can be shown, and can't do more than that.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Builder;
use crate::config::decode::{Entries, List, Spanned};
use crate::config::document::{Branding, Image, PageText};
use crate::config::source::Mark;
use crate::config::suggest;
use crate::config::written;
use crate::types::Color;

/// What is wrong: a finding's code, and its message with a hint on a second line.
pub(super) type Flaw = (&'static str, String);

/// Octets of a picture's file.
const IMAGE_MAX: usize = 256 * 1024;
/// Octets of a picture that is written as a data: URL: it is kept with its tenant's document.
const INLINE_MAX: usize = 48 * 1024;
/// Octets of a text of one line.
const LINE_MAX: usize = 200;
/// Octets of a longer text.
const TEXT_MAX: usize = 2_000;
/// Entries of a mapping of the operator's choosing.
const ENTRIES_MAX: usize = 64;
/// Keys that templates and tokens have from somewhere else.
const TAKEN: [&str; 4] = ["favicon_url", "logo_url", "stylesheet", "style"];

/// Statuses whose answers say in fields what the client is to do (RFC 9110 §15.5).
const NEEDING_FIELDS: [u16; 4] = [401, 405, 407, 426];

/// The types of pictures, by the endings of their files.
const IMAGES: [(&str, &str); 7] = [
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("gif", "image/gif"),
    ("ico", "image/x-icon"),
];

/// The codes that pages have; those of refusals.
pub(in crate::config) const CODES: [&str; 27] = [
    "default",
    "maintenance",
    "tenant_suspended",
    "payment_required",
    "access_denied",
    "unknown_tenant",
    "tenant_unavailable",
    "tenant_conflict",
    "no_route",
    "feature_not_in_plan",
    "unauthenticated",
    "rate_limited",
    "quota_exceeded",
    "quota_unavailable",
    "concurrency_exceeded",
    "no_capacity",
    "no_endpoint",
    "body_too_large",
    "bad_request",
    "request_timeout",
    "unsupported_upgrade",
    "upstream_connect",
    "upstream_protocol",
    "upstream_timeout",
    "upstream_error",
    "internal_error",
    "draining",
];

impl Builder<'_> {
    /// Builds that of many tenants: the default, or a plan's. Its files are watched.
    pub(super) fn watched_branding(&mut self, written: Option<&written::Branding>) -> Branding {
        let branding = self.branding(written);
        if let Some(written) = written {
            let files = [written.logo.as_ref(), written.favicon.as_ref(), written.error_pages.as_ref()];
            let files = files.into_iter().flatten().filter(|file| !file.value.starts_with("data:"));
            let files: Vec<_> = files.map(|file| self.path(&file.value)).collect();
            self.watched.extend(files);
        }
        branding
    }

    /// Builds branding, wherever it stands.
    pub(super) fn branding(&self, written: Option<&written::Branding>) -> Branding {
        let Some(written) = written else { return Branding::default() };
        Branding {
            name: written.name.as_ref().and_then(|name| self.line(name, "the name")),
            logo: written.logo.as_ref().and_then(|logo| self.image(logo)),
            favicon: written.favicon.as_ref().and_then(|favicon| self.image(favicon)),
            serve_at: written.serve_at.as_ref().and_then(|path| self.serve_at(path)),
            colors: written.colors.as_ref().map(|colors| self.colors(colors)).unwrap_or_default(),
            support_email: written.support_email.as_ref().and_then(|address| self.email(address)),
            language: written.language.as_ref().and_then(|tag| self.language(&tag.value, tag.mark)),
            inject: written.inject.as_ref().map(|inject| inject.value),
            rewrite: written.rewrite.as_ref().map(|rules| self.page_rules(&rules.value)),
            intercept: written.intercept.as_ref().map(|statuses| self.intercepted(&statuses.value)),
            texts: written.texts.as_ref().map(|texts| self.texts(texts)).unwrap_or_default(),
            error_pages: written.error_pages.as_ref().and_then(|folder| self.error_pages(folder)),
            own: self.own_keys(&written.own),
        }
    }

    /// A text of one line, as names are.
    fn line(&self, written: &Spanned<String>, what: &str) -> Option<String> {
        let text = written.value.trim();
        if !text.is_empty() && text.len() <= LINE_MAX && !text.chars().any(char::is_control) {
            return Some(text.to_owned());
        }
        self.invalid(written.mark, format!("{what} is empty, too long, or has more than one line"))
            .hint(format!("write at most {LINE_MAX} bytes on one line"));
        None
    }

    /// A path of one folder or several, in characters that need no encoding.
    fn serve_at(&self, written: &Spanned<String>) -> Option<String> {
        let inner = written.value.strip_prefix('/').map(|path| path.strip_suffix('/').unwrap_or(path));
        let is_part = |part: &str| {
            let is_known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~');
            !part.is_empty() && part != "." && part != ".." && part.chars().all(is_known)
        };
        match inner.filter(|inner| inner.split('/').all(is_part)) {
            Some(inner) => Some(format!("/{inner}/")),
            None => {
                self.invalid(written.mark, format!("`{}` is no path to serve files below", written.value))
                    .hint("write it like /.brand/");
                None
            }
        }
    }

    /// Statuses of errors, each once.
    fn intercepted(&self, written: &List<Spanned<u16>>) -> Vec<u16> {
        let mut statuses = Vec::new();
        for status in &written.0 {
            if NEEDING_FIELDS.contains(&status.value) {
                self.invalid(status.mark, format!("answers of status {} can't be replaced", status.value))
                    .hint("their fields tell the client what to do next (WWW-Authenticate, Allow, Upgrade): leave them to the application");
            } else if (400..=599).contains(&status.value) {
                statuses.push(status.value);
            } else {
                self.invalid(status.mark, format!("{} is no status of an error", status.value))
                    .hint("write statuses from 400 to 599, like [502, 503, 504]");
            }
        }
        statuses.sort_unstable();
        statuses.dedup();
        statuses
    }

    fn invalid(&self, mark: Mark, message: String) -> crate::config::findings::Finding<'_> {
        self.findings.error("invalid-value", mark, message)
    }

    fn colors(&self, written: &Entries<Spanned<written::Text<Color>>>) -> BTreeMap<String, Color> {
        let mut colors = BTreeMap::new();
        for (name, color) in written.iter() {
            if self.is_key(name, '-') {
                colors.insert(name.value.clone(), color.value.0);
            }
        }
        self.few(colors, written.0.first().map(|first| first.key.mark), "colours")
    }

    /// A name that is safe to stand in a style sheet and in a template.
    fn is_key(&self, name: &Spanned<String>, joint: char) -> bool {
        let text = &name.value;
        let starts = text.starts_with(|c: char| c.is_ascii_lowercase());
        let rest = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == joint);
        if starts && rest && text.len() <= 40 {
            return true;
        }
        self.invalid(name.key, format!("`{text}` can't be a key of branding"))
            .hint(format!("write lower-case letters, digits and '{joint}', at most 40, a letter first"));
        false
    }

    fn few<T>(&self, map: BTreeMap<String, T>, mark: Option<Mark>, what: &str) -> BTreeMap<String, T> {
        if map.len() > ENTRIES_MAX {
            self.invalid(mark.unwrap_or_default(), format!("there are more than {ENTRIES_MAX} {what}"));
        }
        map
    }

    fn own_keys(&self, written: &[(Spanned<String>, String)]) -> BTreeMap<String, String> {
        let mut own = BTreeMap::new();
        for (key, value) in written {
            if TAKEN.contains(&key.value.as_str()) {
                self.invalid(key.key, format!("`{}` is what the gateway says itself", key.value))
                    .hint("give it another name");
            } else if value.len() > TEXT_MAX {
                self.invalid(key.mark, format!("the text has more than {TEXT_MAX} bytes"));
            } else if self.is_key(key, '_') {
                own.insert(key.value.clone(), value.clone());
            }
        }
        self.few(own, written.first().map(|(key, _)| key.mark), "keys of your own")
    }

    /// An address that is one in a `mailto:` link, and nothing else: no `%`, `&` or `?` (RFC 6068 §2).
    fn email(&self, written: &Spanned<String>) -> Option<String> {
        let address = written.value.trim();
        let is_local = |c: char| c.is_ascii_alphanumeric() || ".!#$'*+/=^_`{|}~-".contains(c);
        let is_good = address.len() <= 254
            && address.split_once('@').is_some_and(|(local, host)| {
                let labels = host
                    .split('.')
                    .all(|label| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-'));
                !local.is_empty() && local.chars().all(is_local) && labels
            });
        if !is_good {
            self.invalid(written.mark, format!("`{address}` is no e-mail address"))
                .hint("write it like help@example.com");
        }
        is_good.then(|| address.to_owned())
    }

    /// A language tag (RFC 5646) in lower case; not whether anybody speaks it.
    fn language(&self, tag: &str, mark: Mark) -> Option<String> {
        let mut parts = tag.split('-');
        let first = parts.next().unwrap_or_default();
        let is_part =
            |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
        let is_first = (2..=3).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_alphabetic());
        if !is_first || !parts.all(is_part) || tag.len() > 35 {
            self.invalid(mark, format!("`{tag}` is no language"))
                .hint("write a language tag, like en, de or pt-BR");
            return None;
        }
        Some(tag.to_ascii_lowercase())
    }

    fn texts(
        &self,
        written: &Entries<Entries<written::PageText>>,
    ) -> BTreeMap<String, BTreeMap<String, PageText>> {
        let mut texts = BTreeMap::new();
        for (tag, pages) in written.iter() {
            let Some(language) = self.language(&tag.value, tag.key) else { continue };
            let mut of_language = BTreeMap::new();
            for (code, text) in pages.iter() {
                if !CODES.contains(&code.value.as_str()) {
                    let message = format!("there is no refusal `{}`", code.value);
                    let none = || Some("docs/refusals.md lists them".to_owned());
                    let hint = suggest::hint(&code.value, CODES.to_vec()).or_else(none);
                    self.invalid(code.key, message).maybe_hint(hint);
                    continue;
                }
                let longest = text.title.iter().chain(&text.message).map(String::len).max();
                if longest.unwrap_or_default() > TEXT_MAX {
                    self.invalid(
                        code.key,
                        format!("a text of `{}` has more than {TEXT_MAX} bytes", code.value),
                    );
                }
                let text = PageText { title: text.title.clone(), message: text.message.clone() };
                of_language.insert(code.value.clone(), text);
            }
            texts.insert(language, of_language);
        }
        self.few(texts, written.0.first().map(|first| first.key.mark), "languages")
    }

    /// A picture: of a file, or as it is written. Only who writes files may name one.
    fn image(&self, written: &Spanned<String>) -> Option<Image> {
        let Spanned { value: text, mark, .. } = written;
        let invalid = |why| ("invalid-value", why);
        let read = match text.strip_prefix("data:") {
            Some(url) => inline_image(url).map_err(invalid),
            None if self.of_api => Err(invalid(
                "a tenant of the API can't name a file\nwrite the picture as data:image/png;base64,…"
                    .to_owned(),
            )),
            None => self.image_file(text),
        };
        match read {
            Ok((media_type, content)) => {
                Some(Image { written: text.clone(), media_type, content: content.into() })
            }
            Err((code, why)) => {
                self.findings.error(code, *mark, why);
                None
            }
        }
    }

    fn image_file(&self, text: &str) -> Result<(&'static str, Vec<u8>), Flaw> {
        let ending = text.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
        let known = IMAGES.iter().find(|(known, _)| Some(*known) == ending.as_deref());
        let (_, media_type) = known.ok_or_else(|| {
            let hint = "it ends in .svg, .png, .jpg, .webp, .gif or .ico";
            ("invalid-value", format!("`{text}` is no picture by its name\n{hint}"))
        })?;
        let path = self.path(text);
        let length = std::fs::metadata(&path).map(|file| file.len());
        let too_large = || {
            let kib = IMAGE_MAX / 1024;
            ("invalid-value", format!("the file `{text}` has more than {kib} KiB\nmake it smaller"))
        };
        match length {
            Ok(length) if length > IMAGE_MAX as u64 => return Err(too_large()),
            // Nor is read what has no length, and may have no end (/proc).
            Ok(0) => return Err(("invalid-value", format!("the file `{text}` is empty"))),
            _ => {}
        }
        let content = std::fs::read(path).map_err(|error| {
            let why = crate::config::load::why(&error);
            let hint = "paths are relative to the folder of the configuration file";
            ("missing-file", format!("the file `{text}` can't be read: {why}\n{hint}"))
        })?;
        match content.len() {
            0 => Err(("invalid-value", format!("the file `{text}` is empty"))),
            1..=IMAGE_MAX => Ok((media_type, content)),
            _ => Err(too_large()),
        }
    }

    fn error_pages(&self, written: &Spanned<String>) -> Option<Arc<BTreeMap<String, String>>> {
        if self.of_api {
            self.invalid(written.mark, "a tenant of the API can't name a folder".to_owned())
                .hint("set `error_pages` in the configuration; templates know the tenant as `tenant`");
            return None;
        }
        let read = super::templates::read(&self.path(&written.value));
        match read {
            Ok(templates) => Some(Arc::new(templates)),
            Err((code, why)) => {
                let message = format!("the folder `{}` can't be used: {why}", written.value);
                self.findings.error(code, written.mark, message);
                None
            }
        }
    }
}

/// A data: URL (RFC 2397) with a picture in base64.
fn inline_image(url: &str) -> Result<(&'static str, Vec<u8>), String> {
    let hint = "write it like data:image/png;base64,…";
    let (kind, data) =
        url.split_once(";base64,").ok_or_else(|| format!("this data: URL is not in base64\n{hint}"))?;
    let known = IMAGES.iter().find(|(_, media_type)| *media_type == kind);
    let (_, media_type) =
        known.ok_or_else(|| format!("`{kind}` is no type of pictures that is known\n{hint}"))?;
    if data.len() > INLINE_MAX * 4 / 3 + 4 {
        return Err(format!(
            "the picture has more than {} KiB\nmake it smaller, or put it into a file",
            INLINE_MAX / 1024
        ));
    }
    let content = STANDARD.decode(data).map_err(|_| format!("this data: URL is not in base64\n{hint}"))?;
    match content.is_empty() {
        true => Err(format!("the picture is empty\n{hint}")),
        false => Ok((media_type, content)),
    }
}
