//! How many connections may be open: in all, and from one client address.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;

/// Bounds on open connections, for all listeners and workers together.
#[derive(Debug)]
pub struct ConnectionCaps {
    max: AtomicUsize,
    per_client_max: AtomicUsize,
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
    /// At most `max` connections, `per_client_max` from one address.
    #[must_use]
    pub fn new(max: usize, per_client_max: usize) -> Self {
        Self {
            max: AtomicUsize::new(max),
            per_client_max: AtomicUsize::new(per_client_max),
            open: AtomicUsize::new(0),
            clients: Mutex::default(),
        }
    }

    /// Changes the bounds; what is open stays open.
    pub fn set(&self, max: usize, per_client_max: usize) {
        self.max.store(max, Ordering::Relaxed);
        self.per_client_max.store(per_client_max, Ordering::Relaxed);
    }

    /// Open connections.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Lets a connection in. A trusted proxy (`counted` is false) speaks for many clients and has no
    /// bound of its own.
    ///
    /// # Errors
    /// [`Refusal`] names the bound that was reached.
    pub fn enter(self: &Arc<Self>, client: IpAddr, counted: bool) -> Result<ConnectionPermit, Refusal> {
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.max.load(Ordering::Relaxed) {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(Refusal::Full);
        }
        let mut permit = ConnectionPermit { caps: Arc::clone(self), client: None };
        if counted {
            let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
            let open = clients.entry(client).or_insert(0);
            if *open >= self.per_client_max.load(Ordering::Relaxed) {
                let none = *open == 0;
                if none {
                    clients.remove(&client);
                }
                drop(clients);
                return Err(Refusal::ClientFull);
            }
            *open += 1;
            permit.client = Some(client);
        }
        Ok(permit)
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

    #[test]
    fn places_are_counted_and_come_back() {
        let caps = Arc::new(ConnectionCaps::new(3, 2));
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let one = caps.enter(ip("192.0.2.1"), true).unwrap();
        let _two = caps.enter(ip("192.0.2.1"), true).unwrap();
        assert_eq!(caps.enter(ip("192.0.2.1"), true).unwrap_err(), Refusal::ClientFull);
        assert_eq!(caps.open(), 2);
        let proxy = caps.enter(ip("192.0.2.1"), false).unwrap();
        assert_eq!(caps.enter(ip("192.0.2.9"), true).unwrap_err(), Refusal::Full);
        drop((one, proxy));
        assert_eq!(caps.open(), 1);
        assert!(caps.enter(ip("192.0.2.1"), true).is_ok());
        caps.set(3, 0);
        assert_eq!(caps.enter(ip("192.0.2.7"), true).unwrap_err(), Refusal::ClientFull);
        assert_eq!(caps.clients.lock().unwrap().len(), 1);
    }
}
