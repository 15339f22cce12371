//! Where a request goes: the most specific route that matches it.

mod cors;
mod expressions;
mod facts;
mod headers;
mod misses;
mod query;
mod rewrite;
mod route;
mod rule;
mod split;
mod table;
mod template;

pub use cors::{Allowed, Cors, RouteCors, preflight};
pub use facts::Facts;
pub use headers::HeaderRules;
pub use misses::{Precedence, Unmet};
pub use rewrite::{NoPath, Rewrite};
pub use route::{Mirror, Redirect, Respond, Route, Target};
pub use rule::{Asked, HostRule, MatchRule, PathRule};
pub use split::{Chosen, Split, Sticky, cookie_value};
pub use table::RouteTable;

pub use crate::types::{
    InvalidPath, has_dots, is_plain, normalise, resolved, with_slashes, without_parameters,
};
