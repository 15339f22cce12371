//! A gateway in this process, on ports of its own, stopped when dropped.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tollgate::app::{Gateway, Options, Source};
use tollgate::time::{Clock, ManualClock};

use super::client::Client;
use super::config::Config;
use super::message::{Message, Response, get, post};
use super::wait::{Watchdog, eventually_some, test_name, watchdog};

/// What a store may take on a machine that is busy with other tests; quota_kill has the real one.
const STORE_PATIENCE: Duration = Duration::from_millis(800);

/// The bearer token of the admin API.
pub const ADMIN_TOKEN: &str = "a-token-for-tests";

/// A running gateway, its directory, and the clock of its rate limits, which stands still.
pub struct TestGateway {
    gateway: Option<Gateway>,
    address: SocketAddr,
    admin: Option<SocketAddr>,
    clock: ManualClock,
    config: Config,
    directory: tempfile::TempDir,
    _watchdog: Watchdog,
}

impl TestGateway {
    /// Why a gateway does not start.
    pub(super) fn refused(config: &Config) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = config.write(directory.path());
        match Gateway::start(Source::File(path), Options::default()) {
            Ok(_) => panic!("it starts:\n{}", config.text(directory.path())),
            Err(error) => format!("{error:#}"),
        }
    }

    #[track_caller]
    pub(super) fn start(config: Config) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = config.write(directory.path());
        let (clock, hand) = Clock::manual();
        let resolve = config.resolve();
        let challenge_port = config.challenge_port();
        let order_patience = config.order_patience();
        let store_patience = Some(STORE_PATIENCE);
        let options = Options { clock, store_patience, resolve, challenge_port, order_patience };
        let gateway = Gateway::start(Source::File(path), options)
            .unwrap_or_else(|error| panic!("{error:?}\n{}", config.text(directory.path())));
        Self {
            address: gateway.listeners()[0],
            admin: gateway.admin(),
            gateway: Some(gateway),
            clock: hand,
            config,
            directory,
            _watchdog: watchdog(&test_name()),
        }
    }

    /// The addresses of its listeners.
    pub fn listeners(&self) -> Vec<SocketAddr> {
        self.gateway.as_ref().unwrap().listeners()
    }

    /// Its first listener.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its admin listener.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.unwrap()
    }

    /// The directory of its configuration.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Moves the clock of the rate limits.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Sets the wall's time alone: `2025-01-31T23:59:59Z`.
    pub fn set_wall(&self, at: &str) {
        self.clock.set_unix_ms(at.parse::<jiff::Timestamp>().unwrap().as_millisecond());
    }

    /// A new connection.
    #[track_caller]
    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// A client that has asked, and waits for its answer.
    pub fn asking(&self, message: &Message) -> Client {
        let mut client = self.connect();
        client.send(message.bytes());
        client
    }

    /// Asks over a connection of its own.
    #[track_caller]
    pub fn ask(&self, message: &Message) -> Response {
        self.connect().ask(message)
    }

    /// Changes the configuration file, without telling the gateway.
    pub fn edit(&mut self, change: impl FnOnce(Config) -> Config) {
        self.config = change(self.config.clone());
        self.config.write(self.directory.path());
    }

    /// Changes the configuration file and reloads it.
    pub fn reload(&mut self, change: impl FnOnce(Config) -> Config) -> anyhow::Result<()> {
        self.edit(change);
        Ok(self.gateway.as_ref().unwrap().reload()?)
    }

    /// Begins to drain.
    pub fn drain(&self) {
        self.gateway.as_ref().unwrap().drain();
    }

    /// Waits until it has drained.
    pub fn wait(mut self) {
        self.gateway.take().unwrap().wait();
    }

    /// Asks the admin listener, with the token.
    #[track_caller]
    pub fn admin(&self, path: &str) -> Response {
        let authorization = format!("Bearer {ADMIN_TOKEN}");
        let message = get("admin.test", path).header("Authorization", &authorization);
        Client::connect(self.admin_address()).ask(&message.header("Connection", "close"))
    }

    /// Tells the admin listener something, with the token.
    #[track_caller]
    pub fn admin_post(&self, path: &str, body: &str) -> Response {
        let authorization = format!("Bearer {ADMIN_TOKEN}");
        let message = post("admin.test", path, body).header("Authorization", &authorization);
        Client::connect(self.admin_address()).ask(&message.header("Connection", "close"))
    }

    /// The exposition text.
    #[track_caller]
    pub fn metrics(&self) -> String {
        let response = self.admin("/metrics");
        response.assert_status(200);
        response.text()
    }

    /// The sum of the series of this name that carry all these labels.
    #[track_caller]
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        sum_of(&self.metrics(), name, labels)
    }

    /// The entries of the access log, once there are as many.
    #[track_caller]
    pub fn access_log(&self, entries: usize) -> Vec<serde_json::Value> {
        let path = self.directory.path().join("access.log");
        eventually_some(&format!("{entries} entries in the access log"), || {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if !text.ends_with('\n') {
                return None;
            }
            let lines: Vec<_> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            (lines.len() >= entries).then_some(lines)
        })
    }
}

impl Drop for TestGateway {
    fn drop(&mut self) {
        if let Some(gateway) = self.gateway.take() {
            gateway.stop();
        }
    }
}

/// Adds up the samples of an exposition with this exact name and at least these labels.
fn sum_of(exposition: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let wanted: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
    exposition
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (found, labels) = series.split_once('{').unwrap_or((series, ""));
            let matches = found == name && wanted.iter().all(|label| labels.contains(label.as_str()));
            matches.then(|| value.parse::<f64>().unwrap())
        })
        .sum()
}

#[test]
fn metrics_are_added_up_by_name_and_labels() {
    let text = "# TYPE a counter\na{t=\"x\",c=\"1\"} 2\na{t=\"x\",c=\"2\"} 3\na{t=\"y\"} 7\nab 100\n";
    assert_eq!(sum_of(text, "a", &[("t", "x")]), 5.0);
    assert_eq!(sum_of(text, "a", &[]), 12.0);
    assert_eq!(sum_of(text, "none", &[]), 0.0);
}
