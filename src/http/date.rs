//! When an answer was made (RFC 9110 §6.6.1).

use std::cell::RefCell;
use std::time::UNIX_EPOCH;

use http::HeaderValue;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

use crate::time::turn_wall;

thread_local! {
    /// The second that was last written, and how.
    static WRITTEN: RefCell<(u64, HeaderValue)> = const { RefCell::new((0, HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))) };
}

/// Now, as `Date` has it. Written once a second and thread.
pub(super) fn date() -> HeaderValue {
    date_of(turn_wall().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

fn date_of(second: u64) -> HeaderValue {
    WRITTEN.with_borrow_mut(|(written, value)| {
        let now = i64::try_from(second).ok().and_then(|second| Timestamp::from_second(second).ok());
        if *written != second
            && let Some(text) =
                now.and_then(|now| DateTimePrinter::new().timestamp_to_rfc9110_string(&now).ok())
            && let Ok(text) = HeaderValue::try_from(text)
        {
            (*written, *value) = (second, text);
        }
        value.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_the_rfc_has_it() {
        for _ in 0..2 {
            assert_eq!(date_of(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
            assert_eq!(date_of(1_700_000_000), "Tue, 14 Nov 2023 22:13:20 GMT");
        }
    }
}
