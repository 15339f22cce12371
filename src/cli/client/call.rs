//! One call of the API.

use std::fs::File;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::body::Upload;

/// What of a path's segment or a query's value is not sent as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// How long the gateway may take to begin its answer: it gives itself 30 s for most.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request that is being put together.
pub(in crate::cli) struct Call {
    pub(super) method: Method,
    /// Path and query below `/api/v1`, encoded.
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Upload,
    pub(super) patience: Duration,
}

impl Call {
    /// A call of the path that these segments are, whatever is in them.
    pub(in crate::cli) fn new(method: Method, path: &[&str]) -> Self {
        let target: String = path.iter().map(|segment| format!("/{}", encoded(segment))).collect();
        let (headers, body) = (HeaderMap::new(), Upload::Whole(None));
        Self { method, target, headers, body, patience: PATIENCE }
    }

    /// Reads.
    pub(in crate::cli) fn get(path: &[&str]) -> Self {
        Self::new(Method::GET, path)
    }

    /// Has something done.
    pub(in crate::cli) fn post(path: &[&str]) -> Self {
        Self::new(Method::POST, path)
    }

    /// Takes something away.
    pub(in crate::cli) fn delete(path: &[&str]) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// Adds a parameter to the query.
    pub(in crate::cli) fn with(mut self, name: &str, value: &str) -> Self {
        let separator = if self.target.contains('?') { '&' } else { '?' };
        self.target += &format!("{separator}{name}={}", encoded(value));
        self
    }

    /// Adds a parameter, where there is one.
    pub(in crate::cli) fn with_some(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Holds only while the tenant is at this revision.
    pub(in crate::cli) fn if_match(mut self, revision: Option<u64>) -> Self {
        if let Some(revision) = revision
            && let Ok(value) = HeaderValue::from_str(&format!("\"{revision}\""))
        {
            self.headers.insert(header::IF_MATCH, value);
        }
        self
    }

    /// Holds only where there is such a tenant.
    pub(in crate::cli) fn if_present(mut self) -> Self {
        self.headers.insert(header::IF_MATCH, HeaderValue::from_static("*"));
        self
    }

    /// Sends a document.
    pub(in crate::cli) fn json(self, document: &Value) -> Self {
        self.content("application/json", document.to_string().into())
    }

    /// Sends a body of this type.
    pub(in crate::cli) fn content(mut self, kind: &'static str, body: Bytes) -> Self {
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        self.body = Upload::Whole(Some(body));
        self
    }

    /// Sends a file from where it stands, as newline-delimited JSON.
    pub(in crate::cli) fn ndjson_file(mut self, file: File) -> anyhow::Result<Self> {
        let length = file.metadata().context("the file can't be read")?.len();
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        self.body = Upload::File(file, length);
        Ok(self)
    }

    /// Gives the gateway this long to begin its answer.
    pub(in crate::cli) fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_in_a_segment_stays_in_it() {
        let call = Call::get(&["tenants", "a/../b?c", "domains", "*.shop.test"]);
        assert_eq!(call.target, "/tenants/a%2F..%2Fb%3Fc/domains/%2A.shop.test");
        let call = Call::get(&["audit"]).with("tenant", "a&b=c").with_some("actor", None).with("q", "é");
        assert_eq!(call.target, "/audit?tenant=a%26b%3Dc&q=%C3%A9");
    }
}
