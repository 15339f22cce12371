//! How many connections may be open: in all, and from one client.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;

/// How many connections there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLimits {
    /// In all.
    pub max: usize,
    /// From one client.
    pub per_client_max: usize,
    /// The leading bits of an IPv6 address that one client has: who is given a network has all its addresses.
    pub ipv6_prefix: u8,
}

/// Bounds on open connections, for all listeners and workers together.
#[derive(Debug)]
pub struct ConnectionCaps {
    max: AtomicUsize,
    per_client_max: AtomicUsize,
    ipv6_prefix: AtomicU8,
    open: AtomicUsize,
    // Taken twice a connection, never for a request.
    clients: Mutex<HashMap<IpAddr, usize>>,
}

/// Why a connection is closed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// `limits.max_connections`.
    Full,
    /// `limits.max_connections_per_client`.
    ClientFull,
}

impl Refusal {
    /// Its name in metrics.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Full => "max_connections",
            Self::ClientFull => "max_connections_per_client",
        }
    }
}

/// A connection's place; free again when dropped.
#[derive(Debug)]
pub struct ConnectionPermit {
    caps: Arc<ConnectionCaps>,
    client: Option<IpAddr>,
}

impl ConnectionCaps {
    /// At most so many.
    #[must_use]
    pub fn new(limits: ClientLimits) -> Self {
        Self {
            max: AtomicUsize::new(limits.max),
            per_client_max: AtomicUsize::new(limits.per_client_max),
            ipv6_prefix: AtomicU8::new(limits.ipv6_prefix),
            open: AtomicUsize::new(0),
            clients: Mutex::default(),
        }
    }

    /// Changes the bounds; what is open stays open.
    pub fn set(&self, limits: ClientLimits) {
        self.max.store(limits.max, Ordering::Relaxed);
        self.per_client_max.store(limits.per_client_max, Ordering::Relaxed);
        self.ipv6_prefix.store(limits.ipv6_prefix, Ordering::Relaxed);
    }

    /// Open connections.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Lets a connection in.
    ///
    /// # Errors
    /// [`Refusal::Full`].
    pub fn enter(self: &Arc<Self>) -> Result<ConnectionPermit, Refusal> {
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.max.load(Ordering::Relaxed) {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(Refusal::Full);
        }
        Ok(ConnectionPermit { caps: Arc::clone(self), client: None })
    }

    /// What addresses of one client have in common.
    fn client(&self, ip: IpAddr) -> IpAddr {
        let IpAddr::V6(v6) = ip else { return ip };
        let kept = u32::from(self.ipv6_prefix.load(Ordering::Relaxed).min(128));
        let mask = u128::MAX.checked_shl(128 - kept).unwrap_or(0);
        IpAddr::V6(Ipv6Addr::from(u128::from(v6) & mask))
    }
}

impl ConnectionPermit {
    /// Counts the connection as this client's. A trusted proxy's is not to be counted: it speaks for many clients and has no
    /// bound of its own.
    ///
    /// # Errors
    /// [`Refusal::ClientFull`].
    pub fn count_for(&mut self, ip: IpAddr) -> Result<(), Refusal> {
        if self.client.is_some() {
            return Ok(());
        }
        let client = self.caps.client(ip);
        let mut clients = self.caps.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let open = clients.get(&client).copied().unwrap_or(0);
        if open >= self.caps.per_client_max.load(Ordering::Relaxed) {
            return Err(Refusal::ClientFull);
        }
        clients.insert(client, open + 1);
        drop(clients);
        self.client = Some(client);
        Ok(())
    }

    /// Whose connection it counts as: one address, or an IPv6 network's first.
    #[must_use]
    pub fn client(&self) -> Option<IpAddr> {
        self.client
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.caps.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(client) = self.client {
            let mut clients = self.caps.clients.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(open) = clients.get_mut(&client) {
                *open -= 1;
                if *open == 0 {
                    clients.remove(&client);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps(max: usize, per_client_max: usize) -> Arc<ConnectionCaps> {
        Arc::new(ConnectionCaps::new(ClientLimits { max, per_client_max, ipv6_prefix: 64 }))
    }

    fn enter(caps: &Arc<ConnectionCaps>, client: &str) -> Result<ConnectionPermit, Refusal> {
        let mut permit = caps.enter()?;
        permit.count_for(client.parse().unwrap())?;
        Ok(permit)
    }

    #[test]
    fn places_are_counted_and_come_back() {
        let caps = caps(3, 2);
        let one = enter(&caps, "192.0.2.1").unwrap();
        let _two = enter(&caps, "192.0.2.1").unwrap();
        assert_eq!(enter(&caps, "192.0.2.1").unwrap_err(), Refusal::ClientFull);
        assert_eq!(caps.open(), 2);
        let proxy = caps.enter().unwrap();
        assert_eq!(enter(&caps, "192.0.2.9").unwrap_err(), Refusal::Full);
        drop((one, proxy));
        assert_eq!(caps.open(), 1);
        assert!(enter(&caps, "192.0.2.1").is_ok());
        caps.set(ClientLimits { max: 3, per_client_max: 0, ipv6_prefix: 64 });
        assert_eq!(enter(&caps, "192.0.2.7").unwrap_err(), Refusal::ClientFull);
        assert_eq!(caps.clients.lock().unwrap().len(), 1);
    }

    #[test]
    fn who_has_an_ipv6_network_is_one_client() {
        let caps = caps(10, 1);
        let _one = enter(&caps, "2001:db8:0:1::1").unwrap();
        assert_eq!(enter(&caps, "2001:db8:0:1:ffff::9").unwrap_err(), Refusal::ClientFull);
        let _other = enter(&caps, "2001:db8:0:2::1").unwrap();
        caps.set(ClientLimits { max: 10, per_client_max: 1, ipv6_prefix: 128 });
        let _fine = enter(&caps, "2001:db8:0:1:ffff::9").unwrap();
        caps.set(ClientLimits { max: 10, per_client_max: 1, ipv6_prefix: 0 });
        let _all = enter(&caps, "2001:db8:1::1").unwrap();
        assert_eq!(enter(&caps, "2001:db9::1").unwrap_err(), Refusal::ClientFull);
        let _v4 = enter(&caps, "192.0.2.1").unwrap();
    }
}
