//! Many tenants at a time, a line each.

use std::sync::Arc;

use serde_json::Value;
use tokio::task::spawn_blocking;

use super::tenants::{checked, id_in};
use super::{Refusal, Registry};
use crate::store::{Actor, Expect, Put, WriteError, Written};

/// What an import does with a tenant that is there already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ImportMode {
    /// It replaces it.
    #[default]
    Upsert,
    /// It leaves it, and says so.
    Create,
}

/// A line of an import.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its number, from 1.
    pub number: u64,
    /// Its text, without its end.
    pub text: Vec<u8>,
}

/// What became of lines.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImportReport {
    /// Tenants that were made.
    pub created: u64,
    /// Tenants that were changed.
    pub updated: u64,
    /// Tenants that were so already.
    pub unchanged: u64,
    /// Why lines were left out: one each.
    pub errors: Vec<ImportError>,
}

/// Why a line was left out.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportError {
    /// The line's number.
    pub line: u64,
    /// The tenant's id, where the line names one.
    pub id: Option<String>,
    /// Why.
    pub why: Why,
}

/// Why a line was left out.
#[derive(Debug, Clone, PartialEq)]
pub enum Why {
    /// It is no JSON.
    Syntax(String),
    /// What it says was refused.
    Refused(Refusal),
}

impl Registry {
    /// Makes or replaces the tenants of these lines, in as few transactions as can be; a bad line spoils no other. Durable
    /// when it returns. A dry run says what would become of each, and changes nothing.
    ///
    /// # Errors
    /// [`Refusal`]: there is no store, or it did not take the lines; then nothing of them was done, or of the first ones only.
    pub async fn import(
        self: &Arc<Self>,
        lines: Vec<Line>,
        mode: ImportMode,
        dry_run: bool,
        actor: Actor,
    ) -> Result<ImportReport, Refusal> {
        let store = self.store()?;
        let registry = Arc::clone(self);
        // A thousand documents take some ten milliseconds: too long for the thread that operators are served on.
        let checked = spawn_blocking(move || registry.check(lines, mode, &actor)).await;
        let Ok((puts, numbers, errors)) = checked else {
            return Err(Refusal::Store(crate::store::StoreFault::Failed));
        };
        let mut report = ImportReport { errors, ..ImportReport::default() };
        let ids: Vec<_> = puts.iter().map(|put| put.id.clone()).collect();
        let outcomes = store.put_all(puts, dry_run).await?;
        let mut written: Vec<Written> = Vec::new();
        // One that lasts to the end is not this or that line's.
        let fault = match outcomes.last() {
            Some(Err(WriteError::Fault(fault))) => Some(*fault),
            _ => None,
        };
        for ((number, id), outcome) in numbers.into_iter().zip(ids).zip(outcomes) {
            match outcome {
                Ok(one) => {
                    let count = match (one.created, one.changed) {
                        (true, _) => &mut report.created,
                        (false, true) => &mut report.updated,
                        (false, false) => &mut report.unchanged,
                    };
                    *count += 1;
                    written.push(one);
                }
                Err(error) => report.errors.push(ImportError {
                    line: number,
                    id: Some(id.to_string()),
                    why: Why::Refused(Refusal::of_write(error, &id)),
                }),
            }
        }
        if !dry_run {
            self.forget(&written, &[]);
        }
        if let Some(fault) = fault {
            return Err(Refusal::Store(fault));
        }
        report.errors.sort_by_key(|error| error.line);
        Ok(report)
    }

    /// What is to be written, with the lines' numbers, and what is wrong with the others.
    fn check(
        &self,
        lines: Vec<Line>,
        mode: ImportMode,
        actor: &Actor,
    ) -> (Vec<Put>, Vec<u64>, Vec<ImportError>) {
        let in_force = self.in_force();
        let (mut puts, mut numbers, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for line in lines {
            let document: Value = match serde_json::from_slice(&line.text) {
                Ok(document) => document,
                Err(error) => {
                    let why = Why::Syntax(error.to_string());
                    errors.push(ImportError { line: line.number, id: None, why });
                    continue;
                }
            };
            match id_in(&document).and_then(|id| checked(&in_force, &id, &document)) {
                Ok(put) => {
                    let expect = match mode {
                        ImportMode::Upsert => Expect::Any,
                        ImportMode::Create => Expect::Absent,
                    };
                    puts.push(Put { expect, actor: actor.clone(), action: "tenant.import", ..put });
                    numbers.push(line.number);
                }
                Err(refusal) => {
                    let id = document.get("id").and_then(Value::as_str).map(str::to_owned);
                    errors.push(ImportError { line: line.number, id, why: Why::Refused(refusal) });
                }
            }
        }
        (puts, numbers, errors)
    }
}
