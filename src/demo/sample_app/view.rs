//! What the application saw of a request, as JSON or as a page.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use http::header::HOST;
use http::request::Parts;
use serde::Serialize;

use super::SampleApp;

/// A request as it arrived, field by field.
#[derive(Serialize)]
pub(super) struct View<'a> {
    application: &'a str,
    pool: &'a str,
    tenant: Option<String>,
    method: &'a str,
    path: String,
    host: Option<String>,
    body_bytes: usize,
    /// Repeated fields are joined as RFC 9110 §5.3 joins them.
    headers: BTreeMap<&'a str, String>,
}

impl<'a> View<'a> {
    pub(super) fn new(app: &'a SampleApp, parts: &'a Parts, body_bytes: usize) -> Self {
        let mut headers: BTreeMap<&str, String> = BTreeMap::new();
        for (name, value) in &parts.headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            headers
                .entry(name.as_str())
                .and_modify(|all| {
                    all.push_str(", ");
                    all.push_str(&value);
                })
                .or_insert_with(|| value.clone().into_owned());
        }
        Self {
            application: &app.name,
            pool: &app.pool,
            tenant: headers.get("x-tenant-id").cloned(),
            method: parts.method.as_str(),
            path: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            host: headers.get(HOST.as_str()).cloned(),
            body_bytes,
            headers,
        }
    }

    pub(super) fn json(&self) -> String {
        // Serialising text and numbers can't fail.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    pub(super) fn path(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// What a field says, all of its lines.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// What a gateway says of the request, as rows of a table.
    pub(super) fn told(&self) -> String {
        let field = |name| self.field(name).unwrap_or("none");
        rows([
            ("Tenant", field("x-tenant-id")),
            ("Features", field("x-tenant-features")),
            ("Application", self.application),
            ("Pool", self.pool),
            ("Request", field("x-request-id")),
        ])
    }

    /// What was seen of the request, and its fields, as rows of tables.
    pub(super) fn tables(&self) -> (String, String) {
        let request = format!("{} {}", self.method, self.path);
        let body = format!("{} bytes", self.body_bytes);
        let summary = rows([
            ("Application", self.application),
            ("Pool", self.pool),
            ("Request", &request),
            ("Host", self.host.as_deref().unwrap_or("none")),
            ("Body", &body),
        ]);
        let headers = rows(self.headers.iter().map(|(name, value)| (*name, value.as_str())));
        (summary, headers)
    }

    pub(super) fn html(&self) -> String {
        let tenant = self.tenant.as_deref().unwrap_or("none");
        let (summary, headers) = self.tables();
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{tenant} · {application}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
             <h1>Hello, {tenant}</h1>\n<table>\n{summary}</table>\n\
             <h2>Headers received</h2>\n<table>\n{headers}</table>\n</main>\n</body>\n</html>\n",
            tenant = Escaped(tenant),
            application = Escaped(self.application),
        )
    }
}

fn rows<'t>(pairs: impl IntoIterator<Item = (&'t str, &'t str)>) -> String {
    let mut html = String::new();
    for (name, value) in pairs {
        // Writing to a String can't fail.
        let _ =
            writeln!(html, "<tr><th scope=\"row\">{}</th><td>{}</td></tr>", Escaped(name), Escaped(value));
    }
    html
}

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#f6f7f9;color:#1c2330}\
main{max-width:46rem;margin:3rem auto;padding:0 1.25rem}\
h1{font-size:1.75rem;margin:0 0 1rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}\
table{width:100%;border-collapse:collapse;background:#fff;border-radius:.5rem;overflow:hidden}\
th,td{padding:.5rem .75rem;text-align:left;vertical-align:top;border-bottom:1px solid #e6e9ee}\
tr:last-child>*{border-bottom:0}th{width:14rem;font-weight:500;color:#5a6475}\
td{font-family:ui-monospace,monospace;font-size:.9rem;overflow-wrap:anywhere}\
@media(prefers-color-scheme:dark){body{background:#14171c;color:#e8ebf0}\
table{background:#1d2127}th,td{border-color:#2b313a}th{color:#98a2b3}}";

/// Text as it may stand in a page: a client chose it.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                _ => f.write_char(c)?,
            }
        }
        Ok(())
    }
}
