//! Where a request goes: the most specific route that matches it.

mod path;
mod table;

pub use path::{InvalidPath, normalise};
pub use table::{HeaderRules, MatchRule, PathRule, Route, RouteTable, Target};
