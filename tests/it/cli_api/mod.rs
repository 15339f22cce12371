//! The commands over the admin API, against an admin listener that answers as a test wants.

mod backups;
mod bulk;
mod claims;
mod connection;
mod gateway;
mod listings;
mod tenants;

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::harness::{ADMIN_TOKEN, Origin, Request, tollgate};

/// What a command did.
struct Done {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Done {
    /// Its output, if it went well.
    #[track_caller]
    fn well(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self.out
    }

    /// What it said, if it failed.
    #[track_caller]
    fn badly(self) -> String {
        assert_eq!(self.code, Some(1), "{}{}", self.out, self.err);
        self.err
    }

    /// Its output as JSON, if it went well.
    #[track_caller]
    fn json(self) -> Value {
        serde_json::from_str(&self.well()).unwrap()
    }
}

/// An admin listener: answers with what `answer` makes of a request, its path and query without `/api/v1`.
fn admin(answer: impl Fn(&str, &Request) -> (u16, Value) + Send + Sync + 'static) -> Origin {
    Origin::serving(move |request, peer| {
        assert_eq!(request.header("authorization"), Some(format!("Bearer {ADMIN_TOKEN}").as_str()));
        let target = request.target.strip_prefix("/api/v1").unwrap();
        let (status, document) = answer(&format!("{} {target}", request.method), request);
        let (kind, body) = match status {
            204 => (String::new(), String::new()),
            _ => ("Content-Type: application/json\r\n".to_owned(), document.to_string()),
        };
        peer.send(format!(
            "HTTP/1.1 {status} Whatever\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
    })
}

/// The command line, to this admin listener, with the token in the environment and nothing else of it.
fn command(admin: &Origin, arguments: &[&str]) -> Command {
    command_at(admin.address(), arguments)
}

fn command_at(admin: SocketAddr, arguments: &[&str]) -> Command {
    let mut command = tollgate(arguments);
    command.env_clear().env("TOLLGATE_ADMIN", format!("http://{admin}"));
    command.env("TOLLGATE_TOKEN", ADMIN_TOKEN);
    command
}

fn run(admin: &Origin, arguments: &[&str]) -> Done {
    finished(command(admin, arguments).output().unwrap())
}

/// Runs with this on its standard input.
fn run_with(admin: &Origin, arguments: &[&str], input: &str) -> Done {
    let mut command = command(admin, arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let feeding = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    // A command that gave up may have left some of it.
    let _ = feeding.join().unwrap();
    finished(output)
}

fn finished(output: Output) -> Done {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Done { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A request's body.
fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

/// A problem document.
fn problem(status: u16, code: &str, detail: &str) -> (u16, Value) {
    (status, serde_json::json!({ "type": "about:blank", "status": status, "code": code, "detail": detail }))
}
