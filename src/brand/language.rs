//! Which language a client reads (RFC 9110 §12.5.4; lookup as in RFC 4647 §3.4).

use http::HeaderValue;

use super::accept::quality;

/// Ranges that are looked at.
const RANGES_MAX: usize = 32;

/// The first of the client's languages, by weight and then in its order, that there is: itself, or what it is a kind of.
pub(super) fn choose<'l>(
    asked: Option<&HeaderValue>,
    is_there: impl Fn(&str) -> bool,
    default: &'l str,
) -> std::borrow::Cow<'l, str> {
    let asked = asked.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut ranges: Vec<(u16, String)> = Vec::new();
    for range in asked.split(',').take(RANGES_MAX) {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let q = quality(parts);
        if q > 0 && !name.is_empty() && name.len() <= 64 {
            ranges.push((q, name));
        }
    }
    // Stable: of the same weight the first one is.
    ranges.sort_by_key(|(q, _)| std::cmp::Reverse(*q));
    for (_, range) in ranges {
        if range == "*" {
            break;
        }
        let mut tag = range.as_str();
        loop {
            if is_there(tag) {
                return tag.to_owned().into();
            }
            match tag.rsplit_once('-') {
                Some((shorter, _)) => tag = shorter,
                None => break,
            }
        }
    }
    default.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_that_is_there_is_spoken() {
        let there = ["en", "de", "pt-br"];
        let choose = |asked: &str| {
            let asked = HeaderValue::from_str(asked).unwrap();
            choose(Some(&asked), |tag| there.contains(&tag), "en").into_owned()
        };
        assert_eq!(choose("de-CH, en;q=0.9"), "de");
        assert_eq!(choose("en;q=0.3, de;q=0.4"), "de");
        assert_eq!(choose("pt-BR"), "pt-br");
        assert_eq!(choose("pt"), "en");
        assert_eq!(choose("ja, *;q=0.5, de;q=0.1"), "en");
        assert_eq!(choose("de;q=0"), "en");
        assert_eq!(choose(""), "en");
    }
}
