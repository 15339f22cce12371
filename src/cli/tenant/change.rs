//! `tollgate tenant create` and `tollgate tenant set`: flags and files become the document that the API takes.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{ArgGroup, Args};
use http::Method;
use serde_json::{Map, Value, json};

use super::document;
use crate::cli::client::{Call, Client};
use crate::cli::output::{Output, brief, word};

/// What both commands take of a tenant.
#[derive(Debug, Args)]
struct Fields {
    /// Its plan.
    #[arg(long, group = "given")]
    plan: Option<String>,
    /// A domain of it; again for each further one. All of them at once: `set` replaces those that it has.
    #[arg(long = "domain", value_name = "DOMAIN", group = "given")]
    domains: Vec<String>,
    /// A label of it; again for each further one.
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label, group = "given")]
    labels: Vec<(String, String)>,
    /// A pool of its own.
    #[arg(long, group = "given")]
    pool: Option<String>,
    /// active, suspended, maintenance or past_due.
    #[arg(long, group = "given")]
    state: Option<String>,
    /// A document in YAML or JSON with the keys of a tenant in the configuration; `-` is standard input. Flags win over it.
    #[arg(long, value_name = "FILE", group = "given")]
    file: Option<PathBuf>,
}

/// `tollgate tenant create`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("given").multiple(true)))]
pub(super) struct Create {
    /// Its id: what the application and all logs call it.
    id: String,
    #[command(flatten)]
    fields: Fields,
}

/// `tollgate tenant set`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("given").required(true).multiple(true)))]
pub(super) struct Set {
    /// Its id.
    id: String,
    #[command(flatten)]
    fields: Fields,
    /// A label to take away; again for each further one.
    #[arg(long = "unlabel", value_name = "NAME", group = "given")]
    unlabels: Vec<String>,
    /// A JSON merge patch (RFC 7396): members that are null are taken away, objects are merged, all else is replaced.
    #[arg(long, value_name = "JSON", group = "given")]
    patch: Option<String>,
    /// What is given is all of the tenant: whatever else it has of its own is taken away.
    #[arg(long, requires = "file", conflicts_with_all = ["unlabels", "patch"])]
    replace: bool,
    /// Only if it is still at this revision.
    #[arg(long, value_name = "REVISION")]
    if_match: Option<u64>,
}

impl Create {
    pub(super) fn run(self, client: &Client, output: Output) -> anyhow::Result<()> {
        let mut tenant = self.fields.document()?;
        named(&mut tenant, &self.id)?;
        let tenant = client.json(Call::post(&["tenants"]).json(&tenant.into()))?;
        output.done(&tenant, &format!("tenant {} created", self.id))
    }
}

impl Set {
    pub(super) fn run(self, client: &Client, output: Output) -> anyhow::Result<()> {
        let (id, document) = (self.id.clone(), Value::from(self.patch()?));
        let call = if self.replace {
            // Not made, where there is none.
            Call::new(Method::PUT, &["tenants", &id]).if_present().json(&document)
        } else {
            let patch = document.to_string().into();
            Call::new(Method::PATCH, &["tenants", &id]).content("application/merge-patch+json", patch)
        };
        let tenant = client.json(call.if_match(self.if_match))?;
        output.done(&tenant, &format!("tenant {id} is at revision {}", word(&tenant, "revision")))
    }

    fn patch(&self) -> anyhow::Result<Map<String, Value>> {
        let mut patch = self.fields.document()?;
        if let Some(text) = &self.patch {
            let given = serde_json::from_str(text).context("--patch is no JSON")?;
            let Value::Object(given) = given else {
                bail!("--patch must be an object, like '{{\"plan\": \"pro\"}}'");
            };
            for (name, value) in given {
                // What flags said stays.
                match (patch.get_mut(&name), value) {
                    (Some(Value::Object(flags)), Value::Object(value)) => {
                        for (name, value) in value {
                            flags.entry(name).or_insert(value);
                        }
                    }
                    (Some(_), _) => {}
                    (None, value) => drop(patch.insert(name, value)),
                }
            }
        }
        if !self.unlabels.is_empty() {
            let labels = self.unlabels.iter().map(|name| (name.clone(), Value::Null));
            members(&mut patch, "labels")?.extend(labels);
        }
        named(&mut patch, &self.id)?;
        patch.remove("id");
        Ok(patch)
    }
}

