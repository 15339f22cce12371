//! The gateway as its users meet it: real HTTP over real sockets to a real gateway, in front of
//! origins that behave well, badly and not at all.

// Tests assert; a panic is how they say no.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod access_log;
mod admin;
mod admission;
mod api;
mod api_key;
mod attack;
mod attack_pools;
mod audit_retention;
mod backup;
mod bodies;
mod branding;
mod circuit;
mod cli;
mod cli_api;
mod cors;
mod deadlines;
mod faults;
mod features;
mod forwarding;
mod grpc;
mod grpc_calls;
mod h2_bounds;
mod h2_upstream;
mod h2c;
mod harness;
mod harness_itself;
mod health;
mod identify;
mod interim;
mod isolation;
mod labels;
mod limits;
mod memory;
mod own_domains;
mod pools;
mod quota_kill;
mod quotas;
mod rate_limit;
mod rate_limits;
mod refusals;
mod reload;
mod reload_difference;
mod replay;
mod resilience;
mod retirement;
mod retries;
mod route_actions;
mod route_bounds;
mod route_overrides;
mod routing;
mod seats;
mod shutdown;
mod signed_context;
mod smuggling;
mod split;
mod stale_connections;
mod stored_tenants;
mod streams;
mod transports;
mod upgrade;
mod upstream_failures;
mod websocket_h2;
