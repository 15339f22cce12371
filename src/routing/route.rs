//! A route, compiled.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use super::{HeaderRules, MatchRule, PathRule, Rewrite, RouteCors, Split};
use crate::types::{Access, WebHosts, Wording};

/// A route: which requests, and what becomes of them. `T` is where they go.
#[derive(Debug)]
pub struct Route<T> {
    /// Its name, for logs.
    pub name: Arc<str>,
    /// Its place in file order: what is kept for each route stands there.
    pub index: usize,
    /// Which requests.
    pub rule: MatchRule,
    /// Where to.
    pub target: Target<T>,
    /// Where copies of requests go, beside.
    pub mirror: Option<Mirror<T>>,
    /// How the path is changed on its way upstream.
    pub rewrite: Option<Rewrite>,
    /// Which clients may use it; beside the tenant's own list.
    pub access: Access,
    /// Octets that a request's body may have, in the place of the tenant's bound.
    pub request_body_max: Option<u64>,
    /// A feature that the tenant must have.
    pub requires_feature: Option<Arc<str>>,
    /// Units of the rate limit that a request uses.
    pub cost: NonZeroU32,
    /// The most time that a request may take, from its head to its response's end.
    pub timeout: Option<Duration>,
    /// The hosts by which its application knows itself, where that is another than its pool's; none in it: nothing is changed.
    pub internal_hosts: Option<Arc<WebHosts>>,
    /// Which pages of other origins may use it.
    pub cors: RouteCors,
    /// Changes to the request's fields.
    pub request_headers: HeaderRules,
    /// Changes to the response's fields.
    pub response_headers: HeaderRules,
}

impl<T> Route<T> {
    /// The prefix that it takes, and the one that takes its place upstream, where it is rewritten so.
    #[must_use]
    pub fn replaced_prefix(&self) -> Option<(&str, &str)> {
        match (&self.rule.path, &self.rewrite) {
            (PathRule::Prefix(taken), Some(Rewrite::Prefix(put))) => Some((taken, put)),
            _ => None,
        }
    }
}

/// Where a route leads.
#[derive(Debug)]
pub enum Target<T> {
    /// To the tenant's own pool.
    Tenant,
    /// To this pool.
    Pool(T),
    /// To one of several pools.
    Split(Split<T>),
    /// Nowhere: the client is sent elsewhere.
    Redirect(Redirect),
    /// Nowhere: the client is answered.
    Respond(Respond),
}

/// Where copies of requests go.
#[derive(Debug)]
pub struct Mirror<T> {
    /// Where to.
    pub to: T,
    /// How many of a million requests are copied.
    pub millionths: u32,
}

impl<T> Mirror<T> {
    /// Whether a request is copied, for which this number was drawn, of any size.
    #[must_use]
    pub fn takes(&self, drawn: u64) -> bool {
        drawn % 1_000_000 < u64::from(self.millionths)
    }
}

/// An answer that sends the client elsewhere.
#[derive(Debug, Clone)]
pub struct Redirect {
    /// Where to.
    pub to: Wording,
    /// The status.
    pub status: StatusCode,
}

/// An answer that is always the same but for its fields.
#[derive(Debug, Clone)]
pub struct Respond {
    /// The status.
    pub status: StatusCode,
    /// Its fields.
    pub headers: HeaderRules,
    /// The type of its body, unless its fields say another.
    pub media_type: &'static str,
    /// Its body.
    pub body: Bytes,
}
