//! Where a gateway listens: several addresses, IPv6, Unix sockets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use crate::harness::{ACME, ADMIN_TOKEN, Client, Message, Origin, config, eventually, get, tollgate};

/// What is answered to one request over a Unix socket.
fn ask_at(path: &Path, message: Message) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.write_all(&message.header("Connection", "close").bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_listener_has_several_addresses() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set("workers", "2")
        .set("listeners", "[{ bind: [127.0.0.1:0, '[::1]:0', 'unix:{dir}/t.sock'] }]")
        .start();
    let addresses = gateway.listeners();
    assert!(addresses[0].is_ipv4() && addresses[1].is_ipv6(), "{addresses:?}");
    for (address, client) in addresses.iter().zip(["127.0.0.1", "::1"]) {
        Client::connect(*address).ask(&get(ACME, "/")).assert_status(200);
        assert_eq!(origin.last_request().header("x-forwarded-for"), Some(client));
    }
    assert!(ask_at(&gateway.directory().join("t.sock"), get(ACME, "/")).starts_with("HTTP/1.1 200 "));
    let seen = origin.last_request();
    assert_eq!(seen.header("x-forwarded-for"), Some("unknown"));
    assert!(seen.header("forwarded").unwrap().starts_with("for=unknown;"));
}

#[test]
fn a_unix_socket_is_there_from_start_to_end() {
    let origin = Origin::echo();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.sock");
    // As a gateway leaves it that is killed.
    drop(UnixListener::bind(&path).unwrap());
    let listeners = |mode: &str| {
        format!("[{{ bind: 127.0.0.1:0 }}, {{ bind: 'unix:{}', mode: '{mode}' }}]", path.display())
    };
    let mut gateway = config().to(&origin).set("listeners", &listeners("0600")).start();
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    assert!(ask_at(&path, get(ACME, "/")).starts_with("HTTP/1.1 200 "));
    gateway.reload(|config| config.set("listeners", &listeners("0666"))).unwrap();
    assert_eq!(mode(), 0o666);
    assert!(ask_at(&path, get(ACME, "/")).starts_with("HTTP/1.1 200 "));
    gateway.reload(|config| config.set("listeners", "[{ bind: 127.0.0.1:0 }]")).unwrap();
    eventually("the file is gone", || !path.exists());
}

#[test]
fn trust_in_what_comes_over_a_unix_socket_is_said() {
    let origin = Origin::echo();
    let started = |trusted: &str| {
        config()
            .to(&origin)
            .set("listeners", "[{ bind: 127.0.0.1:0 }, { bind: 'unix:{dir}/t.sock' }]")
            .set("trusted_proxies", trusted)
            .set("tenants", "[{ id: acme, plan: free, access: { deny: [203.0.113.5] } }]")
            .start()
    };
    let asked = || get(ACME, "/").header("X-Forwarded-For", "203.0.113.9");
    let gateway = started("[unix]");
    let path = gateway.directory().join("t.sock");
    assert!(ask_at(&path, asked()).starts_with("HTTP/1.1 200 "));
    assert_eq!(origin.last_request().header("x-forwarded-for"), Some("203.0.113.9, unknown"));
    let denied = get(ACME, "/").header("X-Forwarded-For", "203.0.113.5");
    assert!(ask_at(&path, denied).starts_with("HTTP/1.1 403 "));
    // Nobody in particular: whoever has an access list does not let that in.
    assert!(ask_at(&path, get(ACME, "/")).starts_with("HTTP/1.1 403 "));

    let gateway = started("[127.0.0.1]");
    assert!(ask_at(&gateway.directory().join("t.sock"), asked()).starts_with("HTTP/1.1 403 "));
}

