//! Sockets that whoever started the gateway has opened for it: systemd's socket activation (sd_listen_fds(3)).
//!
//! They are kept as long as the process lives, and used by duplicates: a reload may take a listener away and bring it back.

use std::io;
use std::sync::OnceLock;

use listenfd::ListenFd;

use super::bind::ListeningSocket;
use crate::types::BindAddress;

/// The number of the first.
const FIRST: usize = 3;

static INHERITED: OnceLock<Inherited> = OnceLock::new();

#[derive(Debug, Default)]
struct Inherited(Vec<Handed>);

/// A socket that was handed over.
#[derive(Debug)]
struct Handed {
    number: usize,
    name: String,
    socket: ListeningSocket,
}

/// Takes note of what was inherited. Once, when the process has begun and has one thread: it takes what says so out of the environment, so that no child
/// believes it is meant.
pub fn take_inherited() {
    INHERITED.get_or_init(|| {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        Inherited::of(ListenFd::from_env(), &names)
    });
}

/// A duplicate of what is meant.
pub(super) fn take(address: &BindAddress) -> io::Result<ListeningSocket> {
    let none = Inherited::default();
    INHERITED.get().unwrap_or(&none).find(address)?.socket.try_clone()
}

/// Says which sockets were handed over that none of these means: clients connect there, and nobody answers.
pub fn warn_of_idle_inherited<'a>(meant: impl Iterator<Item = &'a BindAddress>) {
    let none = Inherited::default();
    for handed in INHERITED.get().unwrap_or(&none).idle(meant) {
        tracing::warn!(
            descriptor = handed.number,
            name = handed.name,
            "a socket was handed over that no listener names, so that clients connect there and nobody answers: name it by its number \
             (`bind: fd:{}`), or take it out of the socket unit",
            handed.number
        );
    }
}

impl Inherited {
    fn of(mut given: ListenFd, names: &str) -> Self {
        let mut names = names.split(':');
        let mut handed = Vec::new();
        for at in 0..given.len() {
            let (number, name) = (FIRST + at, names.next().unwrap_or_default().to_owned());
            match socket(&mut given, at) {
                Some(socket) => handed.push(Handed { number, name, socket }),
                None => tracing::warn!(
                    descriptor = number,
                    name,
                    "an inherited descriptor is no listening stream socket, and is not used"
                ),
            }
        }
        Self(handed)
    }

    /// Those that none of these means.
    fn idle<'a>(&self, meant: impl Iterator<Item = &'a BindAddress>) -> Vec<&Handed> {
        let used: Vec<_> =
            meant.filter_map(|address| self.find(address).ok()).map(|handed| handed.number).collect();
        self.0.iter().filter(|handed| !used.contains(&handed.number)).collect()
    }

    fn find(&self, address: &BindAddress) -> io::Result<&Handed> {
        let is_meant = |handed: &&Handed| match address {
            BindAddress::Named(name) => **name == *handed.name,
            BindAddress::Descriptor(number) => usize::from(*number) == handed.number,
            BindAddress::Inet(_) | BindAddress::Unix(_) => false,
        };
        self.0.iter().find(is_meant).ok_or_else(|| {
            let known: Vec<_> =
                self.0.iter().map(|handed| format!("fd:{} is {:?}", handed.number, handed.name)).collect();
            let known = if known.is_empty() { "none were".to_owned() } else { known.join(", ") };
            io::Error::other(format!(
                "no such socket was handed over ({known}): start the gateway by a socket unit, whose FileDescriptorName= is the name"
            ))
        })
    }
}

fn socket(given: &mut ListenFd, at: usize) -> Option<ListeningSocket> {
    // Asked in turn: what it is not is left in its place.
    if let Ok(Some(socket)) = given.take_tcp_listener(at) {
        socket.set_nonblocking(true).ok()?;
        return Some(ListeningSocket::Tcp(socket));
    }
    let socket = given.take_unix_listener(at).ok().flatten()?;
    socket.set_nonblocking(true).ok()?;
    Some(ListeningSocket::Unix(socket))
}
