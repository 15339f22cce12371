//! The binary, run as an operator runs it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::Client;
use super::config::Config;
use super::wait::{DEADLINE, eventually_some};

/// The binary with these arguments, not started yet.
pub fn tollgate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// `tollgate run` on a configuration of its own; killed when dropped.
pub struct Process {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    config: Config,
    directory: Arc<tempfile::TempDir>,
}

impl Process {
    #[track_caller]
    pub(super) fn start(config: Config) -> Self {
        Self::start_in(config, Arc::new(tempfile::tempdir().unwrap()))
    }

    #[track_caller]
    fn start_in(config: Config, directory: Arc<tempfile::TempDir>) -> Self {
        let path = config.write(directory.path());
        let command = tollgate(&["run", "--config", path.to_str().unwrap()]);
        Self::run(config, directory, command)
    }

    #[track_caller]
    pub(super) fn start_by(config: Config, script: &str, stdin: Option<OwnedFd>) -> Self {
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let path = config.write(directory.path());
        let mut command = Command::new("sh");
        command.args([
            "-c",
            script,
            env!("CARGO_BIN_EXE_tollgate"),
            "run",
            "--config",
            path.to_str().unwrap(),
        ]);
        command.stdin(stdin.map_or_else(Stdio::null, Stdio::from));
        Self::run(config, directory, command)
    }

    #[track_caller]
    fn run(config: Config, directory: Arc<tempfile::TempDir>, mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, stderr) = (Arc::clone(&log), child.stderr.take().unwrap());
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        });
        let mut process = Self { child, log, config, directory };
        let start = Instant::now();
        while process.logged("listening").is_none() {
            let ended = process.child.try_wait().unwrap();
            let waiting = ended.is_none() && start.elapsed() < DEADLINE;
            assert!(waiting, "the binary doesn't listen ({ended:?}):\n{}", process.log().join("\n"));
            thread::park_timeout(Duration::from_millis(5));
        }
        process
    }

    /// Its first listener.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        self.named("listening", "listener")
    }

    /// Its admin listener.
    #[track_caller]
    pub fn admin_address(&self) -> SocketAddr {
        self.named("admin listening", "address")
    }

    /// The directory of its configuration.
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// A new connection to its first listener.
    #[track_caller]
    pub fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    /// Its threads by name, and how nice each is to others (proc_pid_stat(5)).
    pub fn threads(&self) -> Vec<(String, i32)> {
        let folder = format!("/proc/{}/task", self.child.id());
        let threads = std::fs::read_dir(folder).unwrap().map(|thread| thread.unwrap().path());
        // One may end meanwhile.
        let stats = threads.filter_map(|thread| std::fs::read_to_string(thread.join("stat")).ok());
        let named = |stat: String| {
            let (name, fields) = stat.rsplit_once(')').unwrap();
            let nice = fields.split_whitespace().nth(16).unwrap().parse().unwrap();
            (name.split_once('(').unwrap().1.to_owned(), nice)
        };
        stats.map(named).collect()
    }

    /// Changes the configuration file, without telling the gateway.
    pub fn edit(&mut self, change: impl FnOnce(Config) -> Config) {
        self.config = change(self.config.clone());
        self.config.write(self.directory.path());
    }

    /// Kills it, without a word, and starts it again over what it left.
    #[track_caller]
    pub fn kill_and_restart(self) -> Self {
        let config = self.config.clone();
        let directory = self.end();
        Self::start_in(config, directory)
    }

    /// Ends it with a signal, and tells what it left.
    #[track_caller]
    pub fn end(mut self) -> Arc<tempfile::TempDir> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Arc::clone(&self.directory)
    }

    /// Sends a signal by its short name, such as `TERM`.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(sent.success(), "kill -s {name} {pid}: {sent}");
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        eventually_some("the binary ends", || self.child.try_wait().unwrap())
    }

    /// What the kernel says of it (Linux).
    pub fn status(&self) -> String {
        std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap()
    }

    /// Its resident memory in octets (Linux).
    pub fn memory(&self) -> u64 {
        self.of_status("VmRSS:") * 1024
    }

    /// What of it is its own in octets, without the program's pages (Linux).
    pub fn own_memory(&self) -> u64 {
        self.of_status("RssAnon:") * 1024
    }

    /// How many descriptors it has room for (Linux).
    pub fn descriptors_room(&self) -> u64 {
        self.of_status("FDSize:")
    }

    /// How many ends of pipes it has open (Linux).
    pub fn pipes(&self) -> usize {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let leads_to =
            |entry: std::io::Result<std::fs::DirEntry>| std::fs::read_link(entry.ok()?.path()).ok();
        open.filter_map(leads_to).filter(|to| to.to_string_lossy().starts_with("pipe:")).count()
    }

    /// A number of /proc/PID/status.
    fn of_status(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Its lines on stderr so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// The first log line with this message.
    pub fn logged(&self, message: &str) -> Option<Value> {
        let lines = self.log();
        let mut lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find(|line| line["message"] == message)
    }

    #[track_caller]
    fn named(&self, message: &str, field: &str) -> SocketAddr {
        let line = eventually_some(message, || self.logged(message));
        line[field].as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{line}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
