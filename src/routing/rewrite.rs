//! Changes of paths on their way upstream.

use http::Uri;
use http::uri::PathAndQuery;

use super::facts::Facts;
use crate::types::{Pattern, Wording, has_dots, normalise};

/// How a path is changed. It is the normalised one that is: what was matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewrite {
    /// This takes the place of the prefix that matched; of the whole path, where that did.
    Prefix(Box<str>),
    /// This is the path.
    Path(Wording),
    /// Where the expression holds for the whole path, this is the path, with the expression's groups as its parts.
    Pattern(Pattern, Wording),
}

/// What came of it is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPath;

impl Rewrite {
    /// The target with its path changed; the query stays. `None` where nothing of it changes.
    ///
    /// # Errors
    /// [`NoPath`] where what was filled in makes none.
    pub fn apply(&self, facts: &Facts<'_>) -> Result<Option<Uri>, NoPath> {
        let path = facts.normal_path();
        let changed = match self {
            Self::Prefix(prefix) => {
                format!("{}{}", prefix.trim_end_matches('/'), facts.rest(&path)).into_bytes()
            }
            Self::Path(wording) => facts.fill(wording),
            Self::Pattern(pattern, wording) if pattern.holds(path.as_bytes()) => {
                facts.fill_by(wording, &|name, text| {
                    text.extend_from_slice(pattern.group(path.as_bytes(), name));
                })
            }
            Self::Pattern(..) => return Ok(None),
        };
        let mut target = Vec::with_capacity(changed.len() + facts.query.map_or(1, |query| query.len() + 2));
        if changed.first() != Some(&b'/') {
            target.push(b'/');
        }
        target.extend_from_slice(&changed);
        if let Some(query) = facts.query {
            target.push(b'?');
            target.extend_from_slice(query.as_bytes());
        }
        let target = PathAndQuery::try_from(target).map_err(|_| NoPath)?;
        // What was filled in may have brought a dot segment: the application would resolve it.
        if has_dots(target.path())
            || normalise(target.path()).is_err()
            || (target.query().is_some() && facts.query.is_none())
        {
            return Err(NoPath);
        }
        Ok(Some(Uri::from(target)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::PathRule;
    use crate::types::Labels;
    use http::Method;

    fn rewritten(rewrite: &Rewrite, rule: &PathRule, path: &str, query: Option<&str>) -> String {
        let labels = std::collections::BTreeMap::from([("region".to_owned(), "eu".to_owned())]);
        let facts = Facts {
            tenant: "acme",
            labels: &Labels::new(&labels),
            client: [192, 0, 2, 1].into(),
            request_id: b"id",
            host: b"a.test",
            method: &Method::GET,
            path,
            query,
            rule,
        };
        rewrite.apply(&facts).unwrap().map_or_else(|| path.to_owned(), |uri| uri.to_string())
    }

    #[test]
    fn a_prefix_takes_the_place_of_the_one_that_matched() {
        let rule = PathRule::Prefix("/api/".to_owned());
        for (prefix, path, expected) in [
            ("/v1", "/api/x", "/v1/x"),
            ("/v1/", "/api/x/", "/v1/x/"),
            ("/v1", "/api", "/v1"),
            ("/", "/api/x", "/x"),
            ("/", "/api", "/"),
            ("/v1", "/x/..//api/./a%2fb", "/v1/a%2Fb"),
        ] {
            assert_eq!(rewritten(&Rewrite::Prefix(prefix.into()), &rule, path, None), expected, "{path}");
        }
        let exact = PathRule::Exact("/api".to_owned());
        assert_eq!(rewritten(&Rewrite::Prefix("/v1".into()), &exact, "/api", Some("a=b")), "/v1?a=b");
    }

    #[test]
    fn parts_of_the_path_are_put_elsewhere() {
        let template =
            PathRule::Template(crate::types::PathTemplate::parse("/users/{id}/posts/{post}").unwrap());
        let path = Rewrite::Path(Wording::parse("/{tenant.id}/p/{path.post}/of/{path.id}").unwrap());
        assert_eq!(rewritten(&path, &template, "/users/7/posts/9", Some("q")), "/acme/p/9/of/7?q");
        let pattern = Pattern::new("/old/(?<tail>.*)").unwrap();
        let by_group = Rewrite::Pattern(pattern.clone(), Wording::parse("/new/{path.tail}").unwrap());
        let all = PathRule::default();
        assert_eq!(rewritten(&by_group, &all, "/old/a/b", None), "/new/a/b");
        assert_eq!(rewritten(&by_group, &all, "/other", None), "/other");
        let path = Rewrite::Path(Wording::parse("/x{path.1}").unwrap());
        assert_eq!(rewritten(&path, &PathRule::Pattern(pattern), "/old/a", None), "/xa");
        let path = Rewrite::Path(Wording::parse("/{tenant.label.region}{path}{tenant.label.none}").unwrap());
        assert_eq!(rewritten(&path, &all, "/a", None), "/eu/a");
    }
}
