//! Which client addresses may use something.

use std::net::IpAddr;

use ipnet::IpNet;

/// Networks that may come in and networks that may not. The default lets everybody in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    allow: Box<[IpNet]>,
    deny: Box<[IpNet]>,
}

impl Access {
    /// Denied networks are refused; with an `allow` list, so is everybody outside it.
    #[must_use]
    pub fn new(allow: Vec<IpNet>, deny: Vec<IpNet>) -> Self {
        Self { allow: allow.into(), deny: deny.into() }
    }

    /// Whether there is no rule.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    /// Whether a client may come in. `deny` wins over `allow`.
    #[must_use]
    pub fn allows(&self, client: IpAddr) -> bool {
        let within = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&client));
        !within(&self.deny) && (self.allow.is_empty() || within(&self.allow))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deny_wins_and_an_allow_list_is_exhaustive() {
        let nets = |list: &[&str]| list.iter().map(|net| net.parse().unwrap()).collect::<Vec<IpNet>>();
        let may = |access: &Access, ip: &str| access.allows(ip.parse().unwrap());
        let open = Access::default();
        assert!(may(&open, "192.0.2.1") && may(&open, "::1"));
        let access = Access::new(nets(&["192.0.2.0/24"]), nets(&["192.0.2.128/25"]));
        assert!(may(&access, "192.0.2.1"));
        assert!(!may(&access, "192.0.2.200"));
        assert!(!may(&access, "198.51.100.1"));
    }
}
