//! Inputs near what is valid: made of the right words, not always in the right places.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Requests behind one another, some of them wrong in one thing.
pub fn requests() -> impl Strategy<Value = Vec<u8>> {
    let line = select(vec![
        "GET / HTTP/1.1",
        "POST /a/%2e%2e?b=c HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "GET /old HTTP/1.0",
        "GET http://acme.test/x HTTP/1.1",
        "GET http://acme.test HTTP/1.1",
        "CONNECT acme.test:443 HTTP/1.1",
        "PRI * HTTP/2.0",
        "GET  / HTTP/1.1",
        "GET /#x HTTP/1.1",
        "GET /é HTTP/1.1",
        "",
    ])
    .prop_map(str::to_owned);
    let long = (1..300_usize, 1..100_usize)
        .prop_map(|(method, target)| format!("{} /{} HTTP/1.1", "M".repeat(method), "t".repeat(target)));
    let field = select(vec![
        "Host: acme.test",
        "host:globex.test",
        "Content-Length: 3",
        "Content-Length: 3, 3",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: identity, chunked",
        "Connection: upgrade",
        "Upgrade: websocket",
        "X-Odd : 1",
        " folded",
        "x-text: \u{e9}\t!",
        "no-colon",
        "X-A: a",
        "X-B:",
    ]);
    let body = select(vec![
        "",
        "abc",
        "3\r\nabc\r\n0\r\n\r\n",
        "0;x=y\r\nt: 1\r\n\r\n",
        "3\nabc",
        "ffffffffffffffff0\r\n",
    ]);
    let end = prop_oneof![12 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r")];
    let request = (prop_oneof![6 => line, 1 => long], vec(field, 0..6), end, body).prop_map(
        |(line, fields, end, body)| {
            let mut text = line + end + "Host: acme.test\r\n";
            for field in fields {
                text.push_str(field);
                text.push_str(end);
            }
            (text + "\r\n" + body).into_bytes()
        },
    );
    vec(request, 1..4).prop_map(|requests| requests.concat())
}

/// PROXY headers of both versions, some of them wrong in one thing.
pub fn proxy_header() -> impl Strategy<Value = Vec<u8>> {
    let line = (
        "(TCP4|TCP6|UNKNOWN|UDP4)",
        vec("[0-9a-f:.]{1,20}", 0..5),
        select(vec!["\r\n", "\n", ""]),
        "[ -~]{0,40}",
    )
        .prop_map(|(family, words, end, rest)| {
            format!("PROXY {family} {}{end}{rest}", words.join(" ")).into_bytes()
        });
    let tlv = (
        prop_oneof![Just(1_u8), Just(2), Just(3), Just(4), Just(5), Just(0x20), Just(0x30), any::<u8>()],
        vec(any::<u8>(), 0..12),
    )
        .prop_map(|(kind, value)| [&[kind, 0, value.len() as u8][..], &value].concat());
    let fixed = (
        select(vec![0x20_u8, 0x21, 0x21, 0x21, 0x11]),
        select(vec![0_u8, 0x11, 0x11, 0x21, 0x31, 0x12, 0x41]),
    );
    let header = (fixed, vec(any::<u8>(), 0..40), vec(tlv, 0..4), 0..3_u8, vec(any::<u8>(), 0..30)).prop_map(
        |((command, family), addresses, tlvs, more, rest)| {
            let size = match family {
                0x11 | 0x12 => 12,
                0x21 => 36,
                0x31 => 216,
                _ => 0,
            };
            let mut block = addresses;
            block.resize(size, 7);
            block.extend(tlvs.concat());
            let len = (block.len() as u16 + u16::from(more)).to_be_bytes();
            [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[command, family], &len, &block, &rest].concat()
        },
    );
    prop_oneof![line, header]
}

/// `X-Forwarded-For` as proxies and their clients write it, on a line or several.
pub fn chain() -> impl Strategy<Value = String> {
    let hop = prop_oneof![
        "10\\.[0-9]{1,3}\\.0\\.[0-9]{1,3}(:[0-9]{1,5})?",
        "[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}",
        "\\[?(fd00|2001:db8|::ffff)::?[0-9a-f]{1,4}\\]?(:[0-9]{1,5})?",
        select(vec!["unknown", "_hidden", "", "::ffff:10.0.0.9", "::ffff:192.0.2.7"]).prop_map(str::to_owned),
    ];
    vec((hop, select(vec![", ", ",", " ,\t", "\n", ","])), 0..8)
        .prop_map(|hops| hops.into_iter().map(|(hop, between)| hop + between).collect())
}

/// Sections of a configuration, in any order, with any of these for values.
pub fn configuration() -> impl Strategy<Value = String> {
    let key = select(vec![
        "listeners",
        "bind",
        "admin",
        "token",
        "tenancy",
        "identify",
        "plans",
        "free",
        "rate_limit",
        "rate",
        "burst",
        "quotas",
        "pools",
        "shared",
        "endpoints",
        "routes",
        "match",
        "path_prefix",
        "pool",
        "tenants",
        "id",
        "domains",
        "limits",
        "request_headers",
        "set",
        "trusted_proxies",
        "default_pool",
        "workers",
        "lisetners",
    ]);
    let value = select(vec![
        "127.0.0.1:8080",
        "5/s",
        "10MiB",
        "250ms",
        "[]",
        "{}",
        "[domain]",
        "\"{tenant}.app.test\"",
        "${NOT_SET:-x}",
        "${NOT_SET}",
        "shared",
        "acme",
        "http://127.0.0.1:9001",
        "/",
        "~",
        "1e9",
        "-1",
        "&a [*a]",
        "*a",
        "!!binary aa",
        "\"",
        "|",
        "true",
    ]);
    let line = (0..4_usize, prop_oneof![Just(""), Just("- ")], key, value)
        .prop_map(|(depth, dash, key, value)| format!("{}{dash}{key}: {value}\n", "  ".repeat(depth)));
    vec(line, 0..20).prop_map(|lines| lines.concat())
}

/// What an application may say of itself in `Location`, `Link`, `Refresh` and `Set-Cookie`, more or less.
pub fn of_itself() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => select(vec![
            "http://app.internal:8080", "HTTPS://APP.internal:8080", "//app.internal:8080", "http://app.internal",
            "https://www.acme.test:8443", "http://www.acme.test", "/app", "a=b", "Domain=", "Path=", "url=",
            "; ", "<", ">", ", ", "\"", "\\", "//", "?", "#", "\t", "5",
        ])
        .prop_map(str::to_owned),
        1 => "[a-z/@:;=<>. -]{0,6}",
    ];
    vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}
