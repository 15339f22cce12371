//! What is done with what an endpoint says, and for an application that has hosts of its own, on both ways.

use std::hint::black_box;
use std::sync::Arc;

use bytes::BytesMut;
use criterion::{BatchSize, Criterion};
use http::{HeaderMap, HeaderName, HeaderValue};
use tollgate::http::facade::Facade;
use tollgate::http::hop_by_hop::strip_response;
use tollgate::types::{HostName, Scheme, WebHost, WebHosts};
use tollgate::upstream::ResponseHeads;

/// What an application answers, more or less.
const FIELDS: [(&str, &str); 8] = [
    ("date", "Tue, 01 Dec 2026 00:00:00 GMT"),
    ("content-type", "text/html; charset=utf-8"),
    ("content-length", "10240"),
    ("cache-control", "private, max-age=0"),
    ("set-cookie", "session=0190a5e27c1e7b3a9f4e2f1d3c4b5a69; Path=/; HttpOnly; Secure"),
    ("etag", "\"5f3a-61c\""),
    ("vary", "Accept-Encoding"),
    ("x-frame-options", "DENY"),
];

pub fn read_a_head(c: &mut Criterion) {
    let mut text = "HTTP/1.1 200 OK\r\n".to_owned();
    FIELDS.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
    let long = format!("{text}x-request-cost: 3\r\nx-app-version: 2026.11.30\r\n\r\n");
    let short = "HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n";
    let mut group = c.benchmark_group("inbox");
    for (name, head) in [("short head", short), ("application's head", &long)] {
        let (mut heads, mut read) = (ResponseHeads::default(), BytesMut::with_capacity(8 * 1024));
        group.bench_function(name, |b| {
            b.iter(|| {
                // As a connection's buffer is: what was read before has gone.
                read.reserve(head.len());
                read.extend_from_slice(black_box(head).as_bytes());
                heads.take(&mut read)
            });
        });
    }
}

pub fn clean_the_answer(c: &mut Criterion) {
    let fields: HeaderMap = of(&FIELDS);
    let mut hop_by_hop = fields.clone();
    for (name, value) in [("connection", "keep-alive"), ("keep-alive", "timeout=5")] {
        hop_by_hop.insert(name, HeaderValue::from_static(value));
    }
    let mut group = c.benchmark_group("answer's fields");
    for (name, fields) in [("nothing to strip", fields), ("hop-by-hop", hop_by_hop)] {
        group.bench_function(name, |b| {
            b.iter_batched_ref(|| fields.clone(), strip_response, BatchSize::SmallInput);
        });
    }
}

pub fn show_a_facade(c: &mut Criterion) {
    let hosts = ["app.internal:8080", "https://app.example.com"].map(WebHost::parse);
    let hosts: Vec<WebHost> = hosts.into_iter().flatten().collect();
    let (hosts, host) = (Arc::new(WebHosts::new(hosts)), HostName::parse(b"www.t500.test").ok());
    let mut group = c.benchmark_group("facade");
    group.bench_function("made", |b| {
        b.iter(|| Facade::new(Arc::clone(&hosts), Scheme::Https, black_box(host.clone())))
    });
    let facade = Facade::new(Arc::clone(&hosts), Scheme::Https, host);
    let asked = of(&[
        ("origin", "https://www.t500.test"),
        ("referer", "https://www.t500.test/reports?from=01-01"),
        ("accept", "*/*"),
    ]);
    group.bench_function("a request", |b| {
        b.iter_batched_ref(|| asked.clone(), |fields| facade.request(fields), BatchSize::SmallInput);
    });
    let mut redirect = of(&FIELDS);
    redirect.insert("location", HeaderValue::from_static("http://app.internal:8080/login?next=/reports"));
    for (name, fields) in [("an answer without URLs", of(&FIELDS)), ("a redirect", redirect)] {
        group.bench_function(name, |b| {
            b.iter_batched_ref(|| fields.clone(), |fields| facade.response(fields), BatchSize::SmallInput);
        });
    }
}

fn of(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let fields = fields.iter();
    fields.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}
