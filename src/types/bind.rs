//! Where a listener listens.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum BindAddress {
    /// An address and a port; port 0 asks the kernel for a free one.
    Inet(SocketAddr),
    /// A Unix socket at this path.
    Unix(PathBuf),
    /// A socket that whoever started the gateway has opened, by its name (`LISTEN_FDNAMES`, sd_listen_fds(3)).
    Named(Box<str>),
    /// The same by its number; the first is 3.
    Descriptor(u16),
}

impl BindAddress {
    /// Its port's address, where it has one.
    #[must_use]
    pub fn inet(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(address) => Some(*address),
            Self::Unix(_) | Self::Named(_) | Self::Descriptor(_) => None,
        }
    }

    /// What is not an address and a port, if it is that; the error says what is wrong with it.
    ///
    /// # Errors
    /// A message, and a hint on a second line.
    pub fn parse_special(text: &str) -> Option<Result<Self, String>> {
        let (kind, rest) = text.split_once(':')?;
        Some(match kind {
            "unix" => unix(rest),
            "systemd" => named(rest),
            "fd" => match rest.parse::<u16>() {
                Ok(number) if number >= 3 => Ok(Self::Descriptor(number)),
                _ => Err(format!(
                    "`{text}` names no inherited descriptor\nwrite fd:3 for the first, fd:4 for the second"
                )),
            },
            _ => return None,
        })
    }
}

/// A path as the kernel takes it: `sun_path` has 108 octets, the last of which is zero (unix(7)).
fn unix(path: &str) -> Result<BindAddress, String> {
    if path.is_empty() || path.ends_with('/') {
        return Err(format!("`unix:{path}` names no file\nwrite it like unix:/run/tollgate/tollgate.sock"));
    }
    if path.starts_with('@') {
        return Err(format!(
            "`unix:{path}` is an abstract socket, which anybody on the machine could connect to\nwrite a path, like unix:/run/tollgate/tollgate.sock"
        ));
    }
    if path.len() > 90 {
        return Err(format!(
            "`unix:{path}` is longer than 90 octets, more than a socket's address has room for\nchoose a shorter path"
        ));
    }
    Ok(BindAddress::Unix(Path::new(path).to_owned()))
}

/// A name as systemd gives them (`FileDescriptorName=`, systemd.socket(5)).
fn named(name: &str) -> Result<BindAddress, String> {
    let fits = (1..=255).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic() && b != b':');
    if fits {
        return Ok(BindAddress::Named(name.into()));
    }
    Err(format!(
        "`systemd:{name}` names no socket\nwrite the socket unit's FileDescriptorName=, like systemd:web"
    ))
}

impl fmt::Display for BindAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Named(name) => write!(f, "systemd:{name}"),
            Self::Descriptor(number) => write!(f, "fd:{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_back_as_it_is_written() {
        for text in ["unix:/run/t.sock", "unix:state/t.sock", "systemd:web", "fd:3"] {
            assert_eq!(BindAddress::parse_special(text).unwrap().unwrap().to_string(), text);
        }
        for text in
            ["unix:", "unix:/run/", "unix:@t", "systemd:", "systemd:a b", "systemd:a:b", "fd:2", "fd:x"]
        {
            assert!(BindAddress::parse_special(text).unwrap().is_err(), "{text}");
        }
        assert!(BindAddress::parse_special("127.0.0.1:80").is_none());
        assert!(BindAddress::parse_special("[::]:80").is_none());
    }
}
