//! Tables for people: aligned, without lines, as kubectl prints them.

use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Row, Width};

use super::client::plain;

/// How far columns are apart.
const GAP: u16 = 3;

/// What stands for nothing.
const NONE: &str = "-";

/// A table that is printed page by page, each as soon as it is there; columns stay where they were, or move to the right.
pub(super) struct Table {
    header: &'static [&'static str],
    widths: Vec<u16>,
    started: bool,
}

impl Table {
    /// A table with these columns.
    pub(super) fn new(header: &'static [&'static str]) -> Self {
        let widths = header.iter().map(|name| u16::try_from(name.len()).unwrap_or(u16::MAX)).collect();
        Self { header, widths, started: false }
    }

    /// The next rows as lines, below the header if they are the first.
    pub(super) fn page(&mut self, rows: impl IntoIterator<Item = Vec<String>>) -> String {
        let mut table = comfy_table::Table::new();
        table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        if !self.started {
            table.add_row(self.header.to_vec());
            self.started = true;
        }
        let mut rows: Vec<Row> =
            rows.into_iter().map(|cells| Row::from(cells.into_iter().map(cell))).collect();
        table.add_rows(rows.drain(..));
        for (index, width) in table.column_max_content_widths().into_iter().enumerate() {
            let Some(known) = self.widths.get_mut(index) else { continue };
            *known = width.max(*known);
            if let Some(column) = table.column_mut(index) {
                column.set_padding((0, GAP));
                // The boundary counts the padding.
                let least = known.saturating_add(GAP);
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
            }
        }
        let mut text = String::new();
        for line in table.lines() {
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

/// A cell is one line, and never empty: columns are counted by scripts, too.
fn cell(text: String) -> String {
    let text = plain(&text).replace('\n', " ");
    if text.is_empty() { NONE.to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: [&str; 2]) -> Vec<String> {
        cells.map(str::to_owned).to_vec()
    }

    #[test]
    fn columns_are_aligned_and_lines_end_with_their_last_word() {
        let mut table = Table::new(&["ID", "PLAN"]);
        let text = table.page([row(["acme", "free"]), row(["a-longer-one", ""])]);
        assert_eq!(text, "ID             PLAN\nacme           free\na-longer-one   -\n");
    }

    #[test]
    fn a_later_page_has_no_header_and_keeps_the_columns() {
        let mut table = Table::new(&["ID", "PLAN"]);
        table.page([row(["a-longer-one", "free"])]);
        assert_eq!(table.page([row(["b", "pro"])]), "b              pro\n");
        assert_eq!(
            table.page([row(["one-that-is-longer-still", "pro"])]),
            "one-that-is-longer-still   pro\n"
        );
        assert_eq!(table.page([row(["c", "pro"])]), "c                          pro\n");
    }

    #[test]
    fn a_table_of_nothing_is_its_header() {
        assert_eq!(Table::new(&["ID", "PLAN"]).page([]), "ID   PLAN\n");
        let mut table = Table::new(&["ID", "PLAN"]);
        table.page([]);
        assert_eq!(table.page([]), "");
    }

    #[test]
    fn a_cell_can_neither_break_its_line_nor_steer_the_terminal() {
        let text = Table::new(&["ID", "PLAN"]).page([row(["two\nlines", "\u{1b}[31mred"])]);
        assert_eq!(text, "ID          PLAN\ntwo lines   \\u{1b}[31mred\n");
    }
}
