//! How the tenant is found: what each rule says, in words.

use http::HeaderMap;
use serde_json::{Value, json};

use super::sources::Sources;
use crate::config::Step;
use crate::http::client_addr::Client;
use crate::proxy::Rehearsal;
use crate::tenant::{Rule, Said, Unidentified, Witness};
use crate::types::Certificate;

/// What rules have said, in order.
#[derive(Debug, Default)]
pub(super) struct Hearing(Vec<(usize, Heard)>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Heard {
    NotAsked,
    Nobody,
    Tenant(String),
    Refused(Unidentified),
}

impl Witness for Hearing {
    fn heard(&mut self, rule: usize, said: Said<'_>) {
        let heard = match said {
            Said::NotAsked => Heard::NotAsked,
            Said::Nobody => Heard::Nobody,
            Said::Tenant(tenant) => Heard::Tenant(tenant.id().to_string()),
            Said::Refused(why) => Heard::Refused(why.clone()),
        };
        self.0.push((rule, heard));
    }
}

impl Hearing {
    /// Each rule with what it said and why.
    pub(super) fn told(&self, rehearsal: &Rehearsal, sources: &Sources) -> Value {
        let asked = Asked {
            host: rehearsal.host(),
            fields: &rehearsal.head().headers,
            client: rehearsal.client(),
            certificate: rehearsal.certificate(),
            kept: sources.looks_into_store(),
        };
        let rules = rehearsal.snapshot().identify.rules().iter().enumerate();
        let told = rules.map(|(at, rule)| {
            let heard = self.0.iter().find(|(of, _)| *of == at).map(|(_, heard)| heard);
            let (says, tenant) = match heard {
                None => ("not reached", None),
                Some(Heard::NotAsked) => ("not asked", None),
                Some(Heard::Nobody) => ("nobody", None),
                Some(Heard::Tenant(id)) => ("tenant", Some(id)),
                Some(Heard::Refused(_)) => ("refuses", None),
            };
            let way = [Step::keys(&["tenancy", "identify"]), vec![Step::At(at)]].concat();
            json!({
                "rule": name(rule),
                "source": sources.document(&way),
                "says": says,
                "tenant": tenant,
                "why": asked.why(rule, heard),
            })
        });
        told.collect()
    }
}

/// What rules look at.
struct Asked<'a> {
    host: Option<&'a str>,
    fields: &'a HeaderMap,
    client: Client,
    certificate: Option<&'a Certificate>,
    /// Whether tenants of a store were looked up, too.
    kept: bool,
}

impl Asked<'_> {
    fn why(&self, rule: &Rule, heard: Option<&Heard>) -> String {
        let host = self.host.unwrap_or_default();
        let anywhere = if self.kept { "" } else { " in the configuration" };
        match (rule, heard) {
            (_, None) => "the one before it has ended the search".to_owned(),
            (Rule::Header(name), Some(Heard::NotAsked)) => {
                format!("the peer {} is no trusted proxy, so its {name} is not believed", self.client.ip)
            }
            (Rule::ClientCert(_), Some(Heard::NotAsked)) => "the client has shown no certificate".to_owned(),
            (Rule::ClientCert(_), Some(Heard::Nobody)) => {
                format!("nothing fits in the certificate of `{}`", self.subject())
            }
            (Rule::ClientCert(_), Some(Heard::Tenant(id))) => {
                format!("the certificate of `{}` names {id}", self.subject())
            }
            (Rule::ClientCert(_), Some(Heard::Refused(Unidentified::Conflict))) => {
                format!("the certificate of `{}` names several tenants", self.subject())
            }
            (Rule::ClientCert(rule), Some(Heard::Refused(Unidentified::Unknown))) => {
                let id = rule.id_in(self.certificate).unwrap_or_default();
                format!(
                    "the certificate of `{}` names `{id}`, and there is no such tenant{anywhere}",
                    self.subject()
                )
            }
            (_, Some(Heard::NotAsked)) if self.host.is_none() => "the request has no host".to_owned(),
            (_, Some(Heard::NotAsked)) => "the host has named a tenant already".to_owned(),
            (Rule::Host(pattern), Some(Heard::Nobody)) => match pattern.capture(host) {
                Some(id) => format!("there is no tenant `{id}`{anywhere}"),
                None => format!("the host {host} does not fit"),
            },
            (Rule::Domain, Some(Heard::Nobody)) => format!("no tenant{anywhere} has the domain {host}"),
            (Rule::Header(name) | Rule::ApiKey(name), Some(Heard::Nobody)) => {
                format!("the request has no {name}")
            }
            (Rule::Host(_) | Rule::Domain, Some(Heard::Tenant(id))) => format!("the host {host} is {id}'s"),
            (Rule::Header(name), Some(Heard::Tenant(id))) => format!("{name} names {id}"),
            (Rule::ApiKey(name), Some(Heard::Tenant(id))) => format!("the key in {name} is {id}'s"),
            (Rule::Header(name) | Rule::ApiKey(name), Some(Heard::Refused(Unidentified::Conflict))) => {
                format!("{name} is there {} times", self.fields.get_all(name).iter().count())
            }
            (Rule::Header(name), Some(Heard::Refused(_))) => format!("{name} names no tenant{anywhere}"),
            (Rule::ApiKey(name), Some(Heard::Refused(_))) => {
                format!("the key in {name} is no tenant's{anywhere}")
            }
            (_, Some(Heard::Refused(_))) => "the store has no answer".to_owned(),
        }
    }

    fn subject(&self) -> &str {
        self.certificate.map_or("", Certificate::told)
    }
}

fn name(rule: &Rule) -> String {
    match rule {
        Rule::Host(pattern) => format!("host {}{{tenant}}{}", pattern.before, pattern.after),
        Rule::Domain => "domain".to_owned(),
        Rule::Header(name) => format!("header {name}"),
        Rule::ApiKey(name) => format!("api_key {name}"),
        Rule::ClientCert(rule) => {
            format!("client_cert {} {}{{tenant}}{}", rule.part.name(), rule.before, rule.after)
        }
    }
}
