//! `tollgate check` and `tollgate schema`.

mod trials;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::FAILED;
use super::output::Output;
use crate::certificates::Unreadable;
use crate::config::{self, Diagnostic, Report, Severity};
use crate::control::unreadable_under;

/// `tollgate check …`.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The configuration.
    #[arg(value_name = "FILE", required_unless_present = "tests")]
    config: Option<PathBuf>,
    /// Try out routing tests, too: requests, and what is expected to become of them.
    #[arg(long, value_name = "FILE")]
    tests: Option<PathBuf>,
    /// How to print what was found.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

impl Check {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { config, tests, output } = self;
        match (config, tests) {
            (config, Some(tests)) => trials::trials(config.as_deref(), &tests, output),
            (Some(config), None) => check(&config, output),
            // clap asks for one of them.
            (None, None) => Ok(ExitCode::from(FAILED)),
        }
    }
}

fn check(config: &Path, output: Output) -> anyhow::Result<ExitCode> {
    let loaded = config::load(config);
    let quarantined = loaded.iter().flat_map(|loaded| &loaded.quarantined);
    let mut report = match &loaded {
        Ok(loaded) => Report { diagnostics: loaded.warnings.clone() },
        Err(report) => report.clone(),
    };
    report.diagnostics.extend(quarantined.flat_map(|one| one.diagnostics.iter().cloned()));
    if let Ok(loaded) = &loaded {
        report.diagnostics.extend(unreadable_under(&loaded.document).map(|lost| of_store(config, &lost)));
    }
    let good = loaded.as_ref().is_ok_and(|loaded| loaded.quarantined.is_empty());
    match output {
        // A line for a program, as ever.
        Output::Json => println!("{}", json!({ "valid": good, "diagnostics": report.diagnostics })),
        Output::Yaml => output.document(&json!({ "valid": good, "diagnostics": report.diagnostics }))?,
        Output::Text => {
            if !report.diagnostics.is_empty() {
                let mut out = io::stderr();
                let colour = out.is_terminal();
                let _ = out.write_all(report.render(colour).as_bytes());
                eprintln!();
            }
            if let (true, Ok(loaded)) = (good, &loaded) {
                let document = &loaded.document;
                println!(
                    "{}: valid ({} listeners, {} plans, {} pools, {} routes, {} tenants)",
                    config.display(),
                    document.listeners.len(),
                    document.plans.len(),
                    document.pools.len(),
                    document.routes.len(),
                    document.tenants.len()
                );
            } else {
                eprintln!("{}: not valid", config.display());
            }
        }
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// What is wrong with the configuration beside the store that it names, as far as that can be looked into from here.
fn of_store(config: &Path, lost: &Unreadable) -> Diagnostic {
    Diagnostic {
        code: "unreadable-certificates",
        severity: Severity::Warning,
        message: lost.to_string(),
        file: config.display().to_string(),
        line: 0,
        column: 0,
        width: 0,
        source: String::new(),
        hint: None,
        related: Vec::new(),
    }
}

pub(super) fn schema() -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(&config::schema())?;
    match writeln!(io::stdout().lock(), "{text}") {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}
