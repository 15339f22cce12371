//! `tollgate key`: the API keys of a tenant.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::Call;
use super::confirm::confirm;
use super::connection::Connection;
use super::output::{Output, word};
use crate::types::TimeSpan;

/// `tollgate key …`.
#[derive(Debug, Args)]
pub(super) struct Key {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List a tenant's keys; the keys themselves are not kept, only what tells them apart.
    List {
        /// The tenant's id.
        tenant: String,
    },
    /// Make a key. It is shown this once.
    Issue {
        /// The tenant's id.
        tenant: String,
        /// What to call it.
        #[arg(long)]
        name: Option<String>,
        /// How long it is good for, such as 90d [default: until it is revoked].
        #[arg(long, value_name = "TIME")]
        expires_in: Option<TimeSpan>,
    },
    /// Make a key in place of another one, which ends a while later. The new one is shown this once.
    Rotate {
        /// The tenant's id.
        tenant: String,
        /// The id of the key to replace, as `list` shows it.
        key: String,
        /// How long both are good; 0s ends the old one at once [default: 24h].
        #[arg(long, value_name = "TIME")]
        overlap: Option<TimeSpan>,
        /// How long the new one is good for, such as 90d [default: until it is revoked].
        #[arg(long, value_name = "TIME")]
        expires_in: Option<TimeSpan>,
    },
    /// End a key at once.
    Revoke {
        /// The tenant's id.
        tenant: String,
        /// The key's id.
        key: String,
        /// Don't ask.
        #[arg(long)]
        yes: bool,
    },
}

impl Key {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (client, output) = (self.connection.client()?, self.connection.output);
        match self.verb {
            Verb::List { tenant } => {
                let keys = client.json(Call::get(&["tenants", &tenant, "keys"]))?;
                let header = &["ID", "NAME", "HINT", "STATE", "CREATED", "EXPIRES"];
                output.list(&keys, "keys", header, |key| {
                    ["id", "name", "hint", "state", "created_at", "expires_at"]
                        .map(|name| word(key, name))
                        .to_vec()
                })
            }
            Verb::Issue { tenant, name, expires_in } => {
                let wanted =
                    members([("name", name), ("expires_in", expires_in.map(|time| time.to_string()))]);
                shown(output, &client.json(Call::post(&["tenants", &tenant, "keys"]).json(&wanted))?)
            }
            Verb::Rotate { tenant, key, overlap, expires_in } => {
                let spans = [("overlap", overlap), ("expires_in", expires_in)];
                let wanted = members(spans.map(|(name, time)| (name, time.map(|time| time.to_string()))));
                let call = Call::post(&["tenants", &tenant, "keys", &key, "rotate"]).json(&wanted);
                shown(output, &client.json(call)?)
            }
            Verb::Revoke { tenant, key, yes } => {
                confirm(&format!("revoke key {key} of tenant {tenant}"), yes)?;
                client.done(Call::delete(&["tenants", &tenant, "keys", &key]))?;
                let revoked = json!({ "tenant": tenant, "id": key, "revoked": true });
                output.done(&revoked, &format!("key {key} is revoked"))
            }
        }
    }
}

/// Prints a new key, and for people where to keep it.
fn shown(output: Output, key: &Value) -> anyhow::Result<()> {
    output.document(key)?;
    if output == Output::Text && !word(key, "key").is_empty() {
        eprintln!("keep the key now: it can't be shown again");
    }
    Ok(())
}

/// The members that are given.
fn members<const N: usize>(members: [(&str, Option<String>); N]) -> Value {
    members.into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text?)))).collect()
}
