//! Files of routing tests: requests, and what is expected to become of them, each expectation with its place.

use std::path::{Path, PathBuf};

use http::HeaderName;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Map, Value, json};

use super::build::Builder;
use super::decode::{Spanned, WordOr};
use super::diagnostic::Report;
use super::document::Origin;
use super::load::{Reader, process_environment, whole, why};
use super::source::Mark;
use super::written::{self, Action};
use crate::types::{Certificate, ValueTest};

/// The tests of a file.
#[derive(Debug)]
pub struct RoutingTests {
    /// The configuration that they are for, if they name one: relative to the working directory.
    pub config: Option<PathBuf>,
    /// The tests, in the order of the file.
    pub tests: Vec<RoutingTest>,
}

/// A request, and what is expected to become of it.
#[derive(Debug)]
pub struct RoutingTest {
    /// What it shows.
    pub name: String,
    /// Where its request was written.
    pub origin: Origin,
    /// The request, as the admin API takes it.
    pub request: Value,
    /// What is expected: all of it.
    pub expected: Vec<Expectation>,
}

/// Something that is expected.
#[derive(Debug)]
pub struct Expectation {
    /// What.
    pub what: Expected,
    /// Where it was written.
    pub origin: Origin,
}

/// What is expected of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// What becomes of it: `forward`, `answer` or `refuse`.
    Action(&'static str),
    /// Whose it is.
    Tenant(String),
    /// The tenant's plan.
    Plan(String),
    /// Its route.
    Route(String),
    /// The pool that serves it.
    Pool(String),
    /// The endpoint that it gets for certain.
    Endpoint(String),
    /// The status of the gateway's own answer.
    Status(u16),
    /// The code of its refusal.
    Code(String),
    /// The target that goes upstream.
    Target(String),
    /// A field that goes upstream.
    Header(HeaderName, ValueTest),
    /// A field that the gateway sets in the response.
    ResponseHeader(HeaderName, ValueTest),
    /// A feature that the tenant has, or has not.
    Feature(String, bool),
}

impl RoutingTests {
    /// Reads a file of tests.
    ///
    /// # Errors
    /// Every error in it, at once.
    pub fn of_file(path: &Path) -> Result<Self, Report> {
        let name = path.display().to_string();
        let mut reader = Reader::default();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                let mark = reader.findings.sources.add_unreadable(&name);
                let message = format!("the file can't be read: {}", why(&error));
                reader.findings.error("missing-file", mark, message);
                return Err(Report { diagnostics: reader.findings.take(|_| true) });
            }
        };
        let root = reader.read(&text, &name);
        let written: Option<written::RoutingTests> =
            root.and_then(|root| reader.decode(root, &process_environment));
        let findings = &reader.findings;
        let tests = written.map(|written| {
            if written.tests.0.is_empty() && findings.errors_in(0) == 0 {
                findings
                    .error("missing-key", whole(0), "there is no test in this file")
                    .hint("write one like `- { request: https://www.example.com/, expect: { tenant: acme } }` below `tests:`");
            }
            let folder = path.parent().unwrap_or(Path::new(""));
            let tests = Tests { builder: Builder::bare(findings), folder };
            Self {
                config: written.config.map(|config| folder.join(config.value)),
                tests: written.tests.0.iter().map(|test| tests.test(test)).collect(),
            }
        });
        let diagnostics = findings.take(|_| true);
        match tests.filter(|_| diagnostics.is_empty()) {
            Some(tests) => Ok(tests),
            None => Err(Report { diagnostics }),
        }
    }
}

/// What is expected by a word.
type Word = fn(String) -> Expected;

struct Tests<'b> {
    builder: Builder<'b>,
    /// Where files are that they name.
    folder: &'b Path,
}

