//! Where the admin listener is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use http::{HeaderValue, Uri};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::listen::ClientStream;

/// Where a gateway on this machine has it, as the documentation writes its configuration.
const DEFAULT: &str = "http://127.0.0.1:9900";

/// The variable that says where else.
const VARIABLE: &str = "TOLLGATE_ADMIN";

/// What an address of one looks like.
const LIKE: &str = "write it like http://127.0.0.1:9900, or unix:/run/tollgate/admin.sock";

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// Where an admin listener is.
pub(in crate::cli) enum Address {
    /// At a URL, taken apart.
    Url {
        /// A name or an address, without brackets.
        host: String,
        /// 80 where the URL has none.
        port: u16,
        /// What comes before `/api`, where a proxy in front wants that.
        path: String,
    },
    /// At a Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// What `--admin` says, else the environment, else the default.
    pub(super) fn find(admin: Option<&str>) -> anyhow::Result<Self> {
        let variable = || std::env::var(VARIABLE).ok().filter(|url| !url.is_empty());
        match (admin, variable()) {
            (Some(url), _) => Self::parse(url).with_context(|| format!("--admin {url}")),
            (None, Some(url)) => Self::parse(&url).with_context(|| format!("{VARIABLE}={url}")),
            (None, None) => Self::parse(DEFAULT),
        }
    }

    /// Reads a URL, or `unix:` and a path as `admin.bind` has it; `unix://` and an absolute one, too, as other tools write it.
    pub(in crate::cli) fn parse(text: &str) -> anyhow::Result<Self> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("unix:") {
            return unix(path);
        }
        let uri: Uri = text.parse().map_err(|_| anyhow!("this is no URL\n{LIKE}"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => bail!(
                "the admin listener speaks plain HTTP only\nreach it over loopback or a tunnel, say `ssh -L 9900:127.0.0.1:9900 HOST`"
            ),
            _ => bail!("this is no URL of an admin listener\n{LIKE}"),
        }
        let authority = uri.authority().context(LIKE)?;
        if authority.as_str().contains('@') {
            bail!(
                "a URL with credentials in it shows in the list of processes: the token comes from TOLLGATE_TOKEN or a file"
            );
        }
        if uri.query().is_some() {
            bail!("nothing may follow a `?` here\n{LIKE}");
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let path = uri.path().trim_end_matches('/').to_owned();
        Ok(Self::Url { host, port: authority.port_u16().unwrap_or(80), path })
    }

    /// What comes before `/api`.
    pub(in crate::cli) fn path(&self) -> &str {
        match self {
            Self::Url { path, .. } => path,
            Self::Unix(_) => "",
        }
    }

    /// The value of `Host`. A Unix socket has none; `localhost` is nobody's name in a log.
    pub(in crate::cli) fn authority(&self) -> anyhow::Result<HeaderValue> {
        match self {
            Self::Url { .. } => {
                let text = self.to_string();
                Ok(HeaderValue::from_str(text.trim_start_matches("http://"))?)
            }
            Self::Unix(_) => Ok(HeaderValue::from_static("localhost")),
        }
    }

    /// Connects.
    ///
    /// # Errors
    /// That it can't be connected to, and what may help.
    pub(in crate::cli) async fn connect(&self) -> anyhow::Result<ClientStream> {
        let connecting = async {
            match self {
                Self::Url { host, port, .. } => {
                    let stream = TcpStream::connect((host.as_str(), *port)).await?;
                    stream.set_nodelay(true)?;
                    Ok(ClientStream::from(stream))
                }
                Self::Unix(path) => UnixStream::connect(path).await.map(ClientStream::from),
            }
        };
        match timeout(CONNECT, connecting).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(self.unreachable(&error)),
            Err(_) => Err(self.unreachable(&format!("no connection within {CONNECT:?}"))),
        }
    }

    fn unreachable(&self, why: &dyn fmt::Display) -> anyhow::Error {
        let rights = match self {
            Self::Url { .. } => "",
            Self::Unix(_) => {
                "\nwho may connect is a matter of the file's owner, group and mode (`ls -l` shows them, `admin.mode` sets the mode)"
            }
        };
        anyhow!(
            "{self} can't be connected to: {why}\nis the gateway running, and is this its admin listener (`admin.bind`)? `--admin` or {VARIABLE} names another{rights}"
        )
    }
}

fn unix(path: &str) -> anyhow::Result<Address> {
    // Of as many slashes as other tools put before an absolute path, one is its own.
    let path = match path.strip_prefix("//") {
        Some(rest) if rest.starts_with('/') => rest,
        Some(_) => bail!("two slashes have no file behind them\n{LIKE}"),
        None => path,
    };
    if path.is_empty() || path.ends_with('/') {
        bail!("this names no socket\n{LIKE}");
    }
    Ok(Address::Unix(Path::new(path).to_owned()))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { host, port, .. } if host.contains(':') => write!(f, "http://[{host}]:{port}"),
            Self::Url { host, port, .. } => write!(f, "http://{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let parts = |url: &str| {
            let address = Address::parse(url).unwrap();
            let shown = address.to_string();
            let Address::Url { host, port, path } = address else { unreachable!() };
            (host, port, path, shown)
        };
        let expect =
            |host: &str, port, path: &str, shown: &str| (host.into(), port, path.into(), shown.into());
        assert_eq!(parts("http://10.0.0.1:9900"), expect("10.0.0.1", 9900, "", "http://10.0.0.1:9900"));
        assert_eq!(parts(" http://gw/edge/ "), expect("gw", 80, "/edge", "http://gw:80"));
        assert_eq!(parts("http://[::1]:9900/"), expect("::1", 9900, "", "http://[::1]:9900"));
    }

    #[test]
    fn a_socket_is_written_as_admin_bind_has_it_or_as_other_tools_do() {
        for (text, shown) in [
            ("unix:/run/admin.sock", "unix:/run/admin.sock"),
            (" unix:///run/admin.sock", "unix:/run/admin.sock"),
            ("unix:state/admin.sock", "unix:state/admin.sock"),
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_admin_listener_is_refused_with_advice() {
        for (url, advice) in [
            ("https://gw:9900", "plain HTTP"),
            ("127.0.0.1:9900", "http://127.0.0.1:9900"),
            ("", "http://127.0.0.1:9900"),
            ("/run/admin.sock", "unix:/run/tollgate/admin.sock"),
            ("unix:", "unix:/run/tollgate/admin.sock"),
            ("unix://run/admin.sock", "unix:/run/tollgate/admin.sock"),
            ("http://me:secret@gw", "TOLLGATE_TOKEN"),
            ("http://gw/?a", "`?`"),
        ] {
            let error = format!("{:#}", Address::parse(url).err().unwrap());
            assert!(error.contains(advice), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
