//! Features of plans and tenants.

use std::collections::HashMap;

use super::Builder;
use crate::config::decode::{List, Spanned, WordOr};
use crate::config::document::Feature;
use crate::config::source::Mark;
use crate::config::written;

impl Builder<'_> {
    /// Features are single words, so that they can stand in a list in a header or a token.
    pub(super) fn features(&self, written: &List<Spanned<written::Feature>>) -> Vec<Feature> {
        if let Some(first) = written.0.get(Feature::COUNT_MAX) {
            self.findings
                .error(
                    "too-many-features",
                    first.mark,
                    format!("these are more than {} features", Feature::COUNT_MAX),
                )
                .hint("every one may be sent with each request: put several under one name");
        }
        let mut seen: HashMap<String, Mark> = HashMap::new();
        let mut features: Vec<Feature> = Vec::new();
        for feature in &written.0 {
            let (name, built) = match &feature.value {
                WordOr::Word(name) => {
                    let name = Spanned { value: name.clone(), mark: feature.mark, key: feature.key };
                    let plain = Feature {
                        name: name.value.clone(),
                        enabled: true,
                        percent: Feature::ALL,
                        from: None,
                        until: None,
                    };
                    (name, plain)
                }
                WordOr::Mapping(terms) => (terms.name.clone(), self.feature(terms)),
            };
            if !self.check_name(&name, "feature") {
                continue;
            }
            match seen.get(&name.value) {
                None => {
                    seen.insert(name.value, name.mark);
                    features.push(built);
                }
                // Said twice alike, it is said once.
                Some(_) if features.contains(&built) => {}
                Some(first) => {
                    let message = format!("the feature `{}` is there twice", name.value);
                    self.findings
                        .error("duplicate-feature", name.mark, message)
                        .hint("say in one place from when until when it is had, and by how many")
                        .see(*first, "the other one is");
                }
            }
        }
        features
    }

    fn feature(&self, written: &written::FeatureTerms) -> Feature {
        let percent = written.percent.as_ref().map_or(u32::from(Feature::ALL), |percent| {
            if percent.value > u32::from(Feature::ALL) {
                self.findings
                    .error("invalid-value", percent.mark, format!("`{}` is not from 0 to 100", percent.value))
                    .hint("write how many of a hundred tenants have it: 10 for every tenth");
            }
            percent.value
        });
        if let (Some(from), Some(until)) = (&written.from, &written.until)
            && from.value.0.is_not_before(&until.value.0)
        {
            self.findings
                .error("invalid-value", until.mark, "it ends before it begins, so nobody ever has it")
                .hint("write an `until` that is later than `from`")
                .see(from.mark, "it begins");
        }
        Feature {
            name: written.name.value.clone(),
            enabled: written.enabled.unwrap_or(true),
            percent: u8::try_from(percent).unwrap_or(Feature::ALL),
            from: written.from.as_ref().map(|from| from.value.0),
            until: written.until.as_ref().map(|until| until.value.0),
        }
    }
}
