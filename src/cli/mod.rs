//! The command line: a thin layer over the library.

mod audit;
mod backup;
mod check;
mod client;
mod completions;
mod confirm;
mod connection;
mod demo;
mod domain;
mod draft;
mod explain;
mod health;
mod key;
mod listing;
mod output;
mod plan;
mod restore;
mod run;
mod sample_app;
mod supervisor;
mod table;
mod tenant;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::demo::sample_app::SampleApp;
use output::NobodyReads;

/// Exit codes: 0 done, 1 failed, 2 wrong usage (clap's own).
const FAILED: u8 = 1;

/// A tenant-aware reverse proxy gateway: the edge in front of multi-tenant applications.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, arg_required_else_help = true, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve: SIGHUP reloads, SIGTERM or SIGINT drains, a second one ends at once.
    Run {
        /// The configuration.
        #[arg(long, short, value_name = "FILE")]
        config: PathBuf,
    },
    /// Check a configuration: every error at once, nothing is started.
    Check(check::Check),
    /// Show what would become of a request, and why, without sending it.
    Explain(explain::Explain),
    /// Print the JSON Schema of the configuration, for editors and CI.
    Schema,
    /// Run a gateway with tenants of different looks before small sample applications: no files, no services.
    Demo {
        /// The gateway's port.
        #[arg(long, default_value_t = 8080)]
        port: u16,
        /// The port for metrics, health and API.
        #[arg(long, default_value_t = 9900)]
        admin_port: u16,
    },
    /// Ask a running gateway whether it is ready; for container health checks.
    Health {
        /// What to ask; of a Unix socket, like unix:/run/tollgate/admin.sock, its /readyz.
        #[arg(long, default_value = "http://127.0.0.1:9900/readyz")]
        url: String,
    },
    /// Make, change, list, import and export tenants.
    Tenant(tenant::Tenant),
    /// Claim domains for tenants, prove them, and say whose one is.
    Domain(domain::Domain),
    /// Issue, rotate and revoke tenants' API keys.
    Key(key::Key),
    /// Show the plans of the configuration.
    Plan(plan::Plan),
    /// Show who changed what, the newest first.
    Audit(audit::Audit),
    /// Write all that the store has into a file, while the gateway serves.
    Backup(backup::Backup),
    /// Bring back a backup, or one tenant of it: shows what would change, and asks.
    Restore(restore::Restore),
    /// Print a script that completes these commands in a shell.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Run one of the demo's sample applications alone.
    #[command(hide = true)]
    SampleApp {
        /// Where to listen.
        #[arg(long, value_name = "ADDRESS:PORT")]
        bind: SocketAddr,
        /// What it calls itself.
        #[arg(long)]
        name: String,
        /// The pool that it says it is in.
        #[arg(long)]
        pool: String,
        /// Has pages for a gateway that gives them the look of tenants: with {{brand.…}} tokens.
        #[arg(long)]
        branded: bool,
    },
}

/// Runs the command that the arguments name.
#[must_use]
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run { config } => run::run(config),
        Command::Check(check) => match check.run() {
            Ok(found) => return found,
            Err(error) => Err(error),
        },
        Command::Explain(explain) => explain.run(),
        Command::Schema => check::schema(),
        Command::Demo { port, admin_port } => demo::demo(port, admin_port),
        Command::Health { url } => health::health(&url),
        Command::Tenant(tenant) => tenant.run(),
        Command::Domain(domain) => domain.run(),
        Command::Key(key) => key.run(),
        Command::Plan(plan) => plan.run(),
        Command::Audit(audit) => audit.run(),
        Command::Backup(backup) => backup.run(),
        Command::Restore(restore) => restore.run(),
        Command::Completions { shell } => completions::completions(shell),
        Command::SampleApp { bind, name, pool, branded } => {
            sample_app::sample_app(bind, SampleApp { name, pool, branded })
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // As `head` would have it.
        Err(error) if error.is::<NobodyReads>() => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tollgate: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}
