//! What texts with placeholders are filled in from.

use std::borrow::Cow;
use std::net::IpAddr;

use http::Method;

use super::rule::PathRule;
use crate::types::{Labelled, Placeholder, Wording, normalise, push_address, without_parameters};

/// What of a request may be filled in.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'r> {
    /// The id of its tenant.
    pub tenant: &'r str,
    /// Its labels.
    pub labels: &'r dyn Labelled,
    /// The client's address.
    pub client: IpAddr,
    /// The request's id.
    pub request_id: &'r [u8],
    /// The host as the client wrote it; empty where it named none.
    pub host: &'r [u8],
    /// The method.
    pub method: &'r Method,
    /// The path, as it came.
    pub path: &'r str,
    /// The query.
    pub query: Option<&'r str>,
    /// What its route matches of the path.
    pub rule: &'r PathRule,
}

impl<'r> Facts<'r> {
    /// The path as it was matched.
    #[must_use]
    pub fn normal_path(&self) -> Cow<'r, str> {
        match normalise(self.path).unwrap_or(Cow::Borrowed("/")) {
            Cow::Borrowed(path) => without_parameters(path),
            Cow::Owned(path) => Cow::Owned(without_parameters(&path).into_owned()),
        }
    }

    /// A text, filled in.
    #[must_use]
    pub fn fill(&self, wording: &Wording) -> Vec<u8> {
        self.fill_by(wording, &|name, text| self.part(name, text))
    }

    /// As [`fill`](Self::fill), with the parts of the path from elsewhere.
    pub(super) fn fill_by(&self, wording: &Wording, part: &dyn Fn(&str, &mut Vec<u8>)) -> Vec<u8> {
        wording.filled(|placeholder, text| match placeholder {
            Placeholder::TenantId => text.extend_from_slice(self.tenant.as_bytes()),
            Placeholder::TenantLabel(name) => self.labels.label(name, &mut |value| {
                text.extend_from_slice(value.unwrap_or_default().as_bytes());
            }),
            Placeholder::ClientIp => push_address(text, self.client),
            Placeholder::RequestId => text.extend_from_slice(self.request_id),
            Placeholder::Host => text.extend_from_slice(self.host),
            Placeholder::Method => text.extend_from_slice(self.method.as_str().as_bytes()),
            Placeholder::Path => text.extend_from_slice(self.normal_path().as_bytes()),
            Placeholder::PathRest => text.extend_from_slice(self.rest(&self.normal_path()).as_bytes()),
            Placeholder::PathPart(name) => part(name, text),
            Placeholder::Query => text.extend_from_slice(self.query.unwrap_or_default().as_bytes()),
            Placeholder::QueryWithMark => {
                if let Some(query) = self.query {
                    text.push(b'?');
                    text.extend_from_slice(query.as_bytes());
                }
            }
        })
    }

    /// What stands behind the prefix that matched; nothing where the whole path did.
    pub(super) fn rest<'p>(&self, path: &'p str) -> &'p str {
        match self.rule {
            PathRule::Prefix(prefix) => path.strip_prefix(prefix.trim_end_matches('/')).unwrap_or_default(),
            PathRule::Exact(_) | PathRule::Template(_) | PathRule::Pattern(_) => "",
        }
    }

    fn part(&self, name: &str, text: &mut Vec<u8>) {
        let path = self.normal_path();
        match self.rule {
            PathRule::Template(template) => {
                text.extend_from_slice(template.segment(name, &path).unwrap_or_default().as_bytes());
            }
            PathRule::Pattern(pattern) => text.extend_from_slice(pattern.group(path.as_bytes(), name)),
            PathRule::Exact(_) | PathRule::Prefix(_) => {}
        }
    }
}
