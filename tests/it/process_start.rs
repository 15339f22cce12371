//! The binary as its surroundings start it: with sockets handed over, as root, with few descriptors.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

use crate::harness::{ACME, Client, Origin, config, eventually, get};

#[test]
fn sockets_are_taken_that_are_handed_over() {
    let origin = Origin::echo();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    // As systemd does it: from descriptor 3 on, with a name for each.
    let script = r#"exec 3<&0 4<&0 0</dev/null; LISTEN_FDS=2 LISTEN_FDNAMES=web:other exec "$0" "$@""#;
    let listeners = "[{ bind: systemd:web }, { bind: fd:4 }]";
    let mut gateway = config()
        .to(&origin)
        .set("workers", "2")
        .set("listeners", listeners)
        .spawn_by(script, Some(OwnedFd::from(socket)));
    assert_eq!(gateway.address(), address);
    for _ in 0..8 {
        Client::connect(address).ask(&get(ACME, "/")).assert_status(200);
    }
    // Taken away and brought back by a reload.
    gateway.edit(|config| config.set("listeners", "[{ bind: 127.0.0.1:0 }, { bind: systemd:web }]"));
    gateway.signal("HUP");
    // By the signal, or by the look at the file, or by both.
    let in_force = || gateway.log().iter().filter(|line| line.contains("configuration in force")).count();
    eventually("it has reloaded", || in_force() >= 2);
    Client::connect(address).ask(&get(ACME, "/")).assert_status(200);
    gateway.signal("TERM");
    assert!(gateway.wait().success());
}

#[test]
fn a_socket_that_no_listener_names_is_told() {
    let origin = Origin::echo();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    // As of a unit with two addresses: both have its name, and the first is meant by it.
    let script = r#"exec 3<&0 4<&0 0</dev/null; LISTEN_FDS=2 LISTEN_FDNAMES=web:web exec "$0" "$@""#;
    let gateway = config()
        .to(&origin)
        .set("listeners", "[{ bind: systemd:web }]")
        .spawn_by(script, Some(OwnedFd::from(socket)));
    let told =
        |what: &str| gateway.log().iter().any(|line| line.contains("nobody answers") && line.contains(what));
    eventually("it tells of the second", || told("fd:4"));
    assert!(!told("fd:3"));
}

#[test]
fn a_socket_that_was_not_handed_over_is_said() {
    let origin = Origin::echo();
    let why = config().to(&origin).set("listeners", "[{ bind: systemd:web }]").refused();
    assert!(why.contains("can't listen on systemd:web") && why.contains("FileDescriptorName"), "{why}");
}

#[test]
fn out_of_descriptors_it_waits_and_recovers() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).spawn_by(r#"ulimit -n 48; exec "$0" "$@""#, None);
    let held: Vec<Client> = (0..100).map(|_| Client::connect(gateway.address())).collect();
    let paused = || gateway.log().iter().filter(|line| line.contains("accepting pauses")).count();
    eventually("it has run out", || paused() == 1);
    drop(held);
    // What waited is served; and the log has said so once, however often it paused.
    Client::connect(gateway.address()).ask(&get(ACME, "/")).assert_status(200);
    let mut admin = Client::connect(gateway.admin_address());
    let text = admin.ask(&get("admin", "/metrics")).text();
    let pauses = text.lines().find_map(|line| line.strip_prefix("tollgate_accept_pauses_total "));
    assert!(pauses.unwrap().parse::<f64>().unwrap() >= 1.0);
    assert_eq!(paused(), 1);
}

/// The kernel would make it when it is needed, and have a worker wait.
#[test]
fn there_is_room_for_descriptors_from_the_start() {
    let origin = Origin::echo();
    let limits = |most: &str| config().to(&origin).set("limits", &format!("{{ max_connections: {most} }}"));
    let mut gateway = limits("2000").spawn_by(r#"ulimit -n 20000; exec "$0" "$@""#, None);
    let room = gateway.descriptors_room();
    assert!(
        (4000..20_000).contains(&room),
        "{room} for 2,000 connections of clients, and as many to endpoints"
    );
    gateway.edit(|config| config.set("limits", "{ max_connections: 100000 }"));
    gateway.signal("HUP");
    eventually("there is as much as there may be", || gateway.descriptors_room() >= 20_000);
}

/// A reload of many tenants takes seconds of a processor.
#[cfg(target_os = "linux")]
#[test]
fn who_reloads_gives_way_to_who_serves() {
    let origin = Origin::echo();
    let gateway = config().to(&origin).spawn_by(r#"exec "$0" "$@""#, None);
    let nice =
        |name: &str| gateway.threads().into_iter().find_map(|thread| (thread.0 == name).then_some(thread.1));
    let of_worker = nice("worker-0").unwrap();
    for name in ["tollgate", "control"] {
        eventually(name, || nice(name) == Some(of_worker.max(10)));
    }
    assert_eq!(nice("worker-0"), Some(of_worker));
}

/// Whether this test runs as who can become somebody else; says so loudly if not.
fn is_root() -> bool {
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    if !root {
        eprintln!("SKIPPED: giving up privileges can be tested as root only");
    }
    root
}

#[test]
fn root_is_given_up_for_good() {
    if !is_root() {
        return;
    }
    let origin = Origin::echo();
    let listeners = "[{ bind: 127.0.0.1:0 }, { bind: 'unix:{dir}/t.sock' }]";
    let script = r#"chmod 755 "$(dirname "$3")"; exec "$0" "$@""#;
    let mut gateway = config()
        .to(&origin)
        .set("listeners", listeners)
        .set("access_log", "{ path: '-', format: json, sample: 1.0 }")
        .set("user", "'65534'")
        .set("group", "'65534'")
        .spawn_by(script, None);
    Client::connect(gateway.address()).ask(&get(ACME, "/")).assert_status(200);
    let status = gateway.status();
    let line = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap().to_owned();
    for key in ["Uid:", "Gid:"] {
        assert!(line(key).split_whitespace().all(|id| id == "65534"), "{key} {}", line(key));
    }
    assert!(line("Groups:").split_whitespace().all(|group| group == "65534"), "{}", line("Groups:"));
    assert_eq!(std::fs::metadata(gateway.directory().join("t.sock")).unwrap().uid(), 65534);

    // What it is not allowed any more is refused, and nothing changes.
    let privileged = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    if privileged.trim().parse::<u16>().unwrap() <= 81 {
        eprintln!("SKIPPED: every port is for everybody here");
        return;
    }
    gateway.edit(|config| config.set("listeners", "[{ bind: 127.0.0.1:0 }, { bind: 127.0.0.81:81 }]"));
    gateway.signal("HUP");
    let said = || gateway.log().iter().any(|line| line.contains("given up root") && line.contains("restart"));
    eventually("it says why it can't", said);
    Client::connect(gateway.address()).ask(&get(ACME, "/")).assert_status(200);
}

#[test]
fn nobody_is_no_user_to_become() {
    let origin = Origin::echo();
    if !is_root() {
        return;
    }
    let why = config().to(&origin).set("user", "no-such-user-here").refused();
    assert!(why.contains("there is no user `no-such-user-here`"), "{why}");
}
