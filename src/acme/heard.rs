//! What an authority says beside its problems: how long it wants to be left alone (RFC 8555 §6.6). The ACME crate drops the fields
//! of a refusal, so they are noted where they pass.

use std::cell::Cell;
use std::time::Duration;

use http::{Response, StatusCode, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use tokio::task_local;

use super::{Kind, Trouble};

task_local! {
    static AFTER: Cell<Option<Duration>>;
}

/// Carries something out, and adds to its trouble how long the authority wants to be left alone.
pub(super) async fn listening<T>(work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    let listened = async {
        let outcome = work.await;
        (outcome, AFTER.with(Cell::take))
    };
    let (outcome, after) = AFTER.scope(Cell::new(None), listened).await;
    outcome.map_err(|trouble| match trouble.kind {
        Kind::RateLimited | Kind::Authority => Trouble { after, ..trouble },
        _ => trouble,
    })
}

/// Notes what a response says of that.
pub(super) fn note<B>(response: &Response<B>) {
    if !matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return;
    }
    let said = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let after = said.and_then(|text| read(text, Timestamp::now()));
    // Nobody listens where it does not matter.
    let _ = AFTER.try_with(|noted| noted.set(after));
}

/// Seconds, or a date (RFC 9110 §10.2.3).
fn read(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read() {
        let now: Timestamp = "2026-10-21T07:28:00Z".parse().unwrap();
        assert_eq!(read("120", now), Some(Duration::from_secs(120)));
        assert_eq!(read("Wed, 21 Oct 2026 07:29:00 GMT", now), Some(Duration::from_secs(60)));
        assert_eq!(read("Wed, 21 Oct 2026 07:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(read("soon", now), None);
        assert_eq!(read("-5", now), None);
    }
}
