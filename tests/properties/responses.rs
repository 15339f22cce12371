//! Answers of endpoints near what is valid: of the right words, then with something cut out, put in or turned round.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What was asked and how the answer is cut, and the answer.
pub fn exchange() -> impl Strategy<Value = Vec<u8>> {
    let asked = select(vec![0_u8, 0, 0, 1, 2, 4, 8, 8, 8, 9, 12]);
    let cut = select(vec![0_u8, 1, 1, 2, 3, 5, 7, 16, 64, 255]);
    (asked, cut, answer()).prop_map(|(asked, cut, answer)| [&[asked, cut][..], &answer].concat())
}

/// Answers as large as they may be, and larger by the least that is.
pub fn at_bounds() -> Vec<Vec<u8>> {
    let head = |octets: usize| {
        let rest = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-A: \r\n\r\n".len();
        format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-A: {}\r\n\r\n", "a".repeat(octets - rest))
    };
    let fields = |count: usize| {
        let fields: String = (1..count).map(|nth| format!("X-{}: {nth}\r\n", nth % 200)).collect();
        format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n")
    };
    let name = |octets: usize| format!("HTTP/1.1 204 X\r\n{}: b\r\n\r\n", "a".repeat(octets));
    let interims = |count: usize| "HTTP/1.1 103 X\r\n\r\n".repeat(count) + "HTTP/1.1 204 X\r\n\r\n";
    let chunked = |body: String| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    let trailers = |count: usize| {
        let trailers: String = (0..count).map(|nth| format!("X-{nth}: {nth}\r\n")).collect();
        chunked(format!("2\r\nab\r\n0\r\n{trailers}\r\n"))
    };
    let overhead = |octets: usize| {
        let extension = ";".repeat(octets / 4);
        let trailer = "X".repeat(octets - 3 * (octets / 4) - 1);
        chunked(format!("1{extension}\r\na\r\n1{extension}\r\nb\r\n0{extension}\r\n{trailer}:\r\n\r\n"))
    };
    let mut answers = Vec::new();
    for beyond in 0..2 {
        answers.push(head(256 * 1024 + beyond));
        answers.push(fields(256 + beyond));
        answers.push(name(65_535 + beyond));
        answers.push(interims(32 + beyond));
        answers.push(trailers(99 + beyond));
        answers.push(overhead(64 * 1024 + beyond));
    }
    answers.extend([
        interims(31),
        trailers(64),
        trailers(65),
        fields(100),
        fields(101),
        "\r\n".repeat(200_000),
    ]);
    answers.push(chunked(format!("{}5{}\r\nhello\r\n0\r\n\r\n", "0".repeat(20_000), " ".repeat(20_000))));
    answers.into_iter().map(String::into_bytes).collect()
}

