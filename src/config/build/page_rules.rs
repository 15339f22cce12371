//! Rules of what is changed in pages: that they select something, and change it in one way.

use std::collections::BTreeMap;

use super::Builder;
use crate::config::decode::{List, Spanned};
use crate::config::document::HtmlRewrite;
use crate::config::written;

/// Rules of a tenant.
const RULES_MAX: usize = 32;
/// Octets of what an element is to hold.
const INNER_MAX: usize = 16 * 1024;

impl Builder<'_> {
    pub(super) fn page_rules(&self, written: &List<Spanned<written::HtmlRewrite>>) -> Vec<HtmlRewrite> {
        if let Some(first) = written.0.get(RULES_MAX) {
            let message = format!("there are more than {RULES_MAX} rules");
            self.findings
                .error("invalid-value", first.mark, message)
                .hint("each of them is looked for in every page");
        }
        written.0.iter().filter_map(|rule| self.page_rule(rule)).collect()
    }

    fn page_rule(&self, rule: &Spanned<written::HtmlRewrite>) -> Option<HtmlRewrite> {
        let Spanned { value: rule, mark, .. } = rule;
        let select = &rule.select;
        if let Err(why) = select.value.parse::<lol_html::Selector>() {
            let message = format!("`{}` is no selector that pages can be searched for: {why}", select.value);
            self.findings
                .error("invalid-value", select.mark, message)
                .hint("write one like #footer, .ad or a[href]");
            return None;
        }
        let remove = rule.remove.unwrap_or_default();
        let inners = rule.set_inner.iter().chain(&rule.set_inner_html);
        let (count, longest) = (inners.clone().count(), inners.map(String::len).max().unwrap_or_default());
        let changes = count + usize::from(!rule.set_attributes.0.is_empty());
        let wrong = match (remove, count, changes) {
            (true, _, 1..) => Some("what is removed can't be changed"),
            (_, 2.., _) => Some("`set_inner` and `set_inner_html` are there both"),
            (false, _, 0) => Some(
                "the rule changes nothing: it needs `set_inner`, `set_inner_html`, `set_attributes` or `remove`",
            ),
            _ if longest > INNER_MAX => Some("what an element is to hold has more than 16 KiB"),
            _ => None,
        };
        if let Some(wrong) = wrong {
            self.findings.error("invalid-value", *mark, wrong);
            return None;
        }
        let mut set_attributes = BTreeMap::new();
        for (name, value) in rule.set_attributes.iter() {
            let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':');
            match !name.value.is_empty() && name.value.chars().all(is_name) {
                true => _ = set_attributes.insert(name.value.clone(), value.clone()),
                false => {
                    _ = self.findings.error(
                        "invalid-value",
                        name.key,
                        format!("`{}` is no attribute", name.value),
                    )
                }
            }
        }
        Some(HtmlRewrite {
            select: select.value.clone(),
            set_inner: rule.set_inner.clone(),
            set_inner_html: rule.set_inner_html.clone(),
            set_attributes,
            remove,
        })
    }
}
