//! Where a request goes: the most specific route that matches it.

mod expressions;
mod headers;
mod path;
mod query;
mod route;
mod rule;
mod table;
mod template;

pub use headers::HeaderRules;
pub use path::{InvalidPath, normalise};
pub use route::{Route, Target};
pub use rule::{Asked, HostRule, MatchRule, PathRule};
pub use table::RouteTable;
