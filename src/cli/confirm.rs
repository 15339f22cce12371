//! A question before something that can't be taken back.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::bail;

use super::client::plain;

/// Asks whether to go on, unless the command said `--yes`.
///
/// # Errors
/// Whoever was asked says no, or there is nobody to ask.
pub(super) fn confirm(question: &str, yes: bool) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        bail!("{}: this needs --yes where nobody can be asked; nothing was changed", plain(question));
    }
    eprint!("{}? [y/N] ", plain(question));
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => bail!("nothing was changed"),
    }
}
