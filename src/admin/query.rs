//! Queries: every parameter is known, and those that stand for one value stand there once.

use http::{StatusCode, Uri};

use super::problem::Problem;

/// The most entries of a page, and how many there are unless asked for otherwise.
const LIMIT: (usize, usize) = (1_000, 100);

/// The parameters of a request.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// The problem: a parameter that is none of `known`, or is there twice without being one of `lists`.
    pub(super) fn of(uri: &Uri, known: &[&str], lists: &[&str]) -> Result<Self, Problem> {
        let text = uri.query().unwrap_or_default().as_bytes();
        let pairs: Vec<(String, String)> = form_urlencoded::parse(text).into_owned().collect();
        for (at, (name, _)) in pairs.iter().enumerate() {
            let name = name.as_str();
            if !known.contains(&name) && !lists.contains(&name) {
                let all: Vec<&str> = known.iter().chain(lists).copied().collect();
                let names = match all.is_empty() {
                    true => "none is taken here".to_owned(),
                    false => format!("there are {}", all.join(", ")),
                };
                return Err(bad_query(&format!("`{name}` is no parameter of this query: {names}")));
            }
            let again = pairs.iter().skip(at + 1).any(|(other, _)| other == name);
            if again && !lists.contains(&name) {
                return Err(bad_query(&format!("`{name}` is there twice")));
            }
        }
        Ok(Self(pairs))
    }

    /// A parameter's value, where it is given and not empty.
    pub(super) fn text<'q>(&'q self, name: &str) -> Option<&'q str> {
        self.first(name).filter(|value| !value.is_empty())
    }

    /// All values of a parameter.
    pub(super) fn all<'q>(&'q self, name: &'q str) -> impl Iterator<Item = &'q str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    fn first<'q>(&'q self, name: &str) -> Option<&'q str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// How many entries a page may have.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        let (max, otherwise) = LIMIT;
        let Some(text) = self.first("limit") else { return Ok(otherwise) };
        let limit = text.parse().ok().filter(|limit| (1..=max).contains(limit));
        limit.ok_or_else(|| bad_query(&format!("`limit` is a number from 1 to {max}")))
    }

    /// A parameter that is `true` or `false`; where it is not given, `otherwise`.
    pub(super) fn flag(&self, name: &str, otherwise: bool) -> Result<bool, Problem> {
        match self.first(name) {
            None => Ok(otherwise),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(bad_query(&format!("`{name}` is true or false"))),
        }
    }

    /// A parameter that is one of these words.
    pub(super) fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, Problem> {
        let Some(text) = self.first(name) else { return Ok(None) };
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        let all = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        found.map(Some).ok_or_else(|| bad_query(&format!("`{name}` is one of {}", all())))
    }

    /// A parameter that is made from a text.
    pub(super) fn parsed<T>(
        &self,
        name: &str,
        what: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.first(name) else { return Ok(None) };
        parse(text).map(Some).ok_or_else(|| bad_query(&format!("`{name}` is {what}")))
    }
}

pub(super) fn bad_query(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_query").detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(uri: &str) -> Result<Query, Problem> {
        Query::of(&uri.parse().unwrap(), &["limit", "plan", "dry_run"], &["label"])
    }

    #[test]
    fn parameters_are_known_and_stand_there_once() {
        let query = query("/t?limit=7&label=a%3Db&plan=p+q&label=%C3%A4=2").unwrap();
        assert_eq!((query.limit().unwrap(), query.text("plan")), (7, Some("p q")));
        assert_eq!(query.all("label").collect::<Vec<_>>(), ["a=b", "ä=2"]);
        assert!(self::query("/t?plan=a&plan=b").is_err());
        assert!(self::query("/t?plam=a").is_err());
    }

    #[test]
    fn values_have_bounds() {
        for (uri, limit) in [("/t", Some(100)), ("/t?limit=1000", Some(1_000)), ("/t?limit=1001", None)] {
            assert_eq!(query(uri).unwrap().limit().ok(), limit, "{uri}");
        }
        assert!(query("/t?limit=-1").unwrap().limit().is_err());
        assert_eq!(query("/t?dry_run=true").unwrap().flag("dry_run", false).ok(), Some(true));
        assert_eq!(query("/t").unwrap().flag("dry_run", true).ok(), Some(true));
        assert!(query("/t?dry_run=").unwrap().flag("dry_run", true).is_err());
        assert!(query("/t?dry_run=yes").unwrap().flag("dry_run", true).is_err());
    }
}
