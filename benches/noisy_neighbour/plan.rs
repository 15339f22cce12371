//! What the load is to do, as `run` writes it.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub address: SocketAddr,
    /// The same seed, the same arrivals.
    pub seed: u64,
    warmup_ms: u64,
    measure_ms: u64,
    /// How long after the window an answer to one of its requests is waited for.
    drain_ms: u64,
    pub groups: Vec<Group>,
}

/// Tenants that do the same, and whose answers are counted together.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    pub name: String,
    /// A Host for each tenant.
    pub hosts: Vec<String>,
    pub path: String,
    pub arrivals: Arrivals,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Arrivals {
    /// So many connections a tenant, each of which asks again as soon as it is answered.
    Closed { connections: usize },
    /// Each tenant asks at moments of its own, however long answers take.
    /// The `connections` that are open from the start are used in turn; more open as they are needed.
    Open { rate_per_s: f64, poisson: bool, connections: usize },
}

impl Plan {
    pub fn warmup(&self) -> Duration {
        Duration::from_millis(self.warmup_ms)
    }

    pub fn measure(&self) -> Duration {
        Duration::from_millis(self.measure_ms)
    }

    pub fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_ms)
    }
}

impl Group {
    /// The requests of its tenants, as they are sent.
    pub fn requests(&self) -> impl Iterator<Item = Vec<u8>> {
        self.hosts.iter().map(|host| {
            format!("GET {} HTTP/1.1\r\nhost: {host}\r\naccept: */*\r\n\r\n", self.path).into_bytes()
        })
    }
}
