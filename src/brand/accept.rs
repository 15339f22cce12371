//! What a client would rather read (RFC 9110 §12.5.1).

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};

/// Fields and ranges that are looked at: a client with more is no browser.
const RANGES_MAX: usize = 64;

/// The ranges that say something, of what, and how specific they are.
const KNOWN: [(&str, Of, u8); 7] = [
    ("text/html", Of::Html, 2),
    ("application/xhtml+xml", Of::Html, 2),
    ("text/*", Of::Html, 1),
    ("application/problem+json", Of::Json, 2),
    ("application/json", Of::Json, 2),
    ("application/*", Of::Json, 1),
    ("*/*", Of::Json, 0),
];

#[derive(PartialEq)]
enum Of {
    Html,
    Json,
}

/// Whether a client asks for HTML, and for nothing of JSON as much. One that takes anything is no reader.
#[must_use]
pub fn prefers_html(fields: &HeaderMap) -> bool {
    // Most requests are done with here.
    if !fields.get_all(ACCEPT).iter().any(names_markup) {
        return false;
    }
    let (mut html, mut json) = (Weight::default(), Weight::default());
    let ranges = fields.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for range in ranges.flat_map(|value| value.split(',')).take(RANGES_MAX) {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let known = KNOWN.iter().find(|(known, ..)| name.eq_ignore_ascii_case(known));
        let Some((_, of, specific)) = known else { continue };
        let weight = if *of == Of::Html { &mut html } else { &mut json };
        weight.set(*specific, quality(parts));
    }
    html.q > 0 && html.q > json.q
}

fn names_markup(value: &HeaderValue) -> bool {
    let is_it = |part: &[u8]| part.eq_ignore_ascii_case(b"text/") || part.eq_ignore_ascii_case(b"xhtml");
    value.as_bytes().windows(5).any(is_it)
}

/// The weight of a range in thousandths, 1000 where none is written. What is none counts as nothing.
pub(super) fn quality<'a>(mut parameters: impl Iterator<Item = &'a str>) -> u16 {
    let written = parameters.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    match written.map(str::parse::<f32>) {
        None => 1000,
        // Whole thousandths are all that may be written.
        Some(Ok(q)) if (0.0..=1.0).contains(&q) => (q * 1000.0).round() as u16,
        Some(_) => 0,
    }
}

/// The weight that the most specific range gives.
#[derive(Default)]
struct Weight {
    q: u16,
    specific: u8,
}

impl Weight {
    fn set(&mut self, specific: u8, q: u16) {
        match specific.cmp(&self.specific) {
            std::cmp::Ordering::Greater => *self = Self { q, specific },
            std::cmp::Ordering::Equal => self.q = self.q.max(q),
            std::cmp::Ordering::Less => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_read_and_programs_parse() {
        let prefers = |accept: &str| {
            let mut fields = HeaderMap::new();
            fields.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
            prefers_html(&fields)
        };
        for accept in [
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/html",
            "TEXT/HTML; q=0.5, application/json;q=0.4",
            "text/*",
            "text/html, */*;q=0.1",
            "application/json;q=0, text/html;q=0.001",
        ] {
            assert!(prefers(accept), "{accept}");
        }
        for accept in [
            "*/*",
            "",
            "application/json",
            "text/html, application/json",
            "text/html;q=0.4, application/json",
            "text/html;q=0.7, */*;q=0.8",
            "text/html;q=0",
            "text/html;q=2",
            "text/html;q=x",
            "text/htmlx, image/*",
        ] {
            assert!(!prefers(accept), "{accept}");
        }
        assert!(!prefers_html(&HeaderMap::new()));
    }
}