impl Fields {
    /// The file's document with the flags in it.
    fn document(&self) -> anyhow::Result<Map<String, Value>> {
        let mut document = match &self.file {
            Some(file) => document::read(file)?,
            None => Map::new(),
        };
        let texts = [("plan", &self.plan), ("pool", &self.pool), ("state", &self.state)];
        for (name, text) in texts {
            if let Some(text) = text {
                document.insert(name.to_owned(), json!(text));
            }
        }
        if !self.domains.is_empty() {
            document.insert("domains".to_owned(), json!(self.domains));
        }
        if !self.labels.is_empty() {
            let labels = self.labels.iter().map(|(name, value)| (name.clone(), json!(value)));
            members(&mut document, "labels")?.extend(labels);
        }
        Ok(document)
    }
}

/// A label as it is written on the command line: `name=value`.
pub(super) fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it like team=payments".to_owned()),
    }
}

/// The object under this name, made where there is none.
fn members<'a>(
    document: &'a mut Map<String, Value>,
    name: &str,
) -> anyhow::Result<&'a mut Map<String, Value>> {
    let value = document.entry(name).or_insert_with(|| json!({}));
    value.as_object_mut().with_context(|| format!("`{name}` must be names and values"))
}

/// Gives the document its id; another one in it is a mistake.
fn named(document: &mut Map<String, Value>, id: &str) -> anyhow::Result<()> {
    match document.insert("id".to_owned(), json!(id)) {
        Some(other) if other != id => bail!("the document is that of tenant {}, not of {id}", brief(&other)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        set: Set,
    }

    fn patch(arguments: &[&str]) -> anyhow::Result<Value> {
        let arguments = ["set", "acme"].iter().chain(arguments);
        Ok(Line::try_parse_from(arguments)?.set.patch()?.into())
    }

    #[test]
    fn flags_become_a_merge_patch() {
        let made = patch(&["--plan", "pro", "--label", "a=1", "--label", "b=x=y", "--unlabel", "c"]).unwrap();
        assert_eq!(made, json!({ "plan": "pro", "labels": { "a": "1", "b": "x=y", "c": null } }));
        let made = patch(&[
            "--patch",
            r#"{"plan":"free","labels":{"a":"2","z":null},"pool":null}"#,
            "--label",
            "a=1",
        ]);
        assert_eq!(made.unwrap(), json!({ "plan": "free", "pool": null, "labels": { "a": "1", "z": null } }));
    }

    #[test]
    fn a_replacement_is_a_document() {
        assert!(
            Line::try_parse_from(["set", "acme", "--replace", "--file", "a.yaml", "--plan", "pro"]).is_ok()
        );
        for arguments in
            [&["--plan", "pro"][..], &["--file", "a", "--unlabel", "b"], &["--file", "a", "--patch", "{}"]]
        {
            let line = ["set", "acme", "--replace"].iter().chain(arguments);
            assert!(Line::try_parse_from(line).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn what_changes_nothing_or_another_tenant_is_refused() {
        for arguments in [
            &[][..],
            &["--if-match", "3"],
            &["--label", "nothing"],
            &["--patch", "[1]"],
            &["--patch", "{"],
            &["--patch", r#"{"id":"globex"}"#],
            &["--patch", r#"{"labels":5}"#, "--unlabel", "a"],
        ] {
            assert!(patch(arguments).is_err(), "{arguments:?}");
        }
    }
}
