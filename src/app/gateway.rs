//! The gateway as one thing: started, reloaded, drained, stopped.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::control_thread::{ControlThread, Prepared};
use super::core::Core;
use crate::config::{Loader, Report};
use crate::time::Clock;
use crate::upstream::dns::Resolve;

/// What a test may want otherwise.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The clock of rate limits.
    pub clock: Clock,
    /// How long a request waits for the store: longer where the machine is too busy to keep the time that operators are
    /// promised.
    pub store_patience: Option<Duration>,
    /// Who is asked for the addresses of endpoints' names, and for proofs of domains.
    pub resolve: Resolve,
    /// At which port domains' web servers are asked for proofs: 80, where nothing is said.
    pub challenge_port: Option<u16>,
    /// How long an order for a certificate may take: two minutes, where nothing is said.
    pub order_patience: Option<Duration>,
}

/// Where the configuration comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file, which is watched.
    File(PathBuf),
    /// A text with a name for messages; reloading reads the same text again.
    Text {
        /// The document.
        text: String,
        /// What messages call it.
        name: String,
    },
}

/// A running gateway. Dropping it stops it at once.
pub struct Gateway {
    core: Arc<Core>,
    control: Option<ControlThread>,
}

/// Why a configuration was not taken into use. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ReloadFailure {
    /// The files have errors.
    #[error("{0}")]
    Config(Report),
    /// Something that the configuration asks for can't be had.
    #[error("{0:#}")]
    Resource(anyhow::Error),
}

impl Source {
    fn loader(&self) -> Loader {
        match self {
            Self::File(path) => Loader::of_file(path),
            Self::Text { text, name } => Loader::of_text(text, name),
        }
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Text { name, .. } => name.clone(),
        }
    }
}

impl Gateway {
    /// Starts a gateway; returns when every listener accepts.
    ///
    /// # Errors
    /// A configuration with errors (the error displays them all), or an address that can't be bound.
    pub fn start(source: Source, options: Options) -> anyhow::Result<Self> {
        let mut loader = source.loader();
        let loaded = loader.load().map_err(ReloadFailure::Config)?;
        let control = Prepared::new()?;
        let core = Arc::new(Core::start(source, loader, loaded, options)?);
        let control = control.look_after(Arc::clone(&core))?;
        Ok(Self { core, control: Some(control) })
    }

    /// The addresses that clients connect to, in the order of the configuration.
    #[must_use]
    pub fn listeners(&self) -> Vec<SocketAddr> {
        self.core.listeners()
    }

    /// The address that operators connect to, where there is one.
    #[must_use]
    pub fn admin(&self) -> Option<SocketAddr> {
        self.control.as_ref().and_then(ControlThread::admin)
    }

    /// Loads the configuration again; an invalid one changes nothing.
    ///
    /// # Errors
    /// Why it was not taken into use.
    pub fn reload(&self) -> Result<(), ReloadFailure> {
        self.core.reload()
    }

    /// Stops accepting and lets requests in flight finish, for `limits.drain` at most. Returns at once.
    pub fn drain(&self) {
        self.core.drain();
    }

    /// Waits until all connections have ended after [`Gateway::drain`], or it was stopped.
    pub fn wait_drained(&self) {
        self.core.join_workers();
    }

    /// As [`Gateway::wait_drained`], and ends the admin listener too.
    pub fn wait(self) {
        self.wait_drained();
    }

    /// Ends everything now: after this, [`Gateway::wait`] returns soon.
    pub fn stop(&self) {
        self.core.stop();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.core.stop();
        self.core.join_workers();
        drop(self.control.take());
    }
}
