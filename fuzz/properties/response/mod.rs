//! What holds for any bytes that an endpoint answers with over HTTP/1.1.
//!
//! Three read them: the gateway's client (`ours`), as it runs, over a socket; a reader that has the whole answer in one slice and goes by
//! RFC 9112 line by line (`naive`); and hyper's client (`theirs`). Ours has to find what the naive one finds, however the bytes are cut,
//! and what hyper's finds, but for what [`Why`] says that ours is stricter about.
//!
//! An input's first octet says what was asked (see [`Exchange::decode`]), its second how the answer is cut; the rest is the answer.

mod naive;
mod ours;
mod theirs;

use std::fmt;

use http::{HeaderMap, Method, StatusCode, Version};
use tollgate::http::hop_by_hop::{Reserved, strip_trailers};

/// A request, and what is answered to it.
#[derive(Clone)]
struct Exchange<'a> {
    method: Method,
    /// Whether another protocol is asked for.
    upgrade: bool,
    /// Whether the endpoint keeps the connection open behind its last octet; else it ends it in order.
    open: bool,
    /// Pieces of the answer have at most so many octets, by chance; 0: it comes whole.
    cut: usize,
    answer: &'a [u8],
}

/// What somebody makes of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reading {
    head: Option<(StatusCode, Version, HeaderMap)>,
    /// What came of the body before its end; behind a 101, what came of the other protocol.
    body: Vec<u8>,
    trailers: HeaderMap,
    end: End,
    /// Whether the connection may serve another request.
    reusable: bool,
}

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It is whole.
    Complete,
    /// It is the other protocol's from here on.
    Switched,
    /// Its body breaks off, or its framing is wrong.
    Cut,
    /// It is no response.
    Refused,
    /// There is no octet of one.
    Silent,
    /// More has to come.
    Waits,
}

/// What is wrong with an answer. Those that hyper takes are where ours is stricter on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// The status line or a field does not follow the grammar, or there are too many. Both use httparse: so does hyper.
    Grammar,
    /// Not one `Content-Length` of digits that 63 bits hold. hyper takes several that are equal, and has no look at any where chunks
    /// come, or no body; what is behind it may choose another one (RFC 9112 §6.3, rule 5, lets a recipient refuse).
    Length,
    /// Not one coding `chunked`. hyper takes what ends in it for chunks, and passes other codings on as if they were content; anything
    /// else it reads to the connection's end.
    Coding,
    /// Chunks in HTTP/1.0 or beside a length (RFC 9112 §6.1: "ought to be handled as an error"). hyper lets the chunks win.
    Both,
    /// More interim responses than ours passes over: hyper does so without end.
    Interims,
    /// A 101 that nobody asked for (RFC 9110 §15.2.2). hyper says that it is the response.
    Unasked,
    /// The framing of chunks does not follow the grammar, or costs too much. hyper takes what it will of extensions, and of trailers
    /// what httparse takes: ends of lines without CR.
    Chunk,
    /// The connection ended before the response did. Everybody has to notice.
    Short,
}

impl Why {
    /// Whether hyper may think otherwise.
    fn is_ours_alone(self) -> bool {
        !matches!(self, Self::Grammar | Self::Short)
    }
}

impl fmt::Debug for Exchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, upgrade, open, cut, answer } = self;
        write!(f, "{method}, upgrade: {upgrade}, open: {open}, in {cut}: {}", answer.escape_ascii())
    }
}

impl<'a> Exchange<'a> {
    /// Of the first octet the lowest two bits are the method, then a bit each: upgrade, open. The second is how many octets a piece may
    /// have; from 128 on, how many times 64.
    fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (&[asked, cut], answer) = bytes.split_first_chunk()?;
        let method = match asked & 3 {
            0 => Method::GET,
            1 => Method::HEAD,
            2 => Method::POST,
            _ => Method::OPTIONS,
        };
        let cut = usize::from(cut);
        let cut = if cut < 128 { cut } else { (cut - 127) * 64 };
        Some(Self { method, upgrade: asked & 4 != 0, open: asked & 8 != 0, cut, answer })
    }

    /// The answer in pieces.
    fn pieces(&self) -> impl Iterator<Item = &'a [u8]> {
        let (mut rest, cut) = (self.answer, self.cut);
        let mut dice = 0x9e37_79b9_usize + cut;
        std::iter::from_fn(move || {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            let len = if cut == 0 { rest.len() } else { (1 + dice % cut).min(rest.len()) };
            let (piece, behind) = rest.split_at(len);
            rest = behind;
            (!piece.is_empty()).then_some(piece)
        })
    }
}

impl Reading {
    fn new(end: End) -> Self {
        Self { head: None, body: Vec::new(), trailers: HeaderMap::new(), end, reusable: false }
    }

    /// With the trailers that may be passed on.
    fn with_trailers(&mut self, mut trailers: HeaderMap) {
        strip_trailers(&mut trailers, &Reserved::default());
        self.trailers = trailers;
    }
}

/// An answer is read in one way only.
pub fn is_read_in_one_way(bytes: &[u8]) {
    let Some(asked) = Exchange::decode(bytes) else { return };
    let ours = ours::read(&asked);
    if asked.cut != 0 {
        let whole = ours::read(&Exchange { cut: 0, ..asked.clone() });
        assert_eq!(ours, whole, "ours, in pieces and whole: {asked:?}");
    }
    let (naive, why) = naive::read(&asked);
    if naive.end == End::Waits && matches!(ours.end, End::Refused | End::Cut) {
        // What is wrong already may be told before its line is whole: that no line would mend it is what the pieces show.
        assert_eq!(ours.body, naive.body, "ours and the naive reader's: {asked:?}");
        return;
    }
    assert_eq!(ours, naive, "ours and the naive reader's ({why:?}): {asked:?}");
    if naive.end != End::Waits {
        agrees(&theirs::read(&asked), &naive, why, &asked);
    }
}

/// Whether hyper's reading is the same, but for where ours is stricter.
fn agrees(theirs: &Reading, naive: &Reading, why: Option<Why>, asked: &Exchange<'_>) {
    let about = || format!("hyper's and the naive reader's ({why:?}): {asked:?}");
    match (why, naive.end) {
        (Some(why), _) if why.is_ours_alone() => {}
        // It has less patience with extensions of chunks.
        (None, End::Complete) if asked.answer.len() > 16 * 1024 && theirs.end == End::Cut => {}
        // It tells nobody of what it has no head of.
        (_, End::Refused | End::Silent) => assert!(theirs.head.is_none(), "{}", about()),
        _ => {
            assert_eq!(theirs.head, naive.head, "{}", about());
            assert_eq!(theirs.end, naive.end, "{}", about());
            assert_eq!(
                theirs.body.escape_ascii().to_string(),
                naive.body.escape_ascii().to_string(),
                "{}",
                about()
            );
            assert_eq!(theirs.trailers, naive.trailers, "{}", about());
            // It may keep what ours does not: see `naive::keeps`. And it reads no option where octets above ASCII are among them.
            let fields = naive.head.iter().flat_map(|(_, _, fields)| fields.get_all("connection"));
            let is_unread = fields.into_iter().any(|options| options.to_str().is_err());
            assert!(theirs.reusable || !naive.reusable || is_unread, "{}", about());
        }
    }
}
