//! Orders of other processes: what an authority is answered for them is asked for where all of them can find it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::sign::CertifiedKey;

use super::challenges::{Challenges, WELL_KNOWN, challenge_certificate};

/// What is waited for.
pub type Seeking<T> = Pin<Box<dyn Future<Output = Option<T>> + Send>>;

/// What a name's authority is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// What it asks for.
    pub token: Box<str>,
    /// What it is answered (RFC 8555 §8.1).
    pub key_authorization: Box<str>,
}

/// Whoever knows of the orders of others.
pub trait Elsewhere: Send + Sync + fmt::Debug {
    /// What the authority of a name is answered; `None` where it is not to be asked for now.
    fn proof(&self, name: &str) -> Option<Seeking<Proof>>;
}

impl Challenges {
    /// What a path of a host is answered with, where it may be that of a token of another process's order. Costs a comparison for every
    /// other path.
    #[must_use]
    pub fn seek_page(&self, host: Option<&str>, path: &str) -> Option<Seeking<Arc<str>>> {
        let token = path.strip_prefix(WELL_KNOWN)?;
        let proof = self.elsewhere()?.proof(&host?.to_ascii_lowercase())?;
        let token: Box<str> = token.into();
        Some(Box::pin(async move {
            let proof = proof.await.filter(|proof| proof.token == token)?;
            Some(proof.key_authorization.into())
        }))
    }

    /// What a name is shown in a handshake of an authority that another process's order has brought.
    #[must_use]
    pub fn seek_certificate(&self, name: &str) -> Option<Seeking<Arc<CertifiedKey>>> {
        let proof = self.elsewhere()?.proof(name)?;
        let name = name.to_owned();
        Some(Box::pin(async move {
            let proof = proof.await?;
            let digest = digest(&SHA256, proof.key_authorization.as_bytes());
            challenge_certificate(&name, digest.as_ref()).ok().map(Arc::new)
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::sync::Weak;

    use super::*;

    #[derive(Debug)]
    struct One;

    impl Elsewhere for One {
        fn proof(&self, name: &str) -> Option<Seeking<Proof>> {
            let proof = Proof { token: "token".into(), key_authorization: "token.thumb".into() };
            (name == "a.test").then(|| Box::pin(ready(Some(proof))) as _)
        }
    }

    #[test]
    fn what_others_order_is_found_for_its_host_and_token_alone() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let page = |challenges: &Challenges, host, path: &str| {
            challenges.seek_page(host, path).and_then(|seeking| runtime.block_on(seeking))
        };
        let challenges = Challenges::default();
        let path = format!("{WELL_KNOWN}token");
        assert_eq!(page(&challenges, Some("a.test"), &path), None);
        let one = Arc::new(One);
        let weak: Weak<One> = Arc::downgrade(&one);
        challenges.seek_at(weak);
        assert_eq!(page(&challenges, Some("A.test"), &path).as_deref(), Some("token.thumb"));
        for (host, path) in [
            (Some("b.test"), &*path),
            (None, &path),
            (Some("a.test"), "/token"),
            (Some("a.test"), WELL_KNOWN),
        ] {
            assert_eq!(page(&challenges, host, path), None, "{host:?} {path}");
        }
        let shown =
            challenges.seek_certificate("a.test").and_then(|seeking| runtime.block_on(seeking)).unwrap();
        let expected = digest(&SHA256, b"token.thumb");
        assert!(shown.cert[0].windows(32).any(|window| window == expected.as_ref()));
        drop(one);
        assert_eq!(page(&challenges, Some("a.test"), &path), None, "nobody is left to be asked");
    }
}
