//! What rewriting a page costs: a mebibyte of HTML, compressed or not, in pieces as a socket gives them.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::hint::black_box;
use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tollgate::brand::html::{Coding, Injection, Pulled, Transform};

/// A page as applications make them: tags with attributes, text, a token here and there.
fn page() -> Vec<u8> {
    let mut page = b"<!doctype html><html><head><title>{{brand.name}}</title></head><body>".to_vec();
    let mut row = 0;
    while page.len() < 1 << 20 {
        row += 1;
        let text =
            "A line of text that somebody wrote, with <em>words</em> that matter and a few that do not.";
        page.extend(format!("<tr class=\"row r{row}\"><td data-id=\"{row}\"><a href=\"/items/{row}\">Item {row}</a></td><td>{text}</td></tr>\n").bytes());
        if row % 500 == 0 {
            page.extend_from_slice(b"<p>{{brand.name}}</p>");
        }
    }
    page
}

fn rewrite(c: &mut Criterion) {
    let page = page();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&page).unwrap();
    let bodies =
        [("identity", Coding::Identity, page.clone()), ("gzip", Coding::Gzip, gzip.finish().unwrap())];
    let injection =
        Arc::new(Injection::new("/.brand/", "/.brand/brand.css", None, &[("name", "Acme")], &[], &[]));
    let mut group = c.benchmark_group("html");
    group.throughput(Throughput::Bytes(page.len() as u64));
    for (name, coding, body) in bodies {
        let body = Bytes::from(body);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut transform = Transform::new(&injection, coding, None);
                let mut rest = body.clone();
                while !rest.is_empty() {
                    transform.push(rest.split_to(rest.len().min(16 * 1024)));
                    while black_box(transform.pull().unwrap()) != Pulled::Hungry {}
                }
                black_box(transform.finish().unwrap());
            });
        });
    }
    group.finish();
}

criterion_group!(benches, rewrite);
criterion_main!(benches);
