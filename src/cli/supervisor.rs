//! Telling systemd how the gateway stands (sd_notify(3)): one datagram to the socket that it names.

#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// How the gateway stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It serves; also after a reload.
    Ready,
    /// It loads its configuration.
    Reloading,
    /// It drains.
    Stopping,
}

/// Who has started the gateway and wants to know, if anybody does.
#[derive(Debug)]
pub(super) struct Supervisor(Option<(UnixDatagram, SocketAddr)>);

impl Supervisor {
    /// Finds out.
    pub(super) fn find() -> Self {
        Self(std::env::var("NOTIFY_SOCKET").ok().and_then(|name| Self::at(&name)))
    }

    fn at(name: &str) -> Option<(UnixDatagram, SocketAddr)> {
        let address = match name.strip_prefix('@') {
            #[cfg(target_os = "linux")]
            Some(name) => SocketAddr::from_abstract_name(name),
            _ => SocketAddr::from_pathname(name),
        };
        Some((UnixDatagram::unbound().ok()?, address.ok()?))
    }

    /// Tells. That nobody hears is nothing to end for.
    pub(super) fn tell(&self, standing: Standing) {
        let Some((socket, address)) = &self.0 else { return };
        let text = match standing {
            Standing::Ready => "READY=1".to_owned(),
            // Without the time, `Type=notify-reload` would take an earlier READY for the answer to its signal.
            Standing::Reloading => format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_usec()),
            Standing::Stopping => "STOPPING=1".to_owned(),
        };
        if let Err(error) = socket.send_to_addr(text.as_bytes(), address) {
            tracing::debug!(%error, "systemd can't be told");
        }
    }
}

fn monotonic_usec() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one `timespec` to where it is told.
    #[allow(unsafe_code)]
    unsafe {
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time);
    }
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_in_the_words_that_it_knows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        let supervisor = Supervisor(Supervisor::at(path.to_str().unwrap()));
        let heard = || {
            let mut buffer = [0; 200];
            let len = systemd.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..len].to_vec()).unwrap()
        };
        supervisor.tell(Standing::Ready);
        assert_eq!(heard(), "READY=1");
        supervisor.tell(Standing::Reloading);
        let text = heard();
        let micros = text.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().parse::<u64>().unwrap();
        assert!(micros > 0);
        supervisor.tell(Standing::Stopping);
        assert_eq!(heard(), "STOPPING=1");
        Supervisor(None).tell(Standing::Ready);
    }
}
