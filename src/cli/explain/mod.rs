//! `tollgate explain`: what would become of a request, and why, without sending it.

mod tree;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use serde_json::{Map, Value, json};
use tokio::runtime::Builder;

use super::client::Call;
use super::connection::Connection;
use super::output::{Output, print};
use crate::control::{Local, LocalError, Question, explain};

pub(super) use tree::reasons;

/// `tollgate explain …`.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The request's URL, like https://www.example.com/path.
    #[arg(value_name = "URL")]
    url: String,
    /// A header field of the request, like 'x-beta: 1'; may be given several times.
    #[arg(long = "header", short = 'H', value_name = "FIELD")]
    headers: Vec<String>,
    /// The request's method.
    #[arg(long, short = 'X', default_value = "GET")]
    method: String,
    /// The address that connects to the gateway [default: 192.0.2.1, which is nobody's].
    #[arg(long, value_name = "IP")]
    from: Option<String>,
    /// A file with the certificate that the client shows, in PEM.
    #[arg(long, value_name = "FILE")]
    client_cert: Option<PathBuf>,
    /// Ask this configuration, without any gateway [default: the gateway at --admin].
    #[arg(long, short, value_name = "FILE", conflicts_with = "admin")]
    config: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

impl Explain {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let fields = self.headers.iter().map(|field| field_of(field)).collect::<anyhow::Result<Vec<_>>>()?;
        let certificate = self.client_cert.as_deref().map(certificate_of).transpose()?;
        let mut question = Question::new(&self.method, &self.url, &fields, self.from.as_deref())?;
        if let Some(pem) = &certificate {
            question = question.showing(pem)?;
        }
        let told = match &self.config {
            Some(config) => of_file(config, question)?,
            None => self
                .connection
                .client()?
                .json(Call::post(&["explain"]).json(&self.document(&fields, certificate.as_deref())))?,
        };
        match self.connection.output {
            Output::Text => print(tree::drawn(&told)),
            output => output.document(&told),
        }
    }

    /// As the admin API takes it.
    fn document(&self, fields: &[(String, String)], certificate: Option<&str>) -> Value {
        let mut headers = Map::new();
        for (name, value) in fields {
            let lines = headers.entry(name.to_ascii_lowercase()).or_insert_with(|| json!([]));
            if let Value::Array(lines) = lines {
                lines.push(value.as_str().into());
            }
        }
        let mut document =
            json!({ "url": self.url, "method": self.method, "headers": headers, "from": self.from });
        if let (Some(pem), Value::Object(document)) = (certificate, &mut document) {
            document.insert("client_certificate".to_owned(), pem.into());
        }
        document
    }
}

fn certificate_of(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()))
}

/// A field as curl takes it.
fn field_of(text: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| anyhow!("-H {text}: this is no header field\nwrite it like -H 'x-beta: 1'"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn of_file(config: &Path, question: Question) -> anyhow::Result<Value> {
    let local = opened(config)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(explain(&local.ground, question)))
}

/// A configuration to ask of. What is wrong with it is said on standard error.
pub(super) fn opened(config: &Path) -> anyhow::Result<Local> {
    match Local::of_file(config) {
        Ok(local) => {
            if !local.findings.diagnostics.is_empty() {
                eprintln!("{}", local.findings.render(false));
            }
            Ok(local)
        }
        Err(LocalError::Invalid(report)) => {
            eprintln!("{}", report.render(false));
            bail!("{}: not valid", config.display())
        }
        Err(error) => Err(error.into()),
    }
}
