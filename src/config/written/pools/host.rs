//! Hosts by which applications are called.

use crate::config::written::FromText;
use crate::types::WebHost;

/// What a pool's endpoints are told as `Host`.
#[derive(Clone, Debug)]
pub(in crate::config) enum PoolHost {
    /// What the client asked for.
    Preserve,
    /// This.
    Name(WebHost),
}

impl FromText for PoolHost {
    const WHAT: &'static str = "a host, like app.internal:8080, or preserve";

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "preserve" => return Ok(Self::Preserve),
            // A name that other proxies have for it, and nobody's host.
            "endpoint" => {
                return Err(
                    "the endpoints of a pool are told one host\nwrite it, like app.internal:8080".to_owned()
                );
            }
            _ => {}
        }
        match WebHost::parse(text) {
            Ok(host) if host.scheme().is_none() => Ok(Self::Name(host)),
            Ok(host) => {
                Err(format!("`{text}` has a scheme, which a Host has not\nwrite {}", host.authority()))
            }
            Err(error) => {
                Err(format!("`{text}` is no host: {error}\nwrite it like app.internal:8080, or preserve"))
            }
        }
    }
}

impl FromText for WebHost {
    const WHAT: &'static str = "a host, like app.internal:8080 or https://app.example.com";

    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|error| {
            format!("`{text}` is no host: {error}\nwrite it like app.internal:8080 or https://app.example.com, without a path")
        })
    }
}
