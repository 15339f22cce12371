//! Where the admin listener is.

use std::fmt;

use anyhow::{Context, anyhow, bail};
use http::{HeaderValue, Uri};

/// Where a gateway on this machine has it, as the documentation writes its configuration.
const DEFAULT: &str = "http://127.0.0.1:9900";

/// The variable that says where else.
const VARIABLE: &str = "TOLLGATE_ADMIN";

/// The URL of an admin listener, taken apart.
pub(super) struct Address {
    host: String,
    port: u16,
    path: String,
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

    fn parse(url: &str) -> anyhow::Result<Self> {
        let like = "write it like http://127.0.0.1:9900";
        let uri: Uri = url.trim().parse().map_err(|_| anyhow!("this is no URL\n{like}"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => bail!(
                "the admin listener speaks plain HTTP only\nreach it over loopback or a tunnel, say `ssh -L 9900:127.0.0.1:9900 HOST`"
            ),
            _ => bail!("this is no URL of an admin listener\n{like}"),
        }
        let authority = uri.authority().context(like)?;
        if authority.as_str().contains('@') {
            bail!(
                "a URL with credentials in it shows in the list of processes: the token comes from TOLLGATE_TOKEN or a file"
            );
        }
        if uri.query().is_some() {
            bail!("nothing may follow a `?` here\n{like}");
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let path = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { host, port: authority.port_u16().unwrap_or(80), path })
    }

    /// A name or an address, without brackets.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The port, 80 where the URL has none.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// What comes before `/api`, where a proxy in front wants that.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The value of `Host`.
    pub(super) fn authority(&self) -> anyhow::Result<HeaderValue> {
        let text = self.to_string();
        Ok(HeaderValue::from_str(text.trim_start_matches("http://"))?)
    }

    /// That it can't be reached, and what may help.
    pub(super) fn unreachable(&self, why: &str) -> anyhow::Error {
        anyhow!(
            "{self} can't be connected to: {why}\nis the gateway running, and is this its admin listener (`admin.bind`)? `--admin URL` or {VARIABLE} names another"
        )
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') {
            write!(f, "http://[{host}]:{port}")
        } else {
            write!(f, "http://{host}:{port}")
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
            (address.host.clone(), address.port, address.path.clone(), address.to_string())
        };
        let expect =
            |host: &str, port, path: &str, shown: &str| (host.into(), port, path.into(), shown.into());
        assert_eq!(parts("http://10.0.0.1:9900"), expect("10.0.0.1", 9900, "", "http://10.0.0.1:9900"));
        assert_eq!(parts(" http://gw/edge/ "), expect("gw", 80, "/edge", "http://gw:80"));
        assert_eq!(parts("http://[::1]:9900/"), expect("::1", 9900, "", "http://[::1]:9900"));
    }

    #[test]
    fn what_is_no_admin_listener_is_refused_with_advice() {
        for (url, advice) in [
            ("https://gw:9900", "plain HTTP"),
            ("127.0.0.1:9900", "http://127.0.0.1:9900"),
            ("", "http://127.0.0.1:9900"),
            ("http://me:secret@gw", "TOLLGATE_TOKEN"),
            ("http://gw/?a", "`?`"),
        ] {
            let error = format!("{:#}", Address::parse(url).err().unwrap());
            assert!(error.contains(advice), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
