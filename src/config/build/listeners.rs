//! Listeners, admin, workers.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};

use super::Builder;
use crate::config::decode::{List, OneOrList, Spanned};
use crate::config::document::{Admin, Listener, Workers};
use crate::config::source::Mark;
use crate::config::written::{self, FileMode, Text};
use crate::types::{BindAddress, Secret};

/// The admin listener's address, where none is written.
const ADMIN_DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9900);

/// The mode of a Unix socket's file, where none is written.
const SOCKET_MODE: u32 = 0o660;

/// Whether two listeners would have to share a port.
fn is_clash(one: (&BindAddress, bool), other: (&BindAddress, bool)) -> bool {
    let (BindAddress::Inet(a), BindAddress::Inet(b)) = (one.0, other.0) else { return one.0 == other.0 };
    let takes_all =
        |address: &SocketAddr, v6only: bool| address.is_ipv6() && address.ip().is_unspecified() && !v6only;
    let both = takes_all(a, one.1) && b.is_ipv4() || takes_all(b, other.1) && a.is_ipv4();
    a.port() != 0 && (a == b || a.port() == b.port() && both)
}

impl Builder<'_> {
    pub(super) fn listeners(
        &mut self,
        written: &Spanned<List<written::Listener>>,
        trusts_any: bool,
    ) -> Vec<Listener> {
        if written.value.0.is_empty() && self.findings.errors_in(written.mark.file) == 0 {
            self.findings
                .error("invalid-value", written.key, "there is no listener")
                .hint("add one, like `- bind: 0.0.0.0:8080`");
        }
        let mut listeners: Vec<(Mark, Listener)> = Vec::new();
        for listener in &written.value.0 {
            if listener.proxy_protocol == Some(true) && !trusts_any {
                self.findings
                    .warning("no-trusted-proxies", listener.bind.mark, "every connection here is refused: there are no `trusted_proxies` that could announce clients")
                    .hint("add the addresses of your load balancers under `trusted_proxies:`, or remove `proxy_protocol`");
            }
            let tls = listener.tls.as_ref().map(|tls| self.listener_tls(tls));
            let https_redirect = listener.https_redirect.as_ref().and_then(|to| self.https_redirect(to));
            if let Some(redirect) = listener.https_redirect.as_ref().filter(|_| tls.is_some()) {
                self.findings
                    .error(
                        "conflicting-keys",
                        redirect.key,
                        "`https_redirect` is for listeners without `tls`",
                    )
                    .hint("write it at the listener that clients come to in the clear");
            }
            let binds = self.binds(&listener.bind);
            self.socket_mode(listener.mode.as_ref(), binds.iter().map(|(_, bind)| bind));
            for (mark, bind) in binds {
                let v6only = listener.v6only.as_ref().is_none_or(|v6only| v6only.value);
                let clash =
                    |other: &&(Mark, Listener)| is_clash((&bind, v6only), (&other.1.bind, other.1.v6only));
                if let Some((first, other)) = listeners.iter().find(clash) {
                    let (what, hint) = if other.bind == bind {
                        (format!("`{bind}` is there twice"), "remove one of the two")
                    } else {
                        (
                            format!("`{bind}` and `{}` are the same port", other.bind),
                            "remove `v6only: false`, with which [::] takes IPv4 connections, too",
                        )
                    };
                    let finding = self.findings.error("duplicate-listener", mark, what);
                    finding.hint(hint).see(*first, "the other one is");
                }
                let name = match listeners.iter().filter(|other| other.1.bind == bind).count() {
                    0 => bind.to_string(),
                    turn => format!("{bind}#{}", turn + 1),
                };
                let built = Listener {
                    name: name.into(),
                    bind,
                    v6only,
                    mode: listener.mode.as_ref().map_or(SOCKET_MODE, |mode| mode.value.0.0),
                    proxy_protocol: listener.proxy_protocol.unwrap_or(false),
                    tls: tls.clone(),
                    https_redirect,
                    origin: self.findings.sources.origin(mark),
                };
                listeners.push((mark, built));
            }
        }
        listeners.into_iter().map(|(_, listener)| listener).collect()
    }

    /// A mode is that of a Unix socket's file.
    fn socket_mode<'a>(
        &self,
        mode: Option<&Spanned<Text<FileMode>>>,
        mut binds: impl Iterator<Item = &'a BindAddress> + Clone,
    ) {
        let Some(mode) = mode else { return };
        if binds.clone().next().is_none() {
            // What could not be read may have been one.
            return;
        }
        let is_handed_over =
            |bind: &BindAddress| matches!(bind, BindAddress::Named(_) | BindAddress::Descriptor(_));
        let hint = match binds.clone().any(is_handed_over) {
            true => {
                "remove it: whoever opens the socket says who may connect, in systemd's socket unit `SocketMode=`"
            }
            false => {
                "remove it, or listen at a Unix socket, like unix:/run/tollgate/web.sock; who may connect to a port is the affair of `access` and of firewalls"
            }
        };
        if !binds.any(|bind| matches!(bind, BindAddress::Unix(_))) {
            self.findings
                .error(
                    "conflicting-keys",
                    mode.key,
                    "`mode` is that of a Unix socket's file, and there is none here",
                )
                .hint(hint);
        }
    }

    fn https_redirect(&self, written: &Spanned<written::HttpsRedirect>) -> Option<(u16, u16)> {
        let to = match written.value {
            written::HttpsRedirect::Switch(false) => return None,
            written::HttpsRedirect::Switch(true) => return Some((443, 308)),
            written::HttpsRedirect::To(to) => to,
        };
        let (port, status) = (to.port.unwrap_or(443), to.status.unwrap_or(308));
        if !matches!(status, 301 | 302 | 307 | 308) || port == 0 {
            self.findings
                .error("invalid-value", written.mark, "this leads nowhere")
                .hint("`port` is from 1 to 65535, `status` one of 301, 302, 307 and 308");
        }
        Some((port, status))
    }

    /// Where a listener listens, each with its place.
    fn binds(&self, written: &Spanned<OneOrList<Text<BindAddress>>>) -> Vec<(Mark, BindAddress)> {
        match &written.value {
            OneOrList::One(bind) => vec![(written.mark, self.bind(&bind.0))],
            OneOrList::List(list) => {
                if list.0.is_empty() && self.findings.errors_in(written.mark.file) == 0 {
                    self.findings
                        .error("invalid-value", written.key, "there is no address to listen on")
                        .hint("write one, like `bind: 0.0.0.0:8080`");
                }
                list.0.iter().map(|bind| (bind.mark, self.bind(&bind.value.0))).collect()
            }
        }
    }

    /// A path is relative to the folder of the file, as all are.
    fn bind(&self, written: &BindAddress) -> BindAddress {
        match written {
            BindAddress::Unix(path) => BindAddress::Unix(self.path(&path.to_string_lossy())),
            other => other.clone(),
        }
    }

    pub(super) fn admin(&mut self, written: Option<&written::Admin>) -> Admin {
        let Some(written) = written else {
            return Admin { bind: BindAddress::Inet(ADMIN_DEFAULT), mode: SOCKET_MODE, token: None };
        };
        let bind =
            written.bind.as_ref().map_or(BindAddress::Inet(ADMIN_DEFAULT), |bind| self.bind(&bind.value.0));
        self.socket_mode(written.mode.as_ref(), std::iter::once(&bind));
        let mode = written.mode.as_ref().map_or(SOCKET_MODE, |mode| mode.value.0.0);
        let token = match (&written.token, &written.token_file) {
            (Some(_), Some(file)) => {
                self.findings
                    .error("conflicting-keys", file.key, "`token` and `token_file` are both there")
                    .hint("keep `token_file`, and remove `token`");
                None
            }
            (Some(token), None) => self.token(&token.value, token.mark),
            (None, Some(file)) => self
                .read_file(file)
                .and_then(|text| self.token(text.trim_end_matches(['\r', '\n']), file.mark)),
            (None, None) => None,
        };
        Admin { bind, mode, token }
    }

    /// A bearer token is visible ASCII (RFC 6750 §2.1); another could never be sent.
    fn token(&self, text: &str, mark: Mark) -> Option<Secret> {
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) {
            return Some(Secret::new(text));
        }
        let what = if text.is_empty() {
            "the token is empty"
        } else {
            "the token has blanks or characters outside ASCII"
        };
        self.findings.error("invalid-value", mark, what).hint("make one with `openssl rand -hex 32`");
        None
    }

    /// Reads a file that a `*_file` key names. Messages show the path as it was written.
    pub(super) fn read_file(&mut self, written: &Spanned<String>) -> Option<String> {
        let path = self.path(&written.value);
        let content = std::fs::read_to_string(&path);
        self.watched.push(path);
        content
            .map_err(|error| {
                let shown = &written.value;
                let why = super::super::load::why(&error);
                let hint = match error.kind() {
                    ErrorKind::PermissionDenied => {
                        "whoever asks may not read it: give the file, and the folders above it, to a group of the gateway's user (chgrp, chmod g+r)"
                    }
                    ErrorKind::InvalidData => {
                        "it has to be text: a certificate in DER becomes one by `openssl x509 -inform der -in FILE -out FILE.pem`"
                    }
                    _ => "paths are relative to the folder of the file that names them",
                };
                self.findings
                    .error("missing-file", written.mark, format!("the file `{shown}` can't be read: {why}"))
                    .hint(hint);
            })
            .ok()
    }
}

pub(super) fn workers(written: Option<&Spanned<written::Workers>>) -> Workers {
    match written.map(|workers| workers.value) {
        None | Some(written::Workers::Auto) => Workers::Auto,
        Some(written::Workers::Count(count)) => Workers::Count(count),
    }
}
