//! A request that something is expected of, explained, and what did not come of it.

use serde_json::Value;

use super::redaction::REDACTED;
use super::{Ground, InvalidQuestion, Question, explain};
use crate::config::{Expectation, Expected, Origin, RoutingTest};
use crate::types::ValueTest;

/// What came of a test.
#[derive(Debug)]
pub struct Trial {
    /// The explanation of its request.
    pub told: Value,
    /// What was expected and did not come; none where it has passed.
    pub failures: Vec<Failure>,
}

/// An expectation that was not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Where it was written.
    pub origin: String,
    /// What of the request it is about.
    pub what: String,
    /// What was expected.
    pub expected: String,
    /// What came.
    pub came: String,
}

impl Trial {
    /// Tries a test out.
    ///
    /// # Errors
    /// Its request is none.
    pub async fn of(ground: &Ground, test: &RoutingTest) -> Result<Self, InvalidQuestion> {
        let told = explain(ground, Question::from_json(&test.request)?).await;
        let failures = test.expected.iter().filter_map(|expected| failure(expected, &told)).collect();
        Ok(Self { told, failures })
    }
}

fn failure(Expectation { what, origin }: &Expectation, told: &Value) -> Option<Failure> {
    let is = |name: &str, pointer: &str, expected: &str| {
        let came = told.pointer(pointer).and_then(Value::as_str);
        (came != Some(expected)).then(|| Failure::new(origin, name, expected, came.unwrap_or("none")))
    };
    // What is drawn may be another the next time: a test that passes now and then is none.
    let drawn = |name: &str, expected: &str| {
        let among = told.pointer("/pool/drawn_among")?.as_array()?;
        let among: Vec<&str> = among.iter().filter_map(Value::as_str).collect();
        let came = format!("not certain: it is drawn among {}", among.join(", "));
        (among.iter().any(|one| *one != expected)).then(|| Failure::new(origin, name, expected, &came))
    };
    match what {
        Expected::Action(action) => is("action", "/verdict/action", action),
        Expected::Tenant(id) => is("tenant", "/tenant/id", id),
        Expected::Plan(plan) => is("plan", "/tenant/plan", plan),
        Expected::Route(name) => is("route", "/route/name", name),
        Expected::Pool(name) => drawn("pool", name).or_else(|| is("pool", "/pool/name", name)),
        Expected::Endpoint(name) => {
            drawn("endpoint", name).or_else(|| is("endpoint", "/pool/endpoint/name", name))
        }
        Expected::Code(code) => is("code", "/verdict/code", code),
        Expected::Target(target) => {
            let line = told.pointer("/upstream/request_line").and_then(Value::as_str);
            let came = line.and_then(|line| line.split(' ').nth(1));
            (came != Some(target.as_str())).then(|| {
                Failure::new(origin, "target", target, came.unwrap_or("none: nothing is sent upstream"))
            })
        }
        Expected::Status(status) => {
            let came = told.pointer("/verdict/status").and_then(Value::as_u64);
            let came_text = came.map_or("the application's own".to_owned(), |came| came.to_string());
            (came != Some(u64::from(*status)))
                .then(|| Failure::new(origin, "status", &status.to_string(), &came_text))
        }
        Expected::Feature(name, expected) => {
            let setting = format!("features.{name}");
            let mut settings = told.get("settings").and_then(Value::as_array).into_iter().flatten();
            let setting = settings.find(|found| found.get("name").and_then(Value::as_str) == Some(&setting));
            let has = setting.and_then(|setting| setting.get("has")).and_then(Value::as_bool);
            let why = setting.and_then(|setting| setting.get("why")).and_then(Value::as_str);
            let came =
                why.map_or("neither plan nor tenant names it".to_owned(), |why| format!("not had: {why}"));
            let (wanted, came) = match expected {
                true => ("had", came),
                false => ("not had", format!("had: {}", why.unwrap_or_default())),
            };
            (has.unwrap_or_default() != *expected)
                .then(|| Failure::new(origin, &format!("feature {name}"), wanted, &came))
        }
        Expected::Header(name, test) => {
            field(told, "/upstream", origin, &format!("header {name}"), name.as_str(), test)
        }
        Expected::ResponseHeader(name, test) => {
            field(told, "/response", origin, &format!("response header {name}"), name.as_str(), test)
        }
    }
}

fn field(
    told: &Value,
    of: &str,
    origin: &Origin,
    what: &str,
    name: &str,
    test: &ValueTest,
) -> Option<Failure> {
    let expected = match test {
        ValueTest::Is(exact) => format!("`{exact}`"),
        ValueTest::Like(pattern) => format!("what matches `{}`", pattern.as_str()),
        ValueTest::Present => "that it is there".to_owned(),
        ValueTest::Absent => "that it is not there".to_owned(),
    };
    if told.pointer(of).is_none_or(Value::is_null) {
        let came =
            if of == "/upstream" { "nothing is sent upstream" } else { "nothing is known of the response" };
        return Some(Failure::new(origin, what, &expected, came));
    }
    let fields = told.pointer(&format!("{of}/headers")).and_then(Value::as_array).into_iter().flatten();
    let text =
        |field: &'_ Value, key: &str| field.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let named = fields.filter(|field| text(field, "name").eq_ignore_ascii_case(name));
    let values: Vec<String> = named.map(|field| text(field, "value")).collect();
    if test.holds_for_any(values.iter()) {
        return None;
    }
    let came = match values.as_slice() {
        [] => "it is not there".to_owned(),
        values if values.iter().any(|value| value == REDACTED) => {
            "it is there, but is not shown: expect { present: true }".to_owned()
        }
        values => values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", "),
    };
    Some(Failure::new(origin, what, &expected, &came))
}

impl Failure {
    fn new(origin: &Origin, what: &str, expected: &str, came: &str) -> Self {
        let (what, expected, came) = (what.to_owned(), expected.to_owned(), came.to_owned());
        Self { origin: origin.to_string(), what, expected, came }
    }
}
