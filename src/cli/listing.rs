//! Long lists: the pages of the API one after another, printed as they come.

use anyhow::{Context, bail};
use clap::Args;
use serde_json::Value;

use super::client::{Call, Client};
use super::output::{Output, print};
use super::table::Table;

/// How many are asked for at a time at most: what the API gives.
const PAGE_MAX: u64 = 1_000;

/// How many are shown where nobody says.
const LIMIT: u64 = 100;

/// How much of a list to show.
#[derive(Debug, Args)]
pub(super) struct Bounds {
    /// Show this many at most [default: 100].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Show all of them.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

/// A list of the API.
pub(super) struct Listing {
    /// The member that has the items.
    pub member: &'static str,
    /// The columns for people.
    pub header: &'static [&'static str],
    /// An item as a row of them.
    pub row: fn(&Value) -> Vec<String>,
}

impl Listing {
    /// Prints what `call` lists, page by page.
    pub(super) fn show(
        &self,
        client: &Client,
        output: Output,
        bounds: &Bounds,
        call: impl Fn() -> Call,
    ) -> anyhow::Result<()> {
        let mut left = if bounds.all { u64::MAX } else { bounds.limit.unwrap_or(LIMIT) };
        let mut table = Table::new(self.header);
        let mut writer = Writer { output, member: self.member, items: 0 };
        let mut cursor: Option<String> = None;
        loop {
            let limit = left.min(PAGE_MAX).to_string();
            let call = call().with("limit", &limit).with_some("cursor", cursor.as_deref());
            let page = client.json(call)?;
            let items = page.get(self.member).and_then(Value::as_array);
            let items = items
                .with_context(|| format!("the answer has no `{}`: is this an admin API?", self.member))?;
            left = left.saturating_sub(items.len() as u64);
            let next = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
            if next.is_some() && next == cursor {
                bail!("the list doesn't end: the gateway names the same page again");
            }
            match output {
                Output::Text => print(table.page(items.iter().map(self.row)))?,
                _ => writer.items(items)?,
            }
            cursor = next;
            if cursor.is_none() || left == 0 {
                break;
            }
        }
        if output != Output::Text {
            return writer.end(cursor.as_deref());
        }
        if cursor.is_some() {
            eprintln!("there are more: --limit N shows N of them, --all all");
        }
        Ok(())
    }
}

/// A list for programs, written without having all of it at once: `{"tenants": […], "next_cursor": null}`.
struct Writer {
    output: Output,
    member: &'static str,
    items: u64,
}

impl Writer {
    fn items(&mut self, items: &[Value]) -> anyhow::Result<()> {
        let mut text = String::new();
        for item in items {
            if self.output == Output::Yaml {
                let start = if self.items == 0 { format!("{}:\n", self.member) } else { String::new() };
                text += &format!("{start}{}", serde_saphyr::to_string(&[item])?);
            } else {
                let start = if self.items == 0 { format!("{{\"{}\":[", self.member) } else { ",".to_owned() };
                text += &format!("{start}\n{item}");
            }
            self.items += 1;
        }
        print(&text)
    }

    fn end(self, cursor: Option<&str>) -> anyhow::Result<()> {
        let cursor = Value::from(cursor);
        match (self.output, self.items) {
            (Output::Yaml, 0) => print(format!("{}: []\nnext_cursor: {cursor}\n", self.member)),
            (Output::Yaml, _) => print(format!("next_cursor: {cursor}\n")),
            (_, 0) => print(format!("{{\"{}\":[],\"next_cursor\":{cursor}}}\n", self.member)),
            _ => print(format!("\n],\"next_cursor\":{cursor}}}\n")),
        }
    }
}
