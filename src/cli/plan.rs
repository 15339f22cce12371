//! `tollgate plan`: the plans of the configuration.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::client::Call;
use super::connection::Connection;
use super::output::{brief, word};

/// `tollgate plan …`.
#[derive(Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the plans, and how many tenants are on each.
    List,
    /// Show a plan.
    Get {
        /// Its name.
        name: String,
    },
}

impl Plan {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (client, output) = (self.connection.client()?, self.connection.output);
        match self.verb {
            Verb::List => {
                let plans = client.json(Call::get(&["plans"]))?;
                output.list(&plans, "plans", &["NAME", "TENANTS", "RATE", "FEATURES"], |plan| {
                    let rate =
                        plan.pointer("/rate_limit/rate").or_else(|| plan.pointer("/limits/rate_limit/rate"));
                    let rate = rate.map(brief).unwrap_or_default();
                    vec![word(plan, "name"), word(plan, "tenants"), rate, features(plan)]
                })
            }
            Verb::Get { name } => output.document(&client.json(Call::get(&["plans", &name]))?),
        }
    }
}

fn features(plan: &Value) -> String {
    plan.get("features")
        .filter(|features| features.as_array().is_none_or(|list| !list.is_empty()))
        .map(brief)
        .unwrap_or_default()
}
