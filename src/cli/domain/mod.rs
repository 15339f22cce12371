//! `tollgate domain`: whose a domain is, claims of domains and their proof.

mod challenge;
mod status;
mod wait;

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::client::{Call, plain};
use super::confirm::confirm;
use super::connection::Connection;
use super::output::{Output, print, word};
use crate::types::TimeSpan;

/// `tollgate domain …`.
#[derive(Debug, Args)]
pub(super) struct Domain {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List a tenant's domains, and how those can be proven that are not.
    List {
        /// The tenant's id.
        tenant: String,
    },
    /// Claim a domain for a tenant; the answer says how it can be proven.
    Add {
        /// The tenant's id.
        tenant: String,
        /// The domain: www.shop.test, or *.shop.test for all below it.
        domain: String,
        /// It is the tenant's: you vouch for it, and it is served at once.
        #[arg(long)]
        verified: bool,
    },
    /// Look for the proof of a claimed domain now.
    Verify {
        /// The tenant's id.
        tenant: String,
        /// The domain.
        domain: String,
        /// Where to look [default: in both].
        #[arg(long, value_enum)]
        method: Option<Method>,
        /// Look again and again for so long, like 10m, until it is there.
        #[arg(long, value_name = "TIME")]
        wait: Option<TimeSpan>,
    },
    /// Take a domain from a tenant.
    Remove {
        /// The tenant's id.
        tenant: String,
        /// The domain.
        domain: String,
        /// Don't ask.
        #[arg(long)]
        yes: bool,
    },
    /// Tell a domain's whole life: whose it is or who claims it, where DNS leads, its certificate, what went wrong last, and what comes next.
    Status {
        /// The domain.
        domain: String,
    },
    /// Order a domain's certificate now, whether it is time or not; where that can't be, say why.
    Renew {
        /// The domain.
        domain: String,
    },
    /// Say whose a domain is.
    Whois {
        /// The domain.
        domain: String,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Method {
    /// A TXT record.
    Dns,
    /// A file on the web server.
    Http,
}

impl Domain {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (client, output) = (self.connection.client()?, self.connection.output);
        match self.verb {
            Verb::List { tenant } => {
                let domains = client.json(Call::get(&["tenants", &tenant, "domains"]))?;
                let header = &["DOMAIN", "STATE", "METHOD", "CREATED", "VERIFIED"];
                output.list(&domains, "domains", header, |domain| {
                    ["domain", "state", "method", "created_at", "verified_at"]
                        .map(|name| word(domain, name))
                        .to_vec()
                })?;
                let waiting = challenge::waiting(&domains, &tenant);
                if output == Output::Text { print(plain(&waiting)) } else { Ok(()) }
            }
            Verb::Add { tenant, domain, verified } => {
                let claim = json!({ "domain": domain, "verified": verified });
                let claimed = client.json(Call::post(&["tenants", &tenant, "domains"]).json(&claim))?;
                match output {
                    Output::Text => output.done(&claimed, &challenge::claimed(&claimed, &tenant, &domain)),
                    _ => output.document(&claimed),
                }
            }
            Verb::Verify { tenant, domain, method, wait } => {
                let body = match method {
                    Some(Method::Dns) => json!({ "method": "dns" }),
                    Some(Method::Http) => json!({ "method": "http" }),
                    None => json!({}),
                };
                let patience = wait.map_or(Duration::ZERO, |span| span.0);
                let call = || Call::post(&["tenants", &tenant, "domains", &domain, "verify"]).json(&body);
                let proven = wait::proof(&client, &domain, patience, call)?;
                output.done(&proven, &format!("{domain} is verified: it is tenant {tenant}'s"))
            }
            Verb::Remove { tenant, domain, yes } => {
                confirm(&format!("take {domain} from tenant {tenant}"), yes)?;
                client.done(Call::delete(&["tenants", &tenant, "domains", &domain]))?;
                let removed = json!({ "tenant": tenant, "domain": domain, "removed": true });
                output.done(&removed, &format!("{domain} is no domain of tenant {tenant} any more"))
            }
            Verb::Status { domain } => {
                let document = client.json(Call::get(&["domains", &domain]))?;
                match output {
                    Output::Text => print(plain(&status::told(&document))),
                    _ => output.document(&document),
                }
            }
            Verb::Renew { domain } => {
                let document = client.json(Call::post(&["domains", &domain, "certificate"]))?;
                let what = match word(&document, "detail") {
                    said if said.is_empty() => format!("the certificate of {domain} is ordered"),
                    said => said,
                };
                output.done(&document, &format!("{what}: tollgate domain status {domain}"))
            }
            Verb::Whois { domain } => output.document(&client.json(Call::get(&["domains", &domain]))?),
        }
    }
}
