//! Proofs that a domain is a tenant's own: looked for in DNS and on the domain's web server.
//!
//! A claim has a token that nobody can guess. Whoever can publish it below the domain's name, or on the server that the name
//! leads to, has the domain in hand. Both places are asked at the same time, and one is enough.
//!
//! The web server's address is the claimant's choice, so it is judged before it is connected to (`reach`): nobody is to make
//! the gateway knock at doors of the network that it stands in.

mod challenge;
mod page;
mod reach;
mod sign;

use std::net::IpAddr;
use std::pin::pin;
use std::time::Duration;

use ipnet::IpNet;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::upstream::dns::{Resolve, Resolver};

pub use challenge::{Challenge, Method};
pub use sign::Sign;

use page::Door;

/// Look-ups for proofs at a time.
const LOOKS_MAX: usize = 32;
/// For one place.
const LOOK: Duration = Duration::from_secs(5);
/// For what is told beside other things.
const GLANCE: Duration = Duration::from_secs(2);
/// Where web servers are.
const HTTP_PORT: u16 = 80;

/// Looks for proofs.
#[derive(Debug)]
pub struct Prover {
    resolve: Resolve,
    port: u16,
    turns: Semaphore,
}

/// Where a proof was looked for, and what was there instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// In which way.
    pub method: Method,
    /// Where: a name in DNS, or a URL.
    pub at: String,
    /// What was found.
    pub found: Sign,
}

/// Why there is no proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// None was found in any place.
    #[error("no proof was found")]
    NotFound(Vec<Look>),
    /// Too many are looked for at this time.
    #[error("too many proofs are looked for at this time")]
    Busy,
    /// Nobody can be asked for names.
    #[error("names can't be resolved: the system's resolver is not usable")]
    NoResolver,
}

impl Default for Prover {
    fn default() -> Self {
        Self::new(Resolve::default(), None)
    }
}

impl Prover {
    /// One that asks these servers for names, and web servers at this port: 80, but for tests.
    #[must_use]
    pub fn new(resolve: Resolve, port: Option<u16>) -> Self {
        Self { resolve, port: port.unwrap_or(HTTP_PORT), turns: Semaphore::new(LOOKS_MAX) }
    }

    /// The addresses of a name at this moment; `None` where there is no answer.
    pub async fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        let resolver = self.resolve.resolver().ok()?;
        let found = resolver.addresses(&format!("{name}."), 0).await.ok()?;
        Some(found.into_iter().map(|address| address.ip()).collect())
    }

    /// What DNS has now in the place of the tokens of a domain's claims: for each of them `None` where it is there.
    pub async fn seen_in_dns(&self, domain: &str, tokens: &[&str]) -> Vec<Option<Sign>> {
        let name = format!("{}.", Challenge { domain, token: "" }.dns_name());
        let asked = async { self.resolve.resolver().ok()?.texts(&name).await.ok() };
        let texts = timeout(GLANCE, asked).await.ok().flatten();
        let seen = tokens.iter().map(|token| match &texts {
            None => Some(Sign::NoDns),
            Some(texts) if texts.iter().any(|text| Challenge { domain, token }.is_met_by(text)) => None,
            Some(texts) if texts.is_empty() => Some(Sign::NoRecord),
            Some(texts) => Some(Sign::other_texts(texts)),
        });
        seen.collect()
    }

    /// Looks for the proof of a claim, in one way or in all that there are for the domain; the way that it was found in.
    /// Addresses that are not public are connected to only where they are in `allow`. Takes up to five seconds.
    ///
    /// # Errors
    /// [`Unproven`].
    pub async fn prove(
        &self,
        challenge: &Challenge<'_>,
        method: Option<Method>,
        allow: &[IpNet],
    ) -> Result<Method, Unproven> {
        let _turn = self.turns.try_acquire().map_err(|_| Unproven::Busy)?;
        // Made anew: what the system's configuration says of servers may have changed.
        let resolver = self.resolve.resolver().map_err(|error| {
            tracing::warn!(%error, "no resolver for proofs of domains");
            Unproven::NoResolver
        })?;
        let by = |one: Method| method.is_none_or(|wanted| wanted == one);
        let dns = by(Method::Dns).then(|| in_dns(&resolver, challenge));
        let host = challenge.host().filter(|_| by(Method::Http));
        let http = host.map(|host| over_http(&resolver, challenge, Door { host, port: self.port, allow }));
        match (dns, http) {
            (Some(dns), Some(http)) => either(dns, http).await,
            (Some(dns), None) => dns.await.map_err(|look| vec![look]),
            (None, Some(http)) => http.await.map_err(|look| vec![look]),
            (None, None) => Err(Vec::new()),
        }
        .map_err(Unproven::NotFound)
    }
}

/// The first that finds it; what both found otherwise.
async fn either(
    dns: impl Future<Output = Result<Method, Look>>,
    http: impl Future<Output = Result<Method, Look>>,
) -> Result<Method, Vec<Look>> {
    let (mut dns, mut http) = (pin!(dns), pin!(http));
    let (first, second) = tokio::select! {
        first = &mut dns => match first {
            Ok(method) => return Ok(method),
            Err(first) => (first, http.await),
        },
        first = &mut http => match first {
            Ok(method) => return Ok(method),
            Err(first) => (first, dns.await),
        },
    };
    second.map_err(|second| match first.method {
        Method::Dns => vec![first, second],
        Method::Http => vec![second, first],
    })
}

async fn in_dns(resolver: &Resolver, challenge: &Challenge<'_>) -> Result<Method, Look> {
    let at = challenge.dns_name();
    // The dot at its end: the system's search list is not for names of others.
    let name = format!("{at}.");
    let found = match timeout(LOOK, resolver.texts(&name)).await {
        Ok(Ok(texts)) if texts.iter().any(|text| challenge.is_met_by(text)) => return Ok(Method::Dns),
        Ok(Ok(texts)) if texts.is_empty() => Sign::NoRecord,
        Ok(Ok(texts)) => Sign::other_texts(&texts),
        Ok(Err(_)) | Err(_) => Sign::NoDns,
    };
    Err(Look { method: Method::Dns, at, found })
}

async fn over_http(resolver: &Resolver, challenge: &Challenge<'_>, door: Door<'_>) -> Result<Method, Look> {
    let found = match timeout(LOOK, page::fetch(resolver, &door)).await {
        Ok(Ok(page)) if challenge.is_met_by(&page) => return Ok(Method::Http),
        Ok(Ok(page)) => Sign::other_page(&page),
        Ok(Err(sign)) => sign,
        Err(_) => Sign::Late,
    };
    Err(Look { method: Method::Http, at: challenge.url().unwrap_or_default(), found })
}
