//! When a request's time is up: by the route's timeout or the pool's, or the client's own where that is shorter.

use std::time::Duration;

use tokio::time::Instant;

use crate::http::timeouts::Timeouts;

/// The end of a request's time.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expiry {
    /// When; `None`: never.
    pub(super) at: Option<Instant>,
    by_client: bool,
}

impl Expiry {
    /// A client can shorten its request's time, never lengthen it.
    pub(super) fn new(
        started: Instant,
        route: Option<Duration>,
        pool: Option<Duration>,
        client: &Timeouts,
    ) -> Self {
        let gateway = route.into_iter().chain(pool).min();
        let gateway = gateway.and_then(|timeout| started.checked_add(timeout));
        let client = client.shortest().and_then(|timeout| started.checked_add(timeout));
        match (gateway, client) {
            (Some(gateway), Some(client)) if gateway <= client => {
                Self { at: Some(gateway), by_client: false }
            }
            (_, Some(client)) => Self { at: Some(client), by_client: true },
            (gateway, None) => Self { at: gateway, by_client: false },
        }
    }

    /// Whether it is over because the client wanted it so: then an endpoint's silence says nothing of the endpoint.
    pub(super) fn is_clients_and_over(&self) -> bool {
        self.by_client && self.at.is_some_and(|at| at <= Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue};

    fn expiry(started: Instant, route: Option<u64>, client: Option<&'static str>) -> Expiry {
        let mut fields = HeaderMap::new();
        if let Some(client) = client {
            fields.insert("x-request-timeout", HeaderValue::from_static(client));
        }
        Expiry::new(started, route.map(Duration::from_secs), None, &Timeouts::of(&fields))
    }

    #[test]
    fn a_client_can_only_shorten() {
        let started = Instant::now();
        let at = |s| Some(started + Duration::from_secs(s));
        assert_eq!(expiry(started, None, None), Expiry::default());
        assert_eq!(expiry(started, Some(5), None), Expiry { at: at(5), by_client: false });
        assert_eq!(expiry(started, Some(5), Some("9")), Expiry { at: at(5), by_client: false });
        assert_eq!(expiry(started, Some(5), Some("2")), Expiry { at: at(2), by_client: true });
        assert_eq!(expiry(started, None, Some("2")), Expiry { at: at(2), by_client: true });
    }

    #[test]
    fn the_pool_and_the_route_shorten_each_other() {
        let (started, none) = (Instant::now(), Timeouts::default());
        let of = |route: Option<u64>, pool: Option<u64>| {
            let [route, pool] = [route, pool].map(|seconds| seconds.map(Duration::from_secs));
            Expiry::new(started, route, pool, &none).at.map(|at| (at - started).as_secs())
        };
        assert_eq!(
            (of(Some(5), Some(2)), of(Some(2), Some(5)), of(None, Some(2))),
            (Some(2), Some(2), Some(2))
        );
        assert_eq!(of(None, None), None);
    }

    #[test]
    fn only_a_clients_own_expiry_is_held_against_it() {
        let started = Instant::now();
        assert!(expiry(started, Some(5), Some("0")).is_clients_and_over());
        assert!(!expiry(started, Some(0), Some("5")).is_clients_and_over());
        assert!(!expiry(started, Some(50), Some("5")).is_clients_and_over());
    }
}
