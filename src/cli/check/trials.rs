//! `tollgate check --tests`: requests, and what is expected to become of them.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tokio::runtime::Builder;

use crate::cli::FAILED;
use crate::cli::client::plain;
use crate::cli::explain::{opened, reasons};
use crate::cli::output::{Output, print};
use crate::config::{RoutingTest, RoutingTests};
use crate::control::{Failure, Trial};

/// Tries the tests of a file out on a configuration: the one that is named, else the one that the file names.
pub(in crate::cli) fn trials(
    config: Option<&Path>,
    tests: &Path,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let file = tests.display();
    let tests = match RoutingTests::of_file(tests) {
        Ok(tests) => tests,
        Err(report) => {
            eprintln!("{}", report.render(false));
            bail!("{file}: not valid");
        }
    };
    let config = config.or(tests.config.as_deref());
    let config = config.with_context(|| {
        format!("which configuration?\nname it: `tollgate check CONFIG --tests {file}`, or write `config: FILE` into {file}")
    })?;
    let local = opened(config)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut tried = Vec::with_capacity(tests.tests.len());
    for test in &tests.tests {
        let trial = runtime.block_on(Trial::of(&local.ground, test));
        tried.push((test, trial.with_context(|| test.origin.to_string())?));
    }
    let failed = tried.iter().filter(|(_, trial)| !trial.failures.is_empty()).count();
    match output {
        Output::Text => print(drawn(&file.to_string(), &tried, failed))?,
        output => output.document(&document(&tried, failed))?,
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// What failed, and why; in the end how many.
fn drawn(file: &str, tried: &[(&RoutingTest, Trial)], failed: usize) -> String {
    let mut text = String::new();
    for (test, trial) in tried.iter().filter(|(_, trial)| !trial.failures.is_empty()) {
        let _ = writeln!(text, "{}", plain(&format!("failed: {} ({})", test.name, test.origin)));
        for Failure { origin, what, expected, came } in &trial.failures {
            let line = format!("  {origin}: {what}: expected {expected}, came {came}");
            let _ = writeln!(text, "{}", plain(&line));
        }
        for line in reasons(&trial.told).lines() {
            let _ = writeln!(text, "  {line}");
        }
        text.push('\n');
    }
    let count = tried.len();
    let word = if count == 1 { "test" } else { "tests" };
    let _ = match failed {
        0 => writeln!(text, "{file}: {count} {word} passed"),
        _ => writeln!(text, "{file}: {failed} of {count} {word} failed"),
    };
    text
}

fn document(tried: &[(&RoutingTest, Trial)], failed: usize) -> Value {
    let tests = tried.iter().map(|(test, trial)| {
        let failures = trial.failures.iter().map(|Failure { origin, what, expected, came }| {
            json!({ "source": origin, "what": what, "expected": expected, "came": came })
        });
        let failures: Vec<Value> = failures.collect();
        let passed = failures.is_empty();
        json!({
            "name": test.name,
            "source": test.origin.to_string(),
            "passed": passed,
            "failures": failures,
            "explanation": (!passed).then_some(&trial.told),
        })
    });
    let tests: Vec<Value> = tests.collect();
    json!({ "passed": tests.len() - failed, "failed": failed, "tests": tests })
}
