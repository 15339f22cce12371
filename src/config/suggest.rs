//! "Did you mean …?"

/// A hint that names the candidate nearest to a name, or else all of them where they are few.
pub(super) fn hint<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    let mut candidates: Vec<&str> = candidates.into_iter().collect();
    let mut seen = std::collections::HashSet::new();
    candidates.retain(|candidate| seen.insert(*candidate));
    if let Some(near) = nearest(name, &candidates) {
        return Some(format!("did you mean `{near}`?"));
    }
    let list = candidates.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(", ");
    match candidates.len() {
        0 => None,
        1 => Some(format!("the only one is {list}")),
        2..=20 => Some(format!("one of {list}")),
        _ => None,
    }
}

fn nearest<'c>(name: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let lower = name.to_lowercase().replace('-', "_");
    let distance =
        |candidate: &str| strsim::osa_distance(&lower, &candidate.to_lowercase().replace('-', "_"));
    let (found, best) = candidates.iter().map(|c| (distance(c), *c)).min()?;
    // A third of the letters wrong is still a slip; more is another word.
    let slip_max = (best.chars().count().max(lower.chars().count()) / 3).max(1);
    (found <= slip_max).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let candidates = ["rate_limit", "request_body", "pool"];
        assert_eq!(hint("rate_limits", candidates).as_deref(), Some("did you mean `rate_limit`?"));
        assert_eq!(hint("rate-limit", candidates).as_deref(), Some("did you mean `rate_limit`?"));
        assert_eq!(hint("Pool", candidates).as_deref(), Some("did you mean `pool`?"));
        assert_eq!(hint("xyzzy", candidates).as_deref(), Some("one of `rate_limit`, `request_body`, `pool`"));
        assert_eq!(hint("x", []), None);
    }
}
