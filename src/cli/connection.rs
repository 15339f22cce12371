//! What all commands over the admin API take: where it is, who asks, and how to print.

use std::path::PathBuf;

use clap::Args;

use super::client::Client;
use super::output::Output;

/// How to reach the admin API. The token itself is no argument: arguments show in the list of processes.
#[derive(Debug, Args)]
pub(super) struct Connection {
    /// The gateway's admin listener, or its Unix socket, like unix:/run/tollgate/admin.sock [default: TOLLGATE_ADMIN, or http://127.0.0.1:9900].
    #[arg(long, global = true, value_name = "URL", help_heading = "Connection")]
    admin: Option<String>,
    /// A file with the admin token [default: the token in TOLLGATE_TOKEN, or the file in TOLLGATE_TOKEN_FILE].
    #[arg(long, global = true, value_name = "FILE", help_heading = "Connection")]
    token_file: Option<PathBuf>,
    /// How to print.
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Text)]
    pub(super) output: Output,
}

impl Connection {
    /// A client of it.
    pub(super) fn client(&self) -> anyhow::Result<Client> {
        Client::new(self.admin.as_deref(), self.token_file.as_ref())
    }
}
