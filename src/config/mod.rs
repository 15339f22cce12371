//! The configuration: from YAML files to one valid [`Document`], or to every error in them at once.
//!
//! ```text
//! text → yaml (a tree with places) → decode (types of `written`) → build (defaults, checks) → Document
//! ```
//!
//! `yaml` reads text into a tree that knows where each value stands and fills in the
//! environment; `decode` brings the tree into the types of `written` and goes on after an error;
//! `build` fills in defaults and holds the parts against each other. Each of them reports to
//! `findings`. Nothing here opens a socket, starts a task or knows the rest of the gateway:
//! `control` compiles the document into what runs.

mod build;
mod check;
mod decode;
mod diagnostic;
mod difference;
mod document;
mod findings;
mod fingerprint;
mod json;
mod load;
mod loader;
mod places;
mod redact;
mod render;
mod routing_tests;
mod schema;
mod source;
mod suggest;
mod tenants_dir;
#[allow(dead_code, reason = "types are checked before their features exist")]
mod written;
mod yaml;

pub use check::{Checked, check};
pub use diagnostic::{Diagnostic, Related, Report, Severity};
pub use difference::Difference;
pub use document::*;
pub use json::{
    Fault, Level, READ_ONLY_KEYS, Setting, TenantParts, TenantRead, plan_json, pool_timeouts, read_domain,
    read_tenant, settings, split_tenant, tenant_json,
};
pub use load::{Loaded, Quarantined, load, load_from, load_str, load_text};
pub use loader::Loader;
pub use places::{Places, Step};
pub use routing_tests::{Expectation, Expected, RoutingTest, RoutingTests};
pub use schema::{schema, tenant_schemas};
pub use tenants_dir::{Inventory, Look};
