//! How far long work has come: a bar on a terminal, nothing elsewhere.

use std::fmt::Write;
use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// With a known end.
const BAR: &str = "{bar:30} {human_pos}/{human_len} lines  {rate}  {eta} left";

/// Without.
const COUNT: &str = "{spinner} {human_pos} lines  {rate}  {elapsed}";

/// The bar of one command, on standard error.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// So many lines, where that is known.
    pub(super) fn of_lines(total: Option<u64>) -> Self {
        if !io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template(if total.is_some() { BAR } else { COUNT });
        Self(match style {
            Ok(style) => bar.with_style(style.with_key("rate", rate)),
            // A template that is none is a bar of the library's own look.
            Err(_) => bar,
        })
    }

    /// So many lines more are done.
    pub(super) fn advance(&self, lines: u64) {
        self.0.inc(lines);
    }

    /// Says something on standard error, above the bar.
    pub(super) fn say(&self, text: &str) {
        self.0.suspend(|| eprintln!("{text}"));
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

/// The library's own has four decimals, of a number that is an estimate.
fn rate(state: &ProgressState, to: &mut dyn Write) {
    // What can't be drawn is left out.
    let _ = write!(to, "{:.0} lines/s", state.per_sec());
}
