//! The composition root: threads, sockets, and who owns what.

mod audit_kept;
mod control_thread;
mod core;
mod descriptors;
mod gateway;
mod keeper;
mod listeners;
mod memory;
mod privileges;
mod program;
mod tenants_kept;
mod wardens;
mod watch;
mod worker;

pub use gateway::{Gateway, Options, Source};
