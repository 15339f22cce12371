//! What the operator is told of the gateway as a whole: `/api/v1/status`.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::certificates;
use crate::config::{Diagnostic, Document, Quarantined};

/// How the last attempt to load the configuration went.
#[derive(Debug, Clone)]
pub struct LastReload {
    /// When.
    pub at: SystemTime,
    /// The errors, if it failed: nothing was changed then.
    pub errors: Vec<Diagnostic>,
    /// Another reason why it failed, such as a port that can't be bound.
    pub failure: Option<String>,
}

impl LastReload {
    /// Whether it succeeded.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.errors.is_empty() && self.failure.is_none()
    }
}

/// The gateway's state, to be shown.
#[derive(Debug)]
pub struct Status<'a> {
    /// When the process started.
    pub started: SystemTime,
    /// Whether it is winding up.
    pub draining: bool,
    /// The configuration's name: a path, usually.
    pub source: String,
    /// How many configurations were loaded before this one.
    pub generation: u64,
    /// How the last load went.
    pub last_reload: &'a LastReload,
    /// Warnings about the configuration in force.
    pub warnings: &'a [Diagnostic],
    /// Tenant files that were left out.
    pub quarantined: &'a [Quarantined],
    /// Changes that only a restart brings in.
    pub restart_required: &'a [&'static str],
    /// Tenants that both the configuration and the store have.
    pub clashes: Value,
    /// Tenants of the store that are not served because the configuration lacks their plan or pool.
    pub left_out: Value,
    /// Where it listens.
    pub listeners: Vec<String>,
    /// The configuration in force.
    pub document: &'a Document,
    /// Worker threads.
    pub workers: usize,
    /// Tenants in force.
    pub tenants: usize,
    /// Open client connections.
    pub connections: usize,
}

impl Status<'_> {
    /// The document that `/api/v1/status` answers with.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let uptime = self.started.elapsed().unwrap_or(Duration::ZERO);
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "state": if self.draining { "draining" } else { "serving" },
            "started_at": timestamp(self.started),
            "uptime_seconds": uptime.as_secs(),
            "listeners": self.listeners,
            "certificates": certificates::told(self.document),
            "revocation_lists": certificates::told_revocations(self.document),
            "workers": self.workers,
            "connections": self.connections,
            "tenants": self.tenants,
            "clashes": self.clashes,
            "left_out": self.left_out,
            "config": {
                "source": self.source,
                "generation": self.generation,
                "last_reload": {
                    "at": timestamp(self.last_reload.at),
                    "successful": self.last_reload.succeeded(),
                    "errors": diagnostics(&self.last_reload.errors),
                    "failure": self.last_reload.failure,
                },
                "warnings": diagnostics(self.warnings),
                "quarantined": self.quarantined.iter().map(|one| json!({
                    "file": one.file.display().to_string(),
                    "errors": diagnostics(&one.diagnostics),
                })).collect::<Vec<_>>(),
                "restart_required": self.restart_required,
            },
        })
    }
}

fn diagnostics(list: &[Diagnostic]) -> Value {
    serde_json::to_value(list).unwrap_or(Value::Null)
}

fn timestamp(at: SystemTime) -> String {
    Timestamp::try_from(at).map(|at| format!("{at:.3}")).unwrap_or_default()
}
