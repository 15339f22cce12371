//! The tables' form, which each of them tells at its beginning.

use std::path::Path;

/// One case.
#[derive(Debug, Default)]
pub(super) struct Case {
    /// Section and name.
    pub(super) name: String,
    /// What is sent, by the client or by the origin.
    pub(super) octets: Vec<u8>,
    /// Of a response's case: method and target of the request. GET / otherwise.
    pub(super) asked: Option<(String, String)>,
    /// `.` lines.
    pub(super) ways: Vec<String>,
    pub(super) outcomes: Vec<Outcome>,
    /// `~` lines: what is expected of what was passed on.
    pub(super) passed_on: Vec<String>,
}

/// One of the outcomes that are allowed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Of the answers in order; none: the connection ends without one.
    pub(super) statuses: Vec<u16>,
    /// The last answer's body is not whole, and this can be seen.
    pub(super) cut: bool,
}

impl Case {
    pub(super) fn has(&self, way: &str) -> bool {
        self.ways.iter().any(|known| known == way)
    }

    /// The most answers of any outcome.
    pub(super) fn answers_at_most(&self) -> usize {
        self.outcomes.iter().map(|outcome| outcome.statuses.len()).max().unwrap_or(0).max(1)
    }
}

/// All cases of a table of this folder; panics with the line that it can't read.
pub(super) fn read(name: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/rfc9112").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut cases: Vec<Case> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        if mark == "==" {
            cases.push(Case { name: rest.to_owned(), ..Case::default() });
            continue;
        }
        let case = cases.last_mut().unwrap_or_else(|| panic!("{name}:{}: no case yet", number + 1));
        match mark {
            ">" | "<" => case.octets.extend([unescaped(rest), b"\r\n".to_vec()].concat()),
            ">>" | "<<" => case.octets.extend(unescaped(rest)),
            "?" => {
                case.asked =
                    rest.split_once(' ').map(|(method, target)| (method.to_owned(), target.to_owned()))
            }
            "." => case.ways.push(rest.to_owned()),
            "=" => case.outcomes.extend(rest.split('|').map(outcome)),
            "~" => case.passed_on.push(rest.to_owned()),
            _ => panic!("{name}:{}: no line begins with {mark:?}", number + 1),
        }
    }
    for case in &cases {
        assert!(!case.outcomes.is_empty(), "{name}: {:?} allows nothing", case.name);
    }
    cases
}

fn outcome(text: &str) -> Outcome {
    let mut outcome = Outcome::default();
    for word in text.split_whitespace() {
        match word {
            "cut" => outcome.cut = true,
            "closed" => {}
            status => {
                outcome.statuses.push(status.parse().unwrap_or_else(|_| panic!("no outcome: {text:?}")))
            }
        }
    }
    outcome
}

/// `\r`, `\n`, `\t`, `\0`, `\\`, `\xHH`, and `{TEXT*COUNT}` for a repetition.
fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if let Some((repeated, count, after)) = repetition(rest) {
            out.extend(unescaped(repeated).repeat(count));
            rest = after;
            continue;
        }
        rest = &rest[next.len_utf8()..];
        if next != '\\' {
            out.extend(next.to_string().as_bytes());
            continue;
        }
        let escape = rest.chars().next().unwrap_or_else(|| panic!("nothing is escaped: {text:?}"));
        rest = &rest[escape.len_utf8()..];
        match escape {
            'r' => out.push(b'\r'),
            'n' => out.push(b'\n'),
            't' => out.push(b'\t'),
            '0' => out.push(0),
            's' => out.push(b' '),
            '\\' => out.push(b'\\'),
            'x' => {
                out.push(u8::from_str_radix(&rest[..2], 16).unwrap());
                rest = &rest[2..];
            }
            other => panic!("no escape: \\{other}"),
        }
    }
    out
}

/// `{TEXT*COUNT}` at the beginning: the text, the count and what follows.
fn repetition(text: &str) -> Option<(&str, usize, &str)> {
    let (inner, after) = text.strip_prefix('{')?.split_once('}')?;
    let (repeated, count) = inner.rsplit_once('*')?;
    Some((repeated, count.parse().ok()?, after))
}

#[test]
fn what_a_table_says_is_what_is_sent() {
    assert_eq!(unescaped(r"a\r\n\t\0\\\xff\sb"), b"a\r\n\t\0\\\xff b");
    assert_eq!(unescaped("x{ab*3}y"), b"xabababy");
    assert_eq!(unescaped(r"{X: 1\r\n*2}."), b"X: 1\r\nX: 1\r\n.");
    assert_eq!(unescaped("{}"), b"{}", "no repetition");
    assert_eq!(outcome("200 400"), Outcome { statuses: vec![200, 400], cut: false });
    assert_eq!(outcome(" closed "), Outcome::default());
    assert_eq!(outcome("200 cut"), Outcome { statuses: vec![200], cut: true });
}