#[test]
fn a_path_that_somebody_listens_on_is_not_taken() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set("listeners", "[{ bind: 127.0.0.1:0 }, { bind: 'unix:{dir}/t.sock' }]")
        .start();
    let path = gateway.directory().join("t.sock");
    let listeners = format!("[{{ bind: 127.0.0.1:0 }}, {{ bind: 'unix:{}' }}]", path.display());
    let why = config().to(&origin).set("listeners", &listeners).refused();
    assert!(why.contains("another process listens there"), "{why}");
    assert!(ask_at(&path, get(ACME, "/")).starts_with("HTTP/1.1 200 "));
}

#[test]
fn operators_come_over_a_unix_socket_too() {
    let origin = Origin::echo();
    let gateway = config()
        .to(&origin)
        .set("admin", "{ bind: 'unix:{dir}/admin.sock', token: a-token-for-tests }")
        .start();
    let path = gateway.directory().join("admin.sock");
    assert!(ask_at(&path, get("admin", "/readyz")).starts_with("HTTP/1.1 200 "));
    // And with the commands, which take the address as the configuration has it, or as other tools write it.
    let run = |arguments: &[&str], variable: &str| {
        let mut command = tollgate(arguments);
        let command = command.env_clear().env("TOLLGATE_TOKEN", ADMIN_TOKEN).env("TOLLGATE_ADMIN", variable);
        let done = command.output().unwrap();
        (done.status.success(), String::from_utf8(done.stderr).unwrap())
    };
    let socket = format!("unix:{}", path.display());
    let as_others = format!("unix://{}", path.display());
    for address in [&socket, &as_others] {
        assert_eq!(run(&["plan", "list", "--admin", address], ""), (true, String::new()));
        assert_eq!(run(&["plan", "list"], address), (true, String::new()));
        assert_eq!(run(&["health", "--url", address], ""), (true, String::new()));
    }
    drop(gateway);
    assert!(!path.exists());
    for arguments in [&["plan", "list", "--admin", &socket][..], &["health", "--url", &socket]] {
        let (done, said) = run(arguments, "");
        assert!(!done, "{said}");
        for part in [&format!("{socket} can't be connected to"), "admin.bind", "admin.mode"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}

#[test]
fn a_reload_tells_of_listeners_that_come_and_go_and_of_no_others() {
    let origin = Origin::echo();
    let listeners = |name: &str| format!("[{{ bind: 127.0.0.1:0 }}, {{ bind: 'unix:{{dir}}/{name}.sock' }}]");
    let mut gateway = config().to(&origin).set("listeners", &listeners("a")).spawn();
    gateway.edit(|config| config.set("listeners", &listeners("b")));
    gateway.signal("HUP");
    eventually("one has gone", || gateway.logged("no longer listening").is_some());
    let told = |message: &str| -> Vec<String> {
        let lines = gateway.log();
        let lines = lines.iter().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let lines = lines.filter(|line| line["message"] == message);
        lines.map(|line| line["listener"].as_str().unwrap().to_owned()).collect()
    };
    let socket = |name: &str| format!("unix:{}", gateway.directory().join(name).display());
    let all = [gateway.address().to_string(), socket("a.sock"), socket("b.sock")];
    assert_eq!(told("listening"), all);
    assert_eq!(told("no longer listening"), [socket("a.sock")]);
}

#[test]
fn a_reload_widens_an_address_on_its_port() {
    let origin = Origin::echo();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listeners = |ip: &str| format!("[{{ bind: '{ip}:{port}' }}]");
    let mut gateway = config().to(&origin).set("listeners", &listeners("127.0.0.1")).start();
    // Whoever comes while the narrower socket is closed may be reset: the kernel has given it to that.
    let is_served = || {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
        let mut text = String::new();
        let _ = stream.write_all(&get(ACME, "/").header("Connection", "close").bytes());
        stream.read_to_string(&mut text).is_ok() && text.starts_with("HTTP/1.1 200 ")
    };
    assert!(is_served());
    gateway.reload(|config| config.set("listeners", &listeners("0.0.0.0"))).unwrap();
    eventually("it is served by the wider one", is_served);
    gateway.reload(|config| config.set("listeners", &listeners("127.0.0.1"))).unwrap();
    eventually("it is served by the narrower one", is_served);
}
