//! Whether a client would rather read a page than JSON (RFC 9110 §12.5.1).

use http::HeaderMap;
use http::header::ACCEPT;

/// True where `Accept` gives `text/html` a higher weight than `application/json`. A tie, as in
/// curl's `*/*`, goes to JSON: it is the default.
pub(super) fn prefers_html(headers: &HeaderMap) -> bool {
    weight(headers, "text", "text/html") > weight(headers, "application", "application/json")
}

/// The weight, in thousandths, that the most specific matching range gives to a media type.
fn weight(headers: &HeaderMap, kind: &str, full: &str) -> u16 {
    let mut best = (0_u8, 0_u16);
    let ranges = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for range in ranges.flat_map(|value| value.split(',')) {
        let (name, parameters) = range.split_once(';').unwrap_or((range, ""));
        let name = name.trim();
        let specificity = if name.eq_ignore_ascii_case(full) {
            3
        } else if name.strip_suffix("/*").is_some_and(|k| k.eq_ignore_ascii_case(kind)) {
            2
        } else if name == "*/*" {
            1
        } else {
            continue;
        };
        best = best.max((specificity, quality(parameters)));
    }
    best.1
}

fn quality(parameters: &str) -> u16 {
    let written = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse::<f32>().ok())?
    });
    // A range without a weight, or with one that is no number, counts in full.
    written.map_or(1000, |q| (q.clamp(0.0, 1.0) * 1000.0) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_client_that_prefers_html_gets_it() {
        for (accept, html) in [
            ("*/*", false),
            ("", false),
            ("application/json", false),
            ("text/html", true),
            ("TEXT/HTML", true),
            ("text/*", true),
            ("text/html;q=0.4, application/json;q=0.5", false),
            ("text/html;q=0, */*", false),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            ("text/html;q=nonsense, */*;q=0.1", true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            assert_eq!(prefers_html(&headers), html, "{accept}");
        }
        assert!(!prefers_html(&HeaderMap::new()));
    }
}
