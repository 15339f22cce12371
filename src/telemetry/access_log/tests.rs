use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use http::{Method, Uri};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::buffer::{ENTRIES_MAX, TEXT_MAX};
use super::*;
use crate::telemetry::Metrics;
use crate::types::TenantId;

/// A sink that a test looks into; it takes `room` bytes before it fails.
#[derive(Clone)]
struct Memory {
    bytes: Arc<Mutex<Vec<u8>>>,
    room: Arc<AtomicUsize>,
}

impl Memory {
    fn new() -> Self {
        Self { bytes: Arc::default(), room: Arc::new(AtomicUsize::new(usize::MAX)) }
    }

    fn lines(&self) -> Vec<Value> {
        let bytes = self.bytes.lock().expect("a lock").clone();
        let text = String::from_utf8(bytes).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).unwrap_or(Value::Null)).collect()
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.room.load(Ordering::SeqCst);
        let len = bytes.len().min(room);
        if len == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.lock().expect("a lock").extend_from_slice(&bytes[..len]);
        self.room.store(room - len, Ordering::SeqCst);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn settings(sample: f64) -> AccessLogSettings {
    AccessLogSettings { path: "-".to_owned(), sample }
}

fn meter() -> AccessLogMeter {
    Metrics::new(1).expect("metrics").access_log()
}

fn with_entry<T>(f: impl FnOnce(Entry<'_>) -> T) -> T {
    let uri = Uri::from_static("http://ignored/a/b?c=d&e");
    f(Entry {
        started: UNIX_EPOCH + Duration::from_millis(1_709_210_096_007),
        request_id: b"0123-abc",
        tenant: None,
        route: None,
        pool: None,
        endpoint: None,
        method: &Method::GET,
        host: None,
        uri: &uri,
        protocol: "HTTP/1.1",
        status: 200,
        code: None,
        tls: None,
        sni: None,
        client_cert: None,
        tripped: None,
        request_bytes: 0,
        response_bytes: 1_024,
        total: Duration::from_micros(1_250),
        queue: Duration::ZERO,
        upstream: None,
        client: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)),
        retries: 0,
    })
}

#[test]
fn a_line_has_the_documented_fields() {
    let memory = Memory::new();
    let log = AccessLog::start_with(Box::new(memory.clone()), &settings(1.0), meter()).expect("a log");
    let sender = log.sender();
    let tenant = TenantId::parse("acme").expect("an id");
    with_entry(|entry| {
        sender.push(&entry);
        sender.push(&Entry {
            tenant: Some(&tenant),
            route: Some("reports"),
            pool: Some("shared"),
            endpoint: Some("http://127.0.0.1:9001"),
            method: &Method::POST,
            host: Some(b"acme.app.example.com:8080"),
            status: 504,
            code: Some("upstream_timeout"),
            tls: Some(("TLSv1.3", "TLS_AES_128_GCM_SHA256")),
            sni: Some(b"acme.test"),
            client_cert: Some(b"CN=worker-7"),
            tripped: Some("pool.requests"),
            request_bytes: 7,
            queue: Duration::from_micros(3),
            upstream: Some(Duration::from_millis(1_000)),
            client: "2001:db8::1".parse().expect("an address"),
            retries: 2,
            ..entry
        });
    });
    log.close();
    let least = json!({
        "time": "2024-02-29T12:34:56.007Z", "request_id": "0123-abc", "method": "GET", "path": "/a/b",
        "query": "c=d&e", "protocol": "HTTP/1.1", "status": 200, "bytes_in": 0, "bytes_out": 1024,
        "duration_ms": 1.25, "queue_ms": 0.0, "client": "203.0.113.9", "retries": 0,
    });
    let most = json!({
        "time": "2024-02-29T12:34:56.007Z", "request_id": "0123-abc", "tenant": "acme",
        "route": "reports", "pool": "shared", "endpoint": "http://127.0.0.1:9001", "method": "POST",
        "host": "acme.app.example.com:8080", "path": "/a/b", "query": "c=d&e",
        "protocol": "HTTP/1.1", "tls_version": "TLSv1.3",
        "tls_cipher": "TLS_AES_128_GCM_SHA256", "sni": "acme.test", "client_cert": "CN=worker-7", "status": 504, "code": "upstream_timeout", "tripped": "pool.requests", "bytes_in": 7,
        "bytes_out": 1024, "duration_ms": 1.25, "queue_ms": 0.003, "upstream_ms": 1000.0,
        "client": "2001:db8::1", "retries": 2,
    });
    assert_eq!(memory.lines(), [least, most]);
    let docs = include_str!("../../../docs/access-log.md");
    for field in memory.lines()[1].as_object().expect("an object").keys() {
        assert!(docs.contains(&format!("`{field}`")), "docs/access-log.md lacks {field}");
    }
}

