//! `tollgate domain`: whose a domain is, claims of domains and their proof.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::client::Call;
use super::confirm::confirm;
use super::connection::Connection;
use super::output::{Output, word};

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
    /// List a tenant's domains, proven or not.
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
                })
            }
            Verb::Add { tenant, domain, verified } => {
                let claim = json!({ "domain": domain, "verified": verified });
                let claimed = client.json(Call::post(&["tenants", &tenant, "domains"]).json(&claim))?;
                match output {
                    Output::Text => output.done(&claimed, &instructions(&claimed, &tenant, &domain)),
                    _ => output.document(&claimed),
                }
            }
            Verb::Verify { tenant, domain, method } => {
                let body = match method {
                    Some(Method::Dns) => json!({ "method": "dns" }),
                    Some(Method::Http) => json!({ "method": "http" }),
                    None => json!({}),
                };
                let call = Call::post(&["tenants", &tenant, "domains", &domain, "verify"]).json(&body);
                let proven = client.json(call)?;
                output.done(&proven, &format!("{domain} is verified: it is tenant {tenant}'s"))
            }
            Verb::Remove { tenant, domain, yes } => {
                confirm(&format!("take {domain} from tenant {tenant}"), yes)?;
                client.done(Call::delete(&["tenants", &tenant, "domains", &domain]))?;
                let removed = json!({ "tenant": tenant, "domain": domain, "removed": true });
                output.done(&removed, &format!("{domain} is no domain of tenant {tenant} any more"))
            }
            Verb::Whois { domain } => output.document(&client.json(Call::get(&["domains", &domain]))?),
        }
    }
}

/// How a claim can be proven, in words for whoever has to do it.
fn instructions(claimed: &Value, tenant: &str, domain: &str) -> String {
    let at = |pointer: &str| claimed.pointer(pointer).and_then(Value::as_str);
    if word(claimed, "state") == "verified" {
        return format!("{domain} is tenant {tenant}'s");
    }
    let mut text = format!(
        "{domain} is claimed by tenant {tenant}, and not served until it is proven, in one of these ways:"
    );
    if let (Some(name), Some(value)) = (at("/challenge/dns/name"), at("/challenge/dns/value")) {
        text += &format!("\n  DNS    {name}  TXT  \"{value}\"");
    }
    if let (Some(url), Some(body)) = (at("/challenge/http/url"), at("/challenge/http/body")) {
        text += &format!("\n  HTTP   {url} answers {body}");
    }
    text + &format!("\nthen: tollgate domain verify {tenant} '{domain}'")
}
