//! `tollgate demo`: everything that it needs, built in.
//!
//! Small applications that show what the gateway told them ([`sample_app`]), a configuration
//! that puts tenants on different plans, and in different looks, in front of them ([`document`]), and the
//! text that says what to try ([`banner`]). It never starts the gateway: the command line does.

mod banner;
mod document;
mod looks;
pub mod sample_app;

pub use banner::banner;
pub use document::{ADMIN_TOKEN, Applications, document};