#[test]
fn sampling_is_by_request_and_keeps_every_error() {
    let memory = Memory::new();
    let log = AccessLog::start_with(Box::new(memory.clone()), &settings(0.25), meter()).expect("a log");
    let sender = log.sender();
    with_entry(|entry| {
        for n in 0..4_000 {
            let id = format!("request-{n}");
            // The same request is kept or left each time it is seen.
            sender.push(&Entry { request_id: id.as_bytes(), ..entry });
            sender.push(&Entry { request_id: id.as_bytes(), retries: 1, ..entry });
        }
    });
    log.reconfigure(&settings(0.0)).expect("nothing to open");
    with_entry(|entry| {
        sender.push(&entry);
        sender.push(&Entry { status: 502, ..entry });
        sender.push(&Entry { status: 429, code: Some("rate_limited"), ..entry });
    });
    log.close();
    let lines = memory.lines();
    let (sampled, errors): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line["status"] == 200);
    assert_eq!(errors.len(), 2);
    assert!((1_800..2_200).contains(&sampled.len()), "{} of 8000", sampled.len());
    let kept = |retries| sampled.iter().filter(|line| line["retries"] == retries).count();
    assert_eq!(kept(0), kept(1));
}

#[test]
fn a_full_buffer_drops_and_counts() {
    // No writer drains it: only the bound keeps it small.
    let buffer = buffer::Buffer::default();
    with_entry(|entry| {
        let mut half_full = 0;
        for n in 0..ENTRIES_MAX {
            match buffer.push(&entry) {
                buffer::Pushed::Kept => {}
                buffer::Pushed::HalfFull => half_full += 1,
                buffer::Pushed::Dropped => panic!("dropped entry {n}"),
            }
        }
        assert_eq!(half_full, 1);
        assert_eq!(buffer.push(&entry), buffer::Pushed::Dropped);
        let mut empty = buffer::Batch::default();
        let mut drained = 0;
        buffer.drain(&mut empty, false, |batch| drained += batch.entries().count());
        assert_eq!(drained, ENTRIES_MAX);
        assert_eq!(buffer.push(&entry), buffer::Pushed::Kept);

        let long = vec![b'x'; TEXT_MAX];
        assert_eq!(buffer.push(&Entry { host: Some(&long), ..entry }), buffer::Pushed::Dropped);
        assert_eq!(
            buffer.push(&Entry { host: Some(&long[..TEXT_MAX / 2]), ..entry }),
            buffer::Pushed::HalfFull
        );
    });
}

#[test]
fn what_comes_after_the_end_counts_as_dropped() {
    let (memory, meter) = (Memory::new(), meter());
    let log = AccessLog::start_with(Box::new(memory.clone()), &settings(1.0), meter.clone()).expect("a log");
    let (sender, gone) = (log.sender(), log.sender());
    with_entry(|entry| {
        sender.push(&entry);
        gone.push(&entry);
        drop(gone);
        log.close();
        sender.push(&entry);
    });
    assert_eq!((memory.lines().len(), meter.dropped.get()), (2, 1));
}

