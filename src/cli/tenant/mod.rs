//! `tollgate tenant`: the tenants that are kept in the store; those of the configuration are only shown.

mod change;
mod document;
mod export;
mod import;
mod lines;
mod progress;
mod tally;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Call, Client};
use super::confirm::confirm;
use super::connection::Connection;
use super::listing::{Bounds, Listing};
use super::output::{Output, word};

use change::{Create, Set};
use export::Export;
use import::Import;

/// `tollgate tenant …`.
#[derive(Debug, Args)]
pub(super) struct Tenant {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a tenant; it is served before this returns.
    Create(Create),
    /// List tenants, in order of their ids.
    List {
        #[command(flatten)]
        filter: Filter,
        /// Kept there: store or configuration.
        #[arg(long)]
        source: Option<String>,
        #[command(flatten)]
        bounds: Bounds,
    },
    /// Show a tenant.
    Get {
        /// Its id.
        id: String,
    },
    /// Change a tenant: what is not named stays as it is.
    Set(Set),
    /// Delete a tenant with its domains and keys.
    Delete {
        /// Its id.
        id: String,
        /// Only if it is still at this revision.
        #[arg(long, value_name = "REVISION")]
        if_match: Option<u64>,
        /// Don't ask.
        #[arg(long)]
        yes: bool,
    },
    /// Refuse a tenant's requests (403) until it is resumed.
    Suspend {
        /// Its id.
        id: String,
        /// Why, for the audit log.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Serve a suspended tenant again.
    Resume {
        /// Its id.
        id: String,
        /// Why, for the audit log.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Create or replace tenants by the thousand, from newline-delimited JSON: a tenant a line.
    Import(Import),
    /// Write tenants as newline-delimited JSON, as `import` takes them.
    Export(Export),
}

/// Which tenants.
#[derive(Debug, Args)]
struct Filter {
    /// On this plan.
    #[arg(long)]
    plan: Option<String>,
    /// In this state: active, suspended, maintenance or past_due.
    #[arg(long)]
    state: Option<String>,
    /// With this label; all of them, where several are given.
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = change::label)]
    labels: Vec<(String, String)>,
    /// With this domain.
    #[arg(long)]
    domain: Option<String>,
    /// With this text in its id, a domain or a label.
    #[arg(long, value_name = "TEXT")]
    query: Option<String>,
}

impl Tenant {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (client, output) = (self.connection.client()?, self.connection.output);
        match self.verb {
            Verb::Create(create) => create.run(&client, output),
            Verb::List { filter, source, bounds } => LIST.show(&client, output, &bounds, || {
                filter.of(Call::get(&["tenants"])).with_some("source", source.as_deref())
            }),
            Verb::Get { id } => output.document(&client.json(Call::get(&["tenants", &id]))?),
            Verb::Set(set) => set.run(&client, output),
            Verb::Delete { id, if_match, yes } => {
                confirm(&format!("delete tenant {id} with its domains and keys"), yes)?;
                client.done(Call::delete(&["tenants", &id]).if_match(if_match))?;
                output.done(&json!({ "id": id, "deleted": true }), &format!("tenant {id} deleted"))
            }
            Verb::Suspend { id, reason } => turn(&client, output, &id, "suspend", reason),
            Verb::Resume { id, reason } => turn(&client, output, &id, "resume", reason),
            Verb::Import(import) => import.run(&client, output),
            Verb::Export(export) => export.run(&client),
        }
    }
}

impl Filter {
    fn of(&self, call: Call) -> Call {
        let call = call
            .with_some("plan", self.plan.as_deref())
            .with_some("state", self.state.as_deref())
            .with_some("domain", self.domain.as_deref())
            .with_some("q", self.query.as_deref());
        self.labels.iter().fold(call, |call, (name, value)| call.with("label", &format!("{name}={value}")))
    }
}

const LIST: Listing = Listing {
    member: "tenants",
    header: &["ID", "PLAN", "STATE", "DOMAINS", "LABELS", "SOURCE"],
    row: |tenant| {
        let word = |member| word(tenant, member);
        vec![word("id"), word("plan"), word("state"), domains(tenant), word("labels"), word("source")]
    },
};

/// How many domains stand in a row.
const DOMAINS_SHOWN: usize = 3;

fn domains(tenant: &Value) -> String {
    let domains = tenant.get("domains").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let shown: Vec<_> = domains.iter().take(DOMAINS_SHOWN).filter_map(Value::as_str).collect();
    match domains.len().checked_sub(DOMAINS_SHOWN + 1) {
        None => shown.join(","),
        Some(more) => format!("{} (+{})", shown.join(","), more + 1),
    }
}

/// Suspends or resumes.
fn turn(client: &Client, output: Output, id: &str, verb: &str, reason: Option<String>) -> anyhow::Result<()> {
    let mut call = Call::post(&["tenants", id, verb]);
    if let Some(reason) = reason {
        call = call.json(&json!({ "reason": reason }));
    }
    let tenant = client.json(call)?;
    output.done(&tenant, &format!("tenant {id} is {}", word(&tenant, "state")))
}
