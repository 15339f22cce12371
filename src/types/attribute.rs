//! Attributes of HTML: what may be filled into them.

/// What an attribute may be filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Text, or an attribute that is only text.
    Text,
    /// An attribute that is a URL.
    Url,
    /// One that is code or style, or holds a document: nothing is filled in there.
    Code,
}

/// How attributes begin that scripts of the page run as code, or fill in.
const FRAMEWORKS: [&str; 18] = [
    "on", "@", ":", "(", "[", "*", "#", "_", ".", "v-", "x-", "ng-", "hx-", "data-ng-", "data-hx-",
    "data-x-", "data-v-", "data-on",
];

impl Place {
    /// The place that an attribute's value is.
    #[must_use]
    pub fn of(attribute: &str) -> Self {
        let name = attribute.to_ascii_lowercase();
        if FRAMEWORKS.iter().any(|prefix| name.starts_with(prefix)) {
            return Self::Code;
        }
        match name.rsplit(':').next().unwrap_or_default() {
            "style" | "srcdoc" | "srcset" | "imagesrcset" | "integrity" | "nonce" | "http-equiv" => {
                Self::Code
            }
            "href" | "src" | "action" | "formaction" | "data" | "poster" | "cite" | "background" | "ping"
            | "manifest" | "codebase" | "longdesc" | "profile" | "usemap" | "xmlns" | "from" | "to"
            | "values" | "by" => Self::Url,
            _ => Self::Text,
        }
    }
}

/// Whether a URL, in which there may be tokens, has no scheme that runs or holds a document: none, or one that is known. What is
/// percent-encoded is text again in `javascript:` and `data:`. Where its scheme can't be told, it is not.
#[must_use]
pub fn is_safe_url(url: &str) -> bool {
    // What stands before is not looked at (URL Standard §4.4).
    let url = url.trim_start_matches(|c: char| c <= ' ');
    let Some(end) = url.find([':', '/', '?', '#', '&', '\\']) else { return true };
    let (scheme, rest) = url.split_at(end);
    let is_known =
        || ["http", "https", "mailto", "tel", "sms"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    match rest.chars().next() {
        Some(':') => is_known(),
        // A character reference may be any of these.
        Some('&') => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_run_is_told_from_what_is_read() {
        for code in [
            "style",
            "onclick",
            "ONLOAD",
            "srcdoc",
            "hx-on:click",
            "x-data",
            "@click",
            ":title",
            "v-html",
            "ng-init",
        ] {
            assert_eq!(Place::of(code), Place::Code, "{code}");
        }
        for url in ["href", "xlink:href", "SRC", "formaction"] {
            assert_eq!(Place::of(url), Place::Url, "{url}");
        }
        assert!(
            ["title", "alt", "aria-label", "data-name"].iter().all(|text| Place::of(text) == Place::Text)
        );
    }

    #[test]
    fn schemes_that_run_are_told_however_they_are_written() {
        for safe in [
            "",
            "/x",
            "x/y:z",
            "?a:b",
            "#a",
            "//host/x",
            "https://a.test",
            "MAILTO:a@b",
            "{{brand.name}}/x",
            " tel:1",
        ] {
            assert!(is_safe_url(safe), "{safe}");
        }
        for unsafe_one in [
            "javascript:x",
            " \tJavaScript:x",
            "java\nscript:x",
            "data:text/html,x",
            "java&#115;cript:x",
            "{{brand.a}}:x",
            "vbscript:x",
        ] {
            assert!(!is_safe_url(unsafe_one), "{unsafe_one}");
        }
    }
}
