//! Tollgate: a tenant-aware reverse proxy gateway.
//!
//! The library holds everything but argument parsing of the binary, so that tests can run a
//! real gateway in process. `ARCHITECTURE.md` is the map: which module stands where on a
//! request's way, and which may import which.

#![warn(missing_docs)]

pub mod acme;
pub mod admin;
pub mod admission;
pub mod app;
pub mod balance;
pub mod brand;
pub mod breaker;
pub mod certificates;
pub mod cli;
pub mod config;
pub mod control;
pub mod demo;
pub mod health;
pub mod http;
pub mod listen;
pub mod net;
pub mod proxy;
pub mod retry;
pub mod routing;
pub mod store;
pub mod telemetry;
pub mod tenant;
pub mod time;
pub mod tls;
pub mod types;
pub mod upstream;