fn answer() -> impl Strategy<Value = Vec<u8>> {
    let interim = select(vec![
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n",
        "HTTP/1.1 102\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 199 \r\nTransfer-Encoding: chunked\r\n\r\n",
        "\r\n",
    ]);
    let behind = select(vec!["", "", "", "", "x", "\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]);
    let interims = prop_oneof![4 => vec(interim.clone(), 0..1), 2 => vec(interim, 1..3)];
    let parts = (interims, prop_oneof![3 => good(), 2 => odd()], behind);
    let text = parts.prop_map(|(interims, message, behind)| {
        [interims.concat().into_bytes(), message, behind.into()].concat()
    });
    (text, prop_oneof![3 => vec(mutation(), 0..1), 2 => vec(mutation(), 1..4)]).prop_map(
        |(mut text, mutations)| {
            for (at, removed, put) in mutations {
                let from = at.index(text.len() + 1);
                let to = (from + removed).min(text.len());
                text.splice(from..to, put);
            }
            text
        },
    )
}

/// Where, how many octets go, and what comes in their place.
fn mutation() -> impl Strategy<Value = (Index, usize, Vec<u8>)> {
    let word = select(vec![
        "\r",
        "\n",
        "\r\n",
        "\r\n\r\n",
        "\n\n",
        " ",
        "\t",
        "\0",
        "\x7f",
        "\u{e9}",
        ":",
        ";",
        ",",
        "0",
        "f",
        "7fffffffffffffff",
        "8000000000000000",
        "Content-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Connection: close\r\n",
        "0\r\n\r\n",
        "HTTP/1.1 ",
        "\"",
        "-",
        "+",
        "_",
    ]);
    let put = prop_oneof![
        2 => Just(Vec::new()),
        6 => word.prop_map(|word| word.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 1..4),
    ];
    (any::<Index>(), prop_oneof![2 => Just(0_usize), 2 => 1..3_usize, 1 => 3..40_usize], put)
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => vec(any::<u8>(), 0..12), 2 => "[a-z\r\n0-9]{0,30}".prop_map(String::into_bytes), 1 => vec(any::<u8>(), 0..600)]
}

fn status_line() -> impl Strategy<Value = String> {
    let line = select(vec![
        "HTTP/1.1 200 OK",
        "HTTP/1.1 200 OK",
        "HTTP/1.1 404 Not Found",
        "HTTP/1.1 200",
        "HTTP/1.1 200 ",
        "HTTP/1.0 200 OK",
        "HTTP/1.1 204 No Content",
        "HTTP/1.1 304 Not Modified",
        "HTTP/1.1 599 \u{e4}\t!",
    ]);
    line.prop_map(str::to_owned)
}

fn fields() -> impl Strategy<Value = String> {
    let field = select(vec![
        "X-A: a",
        "x-a:\tb \t",
        "X-Empty:",
        "X-Text: \u{e9}\t!",
        "Connection: close",
        "Connection: Keep-Alive",
        "Connection: x, close",
        "Connection: keep-alive, x-a",
        "Connection: close;x",
        "Set-Cookie: a=b",
        "Set-Cookie: c=d",
        "Date: now",
        "^_`|~: odd",
    ]);
    vec(field, 0..4).prop_map(|fields| fields.into_iter().map(|field| format!("{field}\r\n")).collect())
}

/// A message whose framing is what it says.
fn good() -> impl Strategy<Value = Vec<u8>> {
    let piece = (content(), select(vec!["", "", "", ";x", ";x=\"y\"", " ;x", "\t"]), 0..3_usize).prop_map(
        |(content, extension, zeros)| match content.len() {
            0 => Vec::new(),
            len => [format!("{}{len:X}{extension}\r\n", "0".repeat(zeros)).as_bytes(), &content, b"\r\n"]
                .concat(),
        },
    );
    let trailer = select(vec!["X-Sum: 1", "x-sum: 2 ", "Content-Length: 3", "Set-Cookie: a=b", "X:"]);
    let trailers = prop_oneof![2 => Just(Vec::new()), 1 => vec(trailer, 1..4)];
    let chunked = (vec(piece, 0..5), trailers).prop_map(|(pieces, trailers)| {
        let trailers: String = trailers.into_iter().map(|trailer| format!("{trailer}\r\n")).collect();
        let body = [pieces.concat(), format!("0\r\n{trailers}\r\n").into_bytes()].concat();
        ("Transfer-Encoding: chunked\r\n".to_owned(), body)
    });
    let body = prop_oneof![
        content().prop_map(|content| (format!("Content-Length: {}\r\n", content.len()), content)),
        content().prop_map(|content| (String::new(), content)),
        chunked,
    ];
    (status_line(), fields(), fields(), body).prop_map(|(line, before, behind, (framing, body))| {
        [format!("{line}\r\n{before}{framing}{behind}\r\n").into_bytes(), body].concat()
    })
}

/// A message whose framing is any.
fn odd() -> impl Strategy<Value = Vec<u8>> {
    let framing = select(vec![
        "Content-Length: 5",
        "Content-Length: 5",
        "content-length:  005\t",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: 5 5",
        "Content-Length:",
        "Content-Length: 0",
        "Content-Length: 9223372036854775807",
        "Content-Length: 9223372036854775808",
        "Content-Length: 18446744073709551621",
        "Content-Length: 00000000000000000000005",
        "Transfer-Encoding: chunked",
        "transfer-encoding: Chunked ",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding:",
        "Transfer_Encoding: chunked",
        "X-A : b",
        " folded",
        "no-colon",
        ": nameless",
    ]);
    let line = prop_oneof![
        3 => status_line(),
        1 => select(vec!["HTTP/1.1 2000 X", "HTTP/1.1 99 X", "HTTP/1.1 099 X", "HTTP/1.1 999 X", "HTTP/1.1  200 OK", "HTTP/1.1 200\tOK",
            "HTTP/2.0 200 OK", "HTTP/1.2 200 OK", "http/1.1 200 OK", "ICY 200 OK", "HTTP/1.1", ""]).prop_map(str::to_owned),
    ];
    let body = select(vec![
        "hello",
        "hell",
        "hello!",
        "5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n00\r\nA: b\r\n\r\n",
        "5\nhello\n0\n\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\r\n0\r\nbad name: x\r\n\r\n",
        "0;x\u{1}\r\n\r\n",
        "-5\r\nhello\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffff0\r\nhello",
        "8000000000000000\r\nhello",
        "7fffffffffffffff\r\nhello",
        "",
    ]);
    let end = prop_oneof![12 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r")];
    (line, vec(framing, 0..3), fields(), end, body).prop_map(|(line, framing, fields, end, body)| {
        let mut text = line + end;
        for field in framing {
            text += field;
            text += end;
        }
        format!("{text}{fields}{end}{body}").into_bytes()
    })
}
