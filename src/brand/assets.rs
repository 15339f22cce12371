//! Files that the gateway serves of a brand: its style sheet, what it is as JSON, its logo and favicon.

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::Settings;

/// Octets of a hash that stand in a URL, in hexadecimal digits.
const HASH_DIGITS: usize = 16;

/// A brand's files.
#[derive(Debug)]
pub(super) struct Assets {
    /// The path that they are below, with a slash at its end.
    at: String,
    files: Vec<Asset>,
}

#[derive(Debug)]
struct Asset {
    /// What it is called: `brand.css`.
    name: String,
    /// The same with its hash, which names this content for ever: `brand.0123456789abcdef.css`.
    hashed: String,
    etag: HeaderValue,
    media_type: HeaderValue,
    content: Bytes,
}

impl Assets {
    /// The files of a brand with this style sheet.
    pub(super) fn new(settings: &Settings, css: &str) -> Self {
        let mut files = vec![Asset::new("brand", "css", "text/css; charset=utf-8", css.as_bytes().to_vec())];
        for (stem, image) in [("logo", &settings.logo), ("favicon", &settings.favicon)] {
            let Some(image) = image else { continue };
            files.push(Asset::new(stem, ending(image.media_type), image.media_type, image.content.to_vec()));
        }
        let mut assets = Self { at: settings.serve_at.clone(), files };
        let json = assets.json(settings);
        assets.files.push(Asset::new("brand", "json", "application/json", json));
        assets
    }

    fn json(&self, settings: &Settings) -> Vec<u8> {
        let colors: serde_json::Map<_, _> =
            settings.colors.iter().map(|(name, color)| (name.clone(), color.to_string().into())).collect();
        let mut json = serde_json::json!({
            "name": settings.name,
            "colors": colors,
            "support_email": settings.support_email,
            "stylesheet": self.url("brand", Some("css")),
            "logo": self.url("logo", None),
            "favicon": self.url("favicon", None),
        });
        if let Some(members) = json.as_object_mut() {
            for (key, value) in &settings.own {
                members.entry(key.clone()).or_insert_with(|| value.as_str().into());
            }
        }
        serde_json::to_vec(&json).unwrap_or_default()
    }

    /// The path of a file's present content, by its name without an ending.
    pub(super) fn url(&self, stem: &str, ending: Option<&str>) -> Option<String> {
        let is_it = |file: &&Asset| {
            let parts = file.name.split_once('.');
            parts.is_some_and(|(own, of)| own == stem && ending.is_none_or(|ending| ending == of))
        };
        self.files.iter().find(is_it).map(|file| format!("{}{}", self.at, file.hashed))
    }

    /// The answer to a request that is for one of them; `None` where it is for something else.
    pub(super) fn answer(&self, method: &Method, path: &str, fields: &HeaderMap) -> Option<Response<Bytes>> {
        let name = path.strip_prefix(&*self.at)?;
        let mut response = Response::new(Bytes::new());
        if !matches!(*method, Method::GET | Method::HEAD) {
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Some(response);
        }
        let Some((file, is_hashed)) = self.find(name) else {
            *response.status_mut() = StatusCode::NOT_FOUND;
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            return Some(response);
        };
        // A name without a hash is another's content at another host: no cache that many share may keep it.
        let caching = if is_hashed { "public, max-age=31536000, immutable" } else { "private, no-cache" };
        let head = response.headers_mut();
        head.insert(ETAG, file.etag.clone());
        head.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
        head.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if is_known(fields, &file.etag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Some(response);
        }
        head.insert(CONTENT_TYPE, file.media_type.clone());
        // A picture may be a document with scripts in it (SVG): opened on its own, it runs none.
        head.insert(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox"),
        );
        *response.body_mut() = file.content.clone();
        Some(response)
    }

    /// A file by its name, with its hash or without; a former hash finds the present content.
    fn find(&self, name: &str) -> Option<(&Asset, bool)> {
        if let Some(file) = self.files.iter().find(|file| file.hashed == name) {
            return Some((file, true));
        }
        let mut parts = name.split('.');
        let plain = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(_), Some(_), None, None) => name.to_owned(),
            (Some(stem), Some(hash), Some(ending), None)
                if hash.len() == HASH_DIGITS && hash.bytes().all(|b| b.is_ascii_hexdigit()) =>
            {
                format!("{stem}.{ending}")
            }
            _ => return None,
        };
        self.files.iter().find(|file| file.name == plain).map(|file| (file, false))
    }
}

impl Asset {
    fn new(stem: &str, ending: &str, media_type: &'static str, content: Vec<u8>) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &content);
        let hash: String =
            digest.as_ref().iter().take(HASH_DIGITS / 2).map(|byte| format!("{byte:02x}")).collect();
        Self {
            name: format!("{stem}.{ending}"),
            hashed: format!("{stem}.{hash}.{ending}"),
            etag: HeaderValue::try_from(format!("\"{hash}\"")).unwrap_or(HeaderValue::from_static("\"\"")),
            media_type: HeaderValue::from_static(media_type),
            content: content.into(),
        }
    }
}

fn ending(media_type: &str) -> &'static str {
    match media_type {
        "image/svg+xml" => "svg",
        "image/jpeg" => "jpg",
        "image/webp" => "webp",
        "image/gif" => "gif",
        "image/x-icon" => "ico",
        _ => "png",
    }
}

/// Whether the client has it already (RFC 9110 §13.1.2: compared weakly).
fn is_known(fields: &HeaderMap, etag: &HeaderValue) -> bool {
    let values = fields.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let etag = etag.to_str().unwrap_or_default();
    values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}
