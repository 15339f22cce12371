//! What a value of a request is asked: a header's, a cookie's, a label's.

use super::Pattern;

/// What a value must be. A value may be missing, and may be there several times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueTest {
    /// Exactly this.
    Is(Box<str>),
    /// What the expression holds for, as a whole.
    Like(Pattern),
    /// There, whatever it is.
    Present,
    /// Not there.
    Absent,
}

impl ValueTest {
    /// Whether it holds for one of the values, or for there being none.
    pub fn holds_for_any<V: AsRef<[u8]>>(&self, mut values: impl Iterator<Item = V>) -> bool {
        match self {
            Self::Is(exact) => values.any(|value| value.as_ref() == exact.as_bytes()),
            Self::Like(pattern) => values.any(|value| pattern.holds(value.as_ref())),
            Self::Present => values.next().is_some(),
            Self::Absent => values.next().is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_of_several_is_enough() {
        let holds = |test: &ValueTest, values: &[&str]| test.holds_for_any(values.iter());
        let is = ValueTest::Is("1".into());
        assert!(holds(&is, &["2", "1"]) && !holds(&is, &["11"]) && !holds(&is, &[]));
        let like = ValueTest::Like(Pattern::new("v[0-9]").unwrap());
        assert!(holds(&like, &["v1"]) && !holds(&like, &["v10", "xv1"]));
        assert!(holds(&ValueTest::Present, &[""]) && !holds(&ValueTest::Present, &[]));
        assert!(holds(&ValueTest::Absent, &[]) && !holds(&ValueTest::Absent, &[""]));
    }
}
