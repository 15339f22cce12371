//! A page's Content-Security-Policy, where the gateway puts a style sheet into the page (CSP Level 3).

use http::header::CONTENT_SECURITY_POLICY;
use http::{HeaderMap, HeaderValue};

/// What decides about style sheets, the nearest first (§6.8.3).
const DIRECTIVES: [&str; 3] = ["style-src-elem", "style-src", "default-src"];

/// Has every policy of a response allow style sheets below `source` (a host with a path), and nothing else that it did not. Gives the
/// nonce that lets the style sheet in, where one does in all policies that would not let it in otherwise.
pub(super) fn allow(fields: &mut HeaderMap, source: &str) -> Option<String> {
    let policies = |fields: &HeaderMap| -> Option<Vec<String>> {
        let values = fields.get_all(CONTENT_SECURITY_POLICY).iter();
        values.map(|value| value.to_str().ok().map(ToOwned::to_owned)).collect()
    };
    // What can't be read is left as it is: the browser decides.
    let policies = policies(fields).unwrap_or_default();
    let mut nonce = None;
    let new: Vec<String> = policies
        .iter()
        .map(|value| {
            let of_value = value.split(',').map(|policy| with_source(policy, source, &mut nonce));
            of_value.collect::<Vec<_>>().join(",")
        })
        .collect();
    if new == policies {
        return nonce;
    }
    fields.remove(CONTENT_SECURITY_POLICY);
    for policy in new.iter().filter_map(|policy| HeaderValue::from_str(policy).ok()) {
        fields.append(CONTENT_SECURITY_POLICY, policy);
    }
    nonce
}

fn with_source(policy: &str, source: &str, nonce: &mut Option<String>) -> String {
    let directives: Vec<&str> = policy.split(';').collect();
    let name = |directive: &str| directive.split_ascii_whitespace().next().map(str::to_ascii_lowercase);
    // Of two of the same name the first one counts.
    let deciding = DIRECTIVES.iter().find_map(|wanted| {
        directives
            .iter()
            .position(|directive| name(directive).as_deref() == Some(*wanted))
            .map(|at| (*wanted, at))
    });
    let Some((wanted, at)) = deciding else { return policy.to_owned() };
    let sources: Vec<&str> = directives
        .get(at)
        .map(|directive| directive.split_ascii_whitespace().skip(1).collect())
        .unwrap_or_default();
    let lets_in = |source: &&str| {
        let source = source.to_ascii_lowercase();
        matches!(source.as_str(), "'self'" | "*" | "https:" | "http:")
    };
    if sources.iter().any(lets_in) {
        return policy.to_owned();
    }
    let own = sources.iter().find_map(|source| source.strip_prefix("'nonce-")?.strip_suffix('\''));
    match (own, &nonce) {
        (Some(own), None) => {
            *nonce = Some(own.to_owned());
            return policy.to_owned();
        }
        (Some(own), Some(known)) if own == known => return policy.to_owned(),
        _ => {}
    }
    let kept = sources.iter().filter(|source| !source.eq_ignore_ascii_case("'none'"));
    let sources = kept.copied().chain([source]).collect::<Vec<_>>().join(" ");
    match wanted {
        // Only style sheets are let in, not all that has no directive of its own.
        "default-src" => format!("{policy}; style-src {sources}"),
        _ => {
            let changed = format!(" {wanted} {sources}");
            let all = directives.iter().enumerate();
            all.map(|(n, directive)| if n == at { changed.as_str() } else { directive })
                .collect::<Vec<_>>()
                .join(";")
                .trim_start()
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(policies: &[&str]) -> (Vec<String>, Option<String>) {
        let mut fields = HeaderMap::new();
        for policy in policies {
            fields.append(CONTENT_SECURITY_POLICY, HeaderValue::from_str(policy).unwrap());
        }
        let nonce = allow(&mut fields, "acme.test/.brand/");
        let values = fields.get_all(CONTENT_SECURITY_POLICY).iter();
        (values.map(|value| value.to_str().unwrap().to_owned()).collect(), nonce)
    }

    #[test]
    fn a_policy_is_widened_by_one_path_and_only_where_it_must() {
        for policy in
            ["default-src 'self'", "script-src 'none'", "style-src *; default-src 'none'", "style-src https:"]
        {
            assert_eq!(allowed(&[policy]), (vec![policy.to_owned()], None), "{policy}");
        }
        for (policy, new) in [
            ("default-src 'none'", "default-src 'none'; style-src acme.test/.brand/"),
            ("style-src 'none'; img-src *", "style-src acme.test/.brand/; img-src *"),
            ("img-src *; Style-Src cdn.test", "img-src *; style-src cdn.test acme.test/.brand/"),
            (
                "style-src 'self'; style-src-elem cdn.test",
                "style-src 'self'; style-src-elem cdn.test acme.test/.brand/",
            ),
        ] {
            assert_eq!(allowed(&[policy]), (vec![new.to_owned()], None), "{policy}");
        }
    }

    #[test]
    fn a_nonce_lets_the_style_sheet_in() {
        let policy = "style-src 'nonce-abc'";
        assert_eq!(allowed(&[policy]), (vec![policy.to_owned()], Some("abc".to_owned())));
        let (two, nonce) = allowed(&[policy, "style-src 'nonce-def'"]);
        assert_eq!(nonce.as_deref(), Some("abc"));
        assert_eq!(two, [policy, "style-src 'nonce-def' acme.test/.brand/"]);
    }
}
