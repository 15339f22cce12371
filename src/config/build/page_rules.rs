//! Rules of what is changed in pages: that they select something, and change it in one way.

use std::collections::BTreeMap;

use super::Builder;
use crate::config::decode::{List, Spanned};
use crate::config::document::HtmlRewrite;
use crate::config::written;
use crate::types::{Place, is_safe_url};

/// Rules of a tenant.
const RULES_MAX: usize = 32;
/// Octets of a selector. They are compiled, and looked for, by recursion.
const SELECTOR_MAX: usize = 256;
/// Octets of all selectors of a brand: they are compiled for each page.
const SELECTORS_MAX: usize = 2 * 1024;
/// Octets of what is put into an element: as it is written in a page, where `<` takes five.
const INNER_MAX: usize = 16 * 1024;

impl Builder<'_> {
    pub(super) fn page_rules(&self, written: &List<Spanned<written::HtmlRewrite>>) -> Vec<HtmlRewrite> {
        if let Some(first) = written.0.get(RULES_MAX) {
            let message = format!("there are more than {RULES_MAX} rules");
            self.findings
                .error("invalid-value", first.mark, message)
                .hint("each of them is looked for in every page");
        }
        let rules: Vec<_> = written.0.iter().filter_map(|rule| self.page_rule(rule)).collect();
        if rules.iter().map(|rule| rule.select.len()).sum::<usize>() > SELECTORS_MAX {
            let mark = written.0.first().map(|first| first.mark).unwrap_or_default();
            let message = format!("the selectors have more than {SELECTORS_MAX} bytes together");
            self.findings
                .error("invalid-value", mark, message)
                .hint("select by a class that the application sets");
        }
        rules
    }

    fn page_rule(&self, rule: &Spanned<written::HtmlRewrite>) -> Option<HtmlRewrite> {
        let Spanned { value: rule, mark, .. } = rule;
        let select = &rule.select;
        // Before it is parsed: to do that takes a stack that grows with it.
        if select.value.len() > SELECTOR_MAX {
            let message = format!("the selector has more than {SELECTOR_MAX} bytes");
            self.findings
                .error("invalid-value", select.mark, message)
                .hint("write one like #footer, .ad or a[href]");
            return None;
        }
        if let Err(why) = select.value.parse::<lol_html::Selector>() {
            let message = format!("`{}` is no selector that pages can be searched for: {why}", select.value);
            self.findings
                .error("invalid-value", select.mark, message)
                .hint("write one like #footer, .ad or a[href]");
            return None;
        }
        let remove = rule.remove.unwrap_or_default();
        let inners = rule.set_inner.iter().chain(&rule.set_inner_html);
        let (count, longest) =
            (inners.clone().count(), inners.map(|text| as_written(text)).max().unwrap_or_default());
        let changes = count + usize::from(!rule.set_attributes.0.is_empty());
        let wrong = match (remove, count, changes) {
            (true, _, 1..) => Some("what is removed can't be changed"),
            (_, 2.., _) => Some("`set_inner` and `set_inner_html` are there both"),
            (false, _, 0) => Some(
                "the rule changes nothing: it needs `set_inner`, `set_inner_html`, `set_attributes` or `remove`",
            ),
            _ if longest > INNER_MAX => Some(
                "what an element is to hold has more than 16 KiB, with its special characters as references",
            ),
            _ if self.of_api && rule.set_inner_html.is_some() => {
                Some("a tenant of the API can't put HTML into pages: write text under `set_inner`")
            }
            _ => None,
        };
        if let Some(wrong) = wrong {
            self.findings.error("invalid-value", *mark, wrong);
            return None;
        }
        let mut set_attributes = BTreeMap::new();
        for (name, value) in rule.set_attributes.iter() {
            let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':');
            let wrong = match Place::of(&name.value) {
                _ if name.value.is_empty() || !name.value.chars().all(is_name) => "is no attribute",
                _ if as_written(value) > INNER_MAX => "has a value of more than 16 KiB",
                Place::Code if self.of_api => {
                    "can't be set by a tenant of the API: pages run or load what it says"
                }
                Place::Text if self.of_api && !is_plain(&name.value) => {
                    "can't be set by a tenant of the API: it is not only shown"
                }
                Place::Url if self.of_api && name.value != "href" => {
                    "can't be set by a tenant of the API: pages load what it says"
                }
                Place::Url if !is_safe_url(value) => {
                    "can't be set to that: a URL is a path, or begins with https:, http:, mailto: or tel:"
                }
                _ => {
                    set_attributes.insert(name.value.to_ascii_lowercase(), value.clone());
                    continue;
                }
            };
            self.findings.error("invalid-value", name.key, format!("`{}` {wrong}", name.value));
        }
        Some(HtmlRewrite {
            select: select.value.clone(),
            set_inner: rule.set_inner.clone(),
            set_inner_html: rule.set_inner_html.clone(),
            set_attributes,
            remove,
            guarded: self.of_api,
        })
    }
}

/// Octets of a text in a page, at most: what is special, or not ASCII, is a character reference there.
fn as_written(text: &str) -> usize {
    let octets = |c: char| match c {
        '&' | '<' | '>' | '"' | '\'' | '`' | '=' | '{' | '}' => 6,
        c if c.is_ascii() => 1,
        _ => 10,
    };
    text.chars().map(octets).sum()
}

/// Whether an attribute is only shown, or names and groups: not what forms send, nor how anything works.
fn is_plain(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let known =
        ["class", "id", "title", "alt", "lang", "dir", "role", "placeholder", "label", "hidden", "translate"];
    known.contains(&name.as_str()) || name.starts_with("aria-") || name.starts_with("data-")
}
