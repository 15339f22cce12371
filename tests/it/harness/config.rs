//! A configuration for a test: the smallest that serves two tenants, with the sections that the
//! test is about replaced.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use tollgate::upstream::dns::Resolve;

use super::gateway::TestGateway;
use super::origin::Origin;
use super::process::Process;

/// A host of the tenant `acme` of every test configuration.
pub const ACME: &str = "acme.app.test";

/// A host of the tenant `globex` of every test configuration.
pub const GLOBEX: &str = "globex.app.test";

/// One listener, an admin listener, `acme` and `globex` on a plan without limits.
/// `{dir}` in any section is the directory of the file.
pub fn config() -> Config {
    let section = |name: &str, yaml: &str| (name.to_owned(), yaml.to_owned());
    Config {
        sections: vec![
            section("listeners", "[{ bind: 127.0.0.1:0 }]"),
            section("admin", "{ bind: 127.0.0.1:0, token: a-token-for-tests }"),
            section("tenancy", "{ identify: [{ host: '{tenant}.app.test' }, domain] }"),
            section("plans", "{ free: {} }"),
            section("tenants", "[{ id: acme, plan: free }, { id: globex, plan: free }]"),
            section("routes", "[{ match: { path_prefix: / }, pool: '{tenant.pool}' }]"),
            section("default_pool", "shared"),
            section("access_log", "{ path: '{dir}/access.log', format: json, sample: 1.0 }"),
            section("workers", "1"),
        ],
        pools: Vec::new(),
        files: Vec::new(),
        resolve: Resolve::System,
        challenge_port: None,
        order_patience: None,
    }
}

/// What is written before a gateway starts, and rewritten for a reload.
#[derive(Clone)]
pub struct Config {
    sections: Vec<(String, String)>,
    pools: Vec<(String, String)>,
    files: Vec<(String, String)>,
    resolve: Resolve,
    challenge_port: Option<u16>,
    order_patience: Option<Duration>,
}

impl Config {
    /// Replaces or adds a top-level section by its YAML.
    pub fn set(mut self, section: &str, yaml: &str) -> Self {
        self.sections.retain(|(name, _)| name != section);
        self.sections.push((section.to_owned(), yaml.to_owned()));
        self
    }

    /// Changes the YAML of a section that is there.
    pub fn with(mut self, section: &str, change: impl FnOnce(&str) -> String) -> Self {
        let (_, yaml) = self.sections.iter_mut().find(|(name, _)| name == section).unwrap();
        *yaml = change(yaml);
        self
    }

    /// The pool that every request goes to unless the test says otherwise.
    pub fn to(self, origin: &Origin) -> Self {
        self.pool("shared", &[origin.address()], "")
    }

    /// Adds or replaces a pool; `more` is YAML of further keys, as `timeouts: { connect: 1s }`.
    pub fn pool(self, name: &str, endpoints: &[SocketAddr], more: &str) -> Self {
        let urls: Vec<_> = endpoints.iter().map(|address| format!("http://{address}")).collect();
        self.pool_at(name, &urls, more)
    }

    /// As [`Config::pool`], of endpoints of any kind.
    pub fn pool_at(self, name: &str, urls: &[String], more: &str) -> Self {
        let endpoints: Vec<_> = urls.iter().map(|url| format!("'{url}'")).collect();
        let more = if more.is_empty() { String::new() } else { format!(", {more}") };
        self.pool_as(name, format!("{{ endpoints: [{}]{more} }}", endpoints.join(", ")))
    }

    /// Adds or replaces a pool, as this YAML says.
    pub fn pool_as(mut self, name: &str, yaml: String) -> Self {
        self.pools.retain(|(known, _)| known != name);
        self.pools.push((name.to_owned(), yaml));
        self
    }

    /// Takes a pool away.
    pub fn without_pool(mut self, name: &str) -> Self {
        self.pools.retain(|(known, _)| known != name);
        self
    }

    /// Has endpoints' names looked up at this server, by a gateway in this process.
    pub fn resolved_by(self, server: SocketAddr) -> Self {
        Self { resolve: Resolve::Servers(vec![server]), ..self }
    }

    /// Has domains' web servers asked for proofs at this port, by a gateway in this process.
    pub fn proven_at(self, port: u16) -> Self {
        Self { challenge_port: Some(port), ..self }
    }

    /// Has an order for a certificate end within this, by a gateway in this process.
    pub fn ordered_within(self, within: Duration) -> Self {
        Self { order_patience: Some(within), ..self }
    }

    pub(super) fn order_patience(&self) -> Option<Duration> {
        self.order_patience
    }

    pub(super) fn challenge_port(&self) -> Option<u16> {
        self.challenge_port
    }

    pub(super) fn resolve(&self) -> Resolve {
        self.resolve.clone()
    }

    /// Adds a file beside the configuration, such as `tenants/initech.yaml`.
    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.files.push((path.to_owned(), text.to_owned()));
        self
    }

    /// Starts a gateway in this process.
    #[track_caller]
    pub fn start(self) -> TestGateway {
        TestGateway::start(self)
    }

    /// Why no gateway starts in this process.
    #[track_caller]
    pub fn refused(self) -> String {
        TestGateway::refused(&self)
    }

    /// Starts the binary.
    #[track_caller]
    pub fn spawn(self) -> Process {
        Process::start(self)
    }

    /// Starts the binary by a shell that runs `script` with the command as its arguments, and this as its standard input.
    #[track_caller]
    pub fn spawn_by(self, script: &str, stdin: Option<OwnedFd>) -> Process {
        Process::start_by(self, script, stdin)
    }

    /// The text of the file for this directory.
    pub fn text(&self, dir: &Path) -> String {
        let mut text = String::new();
        for (name, yaml) in &self.sections {
            text += &format!("{name}: {}\n", yaml.trim());
        }
        text += "pools:\n";
        for (name, yaml) in &self.pools {
            text += &format!("  {name}: {yaml}\n");
        }
        text.replace("{dir}", &dir.display().to_string())
    }

    /// Writes the file (whole, by renaming) and those beside it; its path.
    pub fn write(&self, dir: &Path) -> std::path::PathBuf {
        for (path, text) in &self.files {
            let path = dir.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let path = dir.join("tollgate.yaml");
        let draft = dir.join("tollgate.yaml.draft");
        std::fs::write(&draft, self.text(dir)).unwrap();
        std::fs::rename(&draft, &path).unwrap();
        path
    }
}
