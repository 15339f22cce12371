//! What keeps a connection beyond its age: a request that has a deadline of its own for every step.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;
use tokio::sync::watch;

/// The connection of a request, to be asked to stay. Requests that came over no connection, in a test, stay nowhere.
#[derive(Debug, Clone, Default)]
pub(super) struct Stay(watch::Sender<usize>);

/// Keeps the connection until it is dropped.
#[derive(Debug)]
pub(super) struct Staying(watch::Sender<usize>);

impl Stay {
    /// Keeps the connection from now on.
    pub(super) fn begin(&self) -> Staying {
        self.0.send_modify(|count| *count += 1);
        Staying(self.0.clone())
    }

    /// Resolves when nothing keeps the connection.
    pub(super) async fn over(&self) {
        // The sender is held here, so that there is an end to wait for.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Drop for Staying {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

impl<S: Sync> FromRequestParts<S> for Stay {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_over_when_the_last_has_gone() {
        let stay = Stay::default();
        stay.over().await;
        let (one, other) = (stay.begin(), stay.clone().begin());
        drop(one);
        let waiting = stay.over();
        tokio::pin!(waiting);
        tokio::select! {
            biased;
            () = &mut waiting => panic!("one stays"),
            () = tokio::task::yield_now() => {}
        }
        drop(other);
        waiting.await;
    }
}
