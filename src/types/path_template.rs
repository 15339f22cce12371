//! Paths with segments that stand for any: `/users/{id}`.

use std::fmt;

/// Segments that a template may have.
const SEGMENTS_MAX: usize = 32;

/// A path of which some segments may be anything: `/users/{id}/posts` takes `/users/42/posts`. A segment is a whole one, and is
/// never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTemplate(Vec<PathSegment>);

/// A segment of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathSegment {
    /// This text.
    Literal(Box<str>),
    /// Any text but none, under this name.
    Any(Box<str>),
}

/// Why a text is no template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTemplate {
    /// It does not begin at the root.
    #[error("does not start with `/`")]
    Relative,
    /// A brace that is not the first or last of a segment.
    #[error("has a `{{…}}` that is not a whole segment")]
    PartOfSegment,
    /// A name that is none.
    #[error("has a `{{…}}` without a name of letters, digits and '_'")]
    Name,
    /// Two segments of one name.
    #[error("has the same name twice")]
    Twice,
    /// A segment with nothing in it.
    #[error("has an empty segment")]
    Empty,
    /// Too many segments.
    #[error("has more than {SEGMENTS_MAX} segments")]
    Long,
}

impl PathTemplate {
    /// Reads a template. Its literal segments are as they stand in a normalised path.
    ///
    /// # Errors
    /// [`InvalidTemplate`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        let path = text.strip_prefix('/').ok_or(InvalidTemplate::Relative)?;
        let segments = path.split('/').map(PathSegment::parse).collect::<Result<Vec<_>, _>>()?;
        if segments.len() > SEGMENTS_MAX {
            return Err(InvalidTemplate::Long);
        }
        let template = Self(segments);
        let names: Vec<&str> = template.names().collect();
        let twice =
            names.iter().enumerate().any(|(at, name)| names.iter().skip(at + 1).any(|other| other == name));
        if twice { Err(InvalidTemplate::Twice) } else { Ok(template) }
    }

    /// Whether a segment can have this name.
    #[must_use]
    pub fn is_name(text: &str) -> bool {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    /// Its segments, in order.
    #[must_use]
    pub fn segments(&self) -> &[PathSegment] {
        &self.0
    }

    /// The names of the segments that may be anything.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|segment| match segment {
            PathSegment::Literal(_) => None,
            PathSegment::Any(name) => Some(&**name),
        })
    }

    /// Whether the two take the same paths.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let like = |(a, b): (&PathSegment, &PathSegment)| match (a, b) {
            (PathSegment::Literal(a), PathSegment::Literal(b)) => a == b,
            (PathSegment::Any(_), PathSegment::Any(_)) => true,
            _ => false,
        };
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(like)
    }

    /// What a segment of a path that it takes is.
    #[must_use]
    pub fn segment<'p>(&self, name: &str, path: &'p str) -> Option<&'p str> {
        let at =
            self.0.iter().position(|segment| matches!(segment, PathSegment::Any(own) if &**own == name))?;
        path.split('/').nth(at + 1)
    }
}

impl PathSegment {
    fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        if text.is_empty() {
            return Err(InvalidTemplate::Empty);
        }
        if !text.contains(['{', '}']) {
            return Ok(Self::Literal(text.into()));
        }
        let name = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let name = name.filter(|name| !name.contains(['{', '}'])).ok_or(InvalidTemplate::PartOfSegment)?;
        if !PathTemplate::is_name(name) {
            return Err(InvalidTemplate::Name);
        }
        Ok(Self::Any(name.into()))
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|segment| match segment {
            PathSegment::Literal(text) => write!(f, "/{text}"),
            PathSegment::Any(name) => write!(f, "/{{{name}}}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_whole_segments_with_names_of_their_own() {
        for good in ["/users/{id}", "/{a}", "/a/b", "/{a}/x/{b_2}"] {
            assert_eq!(PathTemplate::parse(good).unwrap().to_string(), good);
        }
        for (bad, why) in [
            ("users/{id}", InvalidTemplate::Relative),
            ("/users/x{id}", InvalidTemplate::PartOfSegment),
            ("/users/{id", InvalidTemplate::PartOfSegment),
            ("/users/{a}{b}", InvalidTemplate::PartOfSegment),
            ("/users/{}", InvalidTemplate::Name),
            ("/users/{a-b}", InvalidTemplate::Name),
            ("/{a}/{a}", InvalidTemplate::Twice),
            ("/users//{id}", InvalidTemplate::Empty),
            ("/users/{id}/", InvalidTemplate::Empty),
        ] {
            assert_eq!(PathTemplate::parse(bad), Err(why), "{bad}");
        }
        assert_eq!(PathTemplate::parse(&"/a".repeat(33)), Err(InvalidTemplate::Long));
    }

    #[test]
    fn segments_are_found_by_name() {
        let template = PathTemplate::parse("/users/{id}/posts/{post}").unwrap();
        assert_eq!(template.segment("post", "/users/7/posts/9"), Some("9"));
        assert_eq!(template.segment("id", "/users/7/posts/9"), Some("7"));
        assert_eq!(template.segment("x", "/users/7/posts/9"), None);
    }
}