impl Tests<'_> {
    fn test(&self, written: &written::RoutingTest) -> RoutingTest {
        let request = match &written.request.value {
            WordOr::Word(url) => json!({ "url": url }),
            WordOr::Mapping(asked) => self.document(asked),
        };
        let text = |key: &str| request.get(key).and_then(Value::as_str);
        let unnamed = || format!("{} {}", text("method").unwrap_or("GET"), text("url").unwrap_or_default());
        let name = written.name.clone().unwrap_or_else(unnamed);
        let origin = self.builder.findings.sources.origin(written.request.key);
        RoutingTest { name, origin, expected: self.expected(&written.expect), request }
    }

    /// As the admin API takes it.
    fn document(&self, asked: &written::Asked) -> Value {
        let headers = asked.headers.iter().map(|(name, lines)| (name.value.clone(), json!(lines.0)));
        let headers: Map<String, Value> = headers.collect();
        let certificate = asked.client_cert.as_ref().and_then(|file| self.certificate(file));
        json!({
            "url": asked.url, "method": asked.method, "headers": headers, "from": asked.from,
            "client_certificate": certificate,
        })
    }

    fn certificate(&self, file: &Spanned<String>) -> Option<String> {
        let text = std::fs::read_to_string(self.folder.join(&file.value));
        let findings = self.builder.findings;
        let text = text.inspect_err(|error| {
            let message = format!("the file `{}` can't be read: {}", file.value, why(error));
            findings.error("missing-file", file.mark, message);
        });
        let text = text.ok()?;
        let der = CertificateDer::from_pem_slice(text.as_bytes()).ok();
        if der.and_then(|der| Certificate::read(&der)).is_none() {
            let message = format!("the file `{}` has no certificate in PEM", file.value);
            findings
                .error("invalid-value", file.mark, message)
                .hint("it needs a block that begins with -----BEGIN CERTIFICATE-----");
        }
        Some(text)
    }

    fn expected(&self, expect: &Spanned<written::Expect>) -> Vec<Expectation> {
        let written::Expect { action, tenant, plan, route, pool, endpoint, status, code, target, .. } =
            &expect.value;
        let written::Expect { headers, response_headers, location, features, without_features, .. } =
            &expect.value;
        let mut all = Vec::new();
        let mut add = |what: Expected, mark: Mark| {
            all.push(Expectation { what, origin: self.builder.findings.sources.origin(mark) });
        };
        if let Some(action) = action {
            let word = match action.value {
                Action::Forward => "forward",
                Action::Answer => "answer",
                Action::Refuse => "refuse",
            };
            add(Expected::Action(word), action.key);
        }
        let texts: [(_, Word); 7] = [
            (tenant, Expected::Tenant),
            (plan, Expected::Plan),
            (route, Expected::Route),
            (pool, Expected::Pool),
            (endpoint, Expected::Endpoint),
            (code, Expected::Code),
            (target, Expected::Target),
        ];
        for (text, what) in texts {
            if let Some(text) = text {
                add(what(text.value.clone()), text.key);
            }
        }
        if let Some(status) = status {
            add(Expected::Status(status.value), status.key);
        }
        for (listed, expected) in [(features, true), (without_features, false)] {
            for feature in &listed.0 {
                add(Expected::Feature(feature.value.clone(), expected), feature.mark);
            }
        }
        if let Some(location) = location {
            let test = ValueTest::Is(location.value.as_str().into());
            add(Expected::ResponseHeader(http::header::LOCATION, test), location.key);
        }
        for (entries, what) in
            [(headers, Expected::Header as fn(_, _) -> _), (response_headers, Expected::ResponseHeader)]
        {
            let tests = self.builder.header_matches(entries);
            for (name, test) in tests {
                let mark = entries.iter().find(|(key, _)| name.as_str().eq_ignore_ascii_case(&key.value));
                add(what(name, test), mark.map_or(expect.mark, |(key, _)| key.mark));
            }
        }
        if all.is_empty() && self.builder.findings.errors_in(0) == 0 {
            self.builder
                .findings
                .error("missing-key", expect.key, "nothing is expected here")
                .hint("write what should come of it, like { tenant: acme, pool: shared }");
        }
        all
    }
}