#[test]
fn a_full_disk_costs_lines_and_nothing_else() {
    let (memory, meter) = (Memory::new(), meter());
    memory.room.store(500, Ordering::SeqCst);
    let log = AccessLog::start_with(Box::new(memory.clone()), &settings(1.0), meter.clone()).expect("a log");
    let sender = log.sender();
    with_entry(|entry| {
        for _ in 0..1_000 {
            sender.push(&entry);
        }
        wait_until(|| meter.write_errors.get() > 0);
        memory.room.store(usize::MAX, Ordering::SeqCst);
        for _ in 0..1_000 {
            sender.push(&entry);
        }
    });
    log.close();
    let lines = memory.lines();
    let whole = lines.iter().filter(|line| line.is_object()).count() as u64;
    let torn = lines.iter().filter(|line| line.is_null()).count();
    assert!(torn <= 1, "{torn} lines are no JSON");
    assert_eq!(whole + meter.dropped.get(), 2_000);
    assert!(whole >= 1_000);
}

#[test]
fn rotation_moves_on_to_the_new_file_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, old) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    let path_text = path.to_str().expect("UTF-8").to_owned();
    let meter = meter();
    let settings = AccessLogSettings { path: path_text, sample: 1.0 };
    let log = AccessLog::start(&settings, meter.clone()).expect("a log");
    let sender = log.sender();
    let lines = |path| std::fs::read_to_string(path).unwrap_or_default().lines().count();
    with_entry(|entry| {
        sender.push(&entry);
        wait_until(|| lines(&path) == 1);
        std::fs::rename(&path, &old).expect("a rename");
        sender.push(&entry);
        log.reopen().expect("a new file");
        wait_until(|| log.shared.next.lock().expect("a lock").is_none());
        sender.push(&entry);
        log.close();
    });
    assert_eq!((lines(&old), lines(&path)), (2, 1));
    assert_eq!(meter.dropped.get(), 0);
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error_and_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let nowhere = AccessLogSettings { path: path("no/such/folder.log"), sample: 0.0 };
    assert!(AccessLog::start(&nowhere, meter()).is_err());
    let settings = AccessLogSettings { path: path("access.log"), sample: 1.0 };
    let log = AccessLog::start(&settings, meter()).expect("a log");
    assert!(log.reconfigure(&nowhere).is_err());
    with_entry(|entry| log.sender().push(&entry));
    log.close();
    assert_eq!(std::fs::read_to_string(settings.path).expect("a file").lines().count(), 1);
}

#[test]
fn workers_at_once_lose_nothing_while_there_is_room() {
    let (memory, meter) = (Memory::new(), meter());
    let log = AccessLog::start_with(Box::new(memory.clone()), &settings(1.0), meter.clone()).expect("a log");
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let sender = log.sender();
            scope.spawn(move || with_entry(|entry| (0..5_000).for_each(|_| sender.push(&entry))));
        }
    });
    log.close();
    assert_eq!((memory.lines().len(), meter.dropped.get()), (15_000, 0));
}

proptest! {
    #[test]
    fn any_entry_makes_one_line_of_json(
        request_id in prop::collection::vec(any::<u8>(), 0..40),
        host in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
        route in prop::option::of(".{0,20}"),
        status: u16,
        bytes: u64,
        total: u64,
    ) {
        let buffer = buffer::Buffer::default();
        with_entry(|entry| buffer.push(&Entry {
            request_id: &request_id,
            host: host.as_deref(),
            route: route.as_deref(),
            status,
            response_bytes: bytes,
            total: Duration::from_nanos(total),
            ..entry
        }));
        let mut out = Vec::new();
        buffer.drain(&mut buffer::Batch::default(), false, |batch| {
            for (record, texts) in batch.entries() {
                line::Formatter::default().line(&mut out, record, texts);
            }
        });
        let text = String::from_utf8(out).expect("UTF-8");
        prop_assert_eq!(text.matches('\n').count(), 1);
        let line: Value = serde_json::from_str(&text).expect("JSON");
        prop_assert_eq!(line["request_id"].as_str(), Some(&*String::from_utf8_lossy(&request_id)));
        let host = host.as_deref().map(String::from_utf8_lossy);
        prop_assert_eq!(line["host"].as_str(), host.as_deref());
        prop_assert_eq!(line["route"].as_str(), route.as_deref());
        prop_assert_eq!(&line["bytes_out"], &json!(bytes));
    }
}

fn wait_until(mut holds: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "it did not come true in time");
        std::thread::yield_now();
    }
}
