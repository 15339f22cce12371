//! `tollgate completions`: scripts that complete commands in a shell.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::Cli;
use super::output::print;

pub(super) fn completions(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "tollgate", &mut script);
    print(&String::from_utf8(script)?)
}
