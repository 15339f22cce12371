//! When something is tried again, and when a certificate is renewed. Pure.

use std::time::Duration;

/// A minute, in milliseconds.
const MINUTE_MS: i64 = 60_000;
/// The first pause after a failure. With it there are five attempts in the first hour: Let's Encrypt allows five failures of a name in an hour.
const PAUSE_MS: i64 = 2 * MINUTE_MS;
/// The longest pause after a failure of a name.
const PAUSE_MAX_MS: i64 = 12 * 60 * MINUTE_MS;
/// The longest pause after a failure that was none of the name's.
const GENERAL_MAX_MS: i64 = 30 * MINUTE_MS;

/// How long it is waited after this many failures without a success between them: doubled with each, by up to a quarter more or less, so that
/// names that failed together don't come back together. `dice` is from 0 to 1.
#[must_use]
pub fn pause_ms(failures: u32, is_general: bool, dice: f64) -> i64 {
    let max = if is_general { GENERAL_MAX_MS } else { PAUSE_MAX_MS };
    let doubled = PAUSE_MS.saturating_mul(1_i64 << failures.saturating_sub(1).min(20));
    scaled(doubled.min(max), 0.75 + 0.5 * dice.clamp(0.0, 1.0))
}

/// How long it is waited where the authority has said how long: not shorter, and by up to a tenth longer, but ten minutes at most, so that
/// those that it has turned away together don't come back together.
#[must_use]
pub fn after_ms(after: Duration, dice: f64) -> i64 {
    let after_ms = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
    after_ms.saturating_add(scaled((after_ms / 10).min(10 * MINUTE_MS), dice.clamp(0.0, 1.0)))
}

/// When a certificate is renewed that the authority says nothing of: at two thirds of its life, or by up to a twentieth of it earlier.
#[must_use]
pub fn renew_ms(not_before_ms: i64, not_after_ms: i64, dice: f64) -> i64 {
    let life = not_after_ms.saturating_sub(not_before_ms).max(0);
    not_before_ms.saturating_add(scaled(life, 2.0 / 3.0 - dice.clamp(0.0, 1.0) / 20.0))
}

/// When a certificate is renewed for which the authority has suggested this window (RFC 9773 §4.2): at a moment in it that is chosen at random.
/// A window that begins after the certificate's end is not believed.
#[must_use]
pub fn within_window_ms(start_ms: i64, end_ms: i64, not_after_ms: i64, dice: f64) -> Option<i64> {
    let at = start_ms.saturating_add(scaled(end_ms.saturating_sub(start_ms).max(0), dice.clamp(0.0, 1.0)));
    (at < not_after_ms).then_some(at)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
fn scaled(span_ms: i64, by: f64) -> i64 {
    (span_ms as f64 * by) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_are_spread() {
        assert_eq!(pause_ms(1, false, 0.5), PAUSE_MS);
        assert_eq!(pause_ms(2, false, 0.5), 2 * PAUSE_MS);
        assert_eq!(pause_ms(4, false, 0.5), 8 * PAUSE_MS);
        assert_eq!(pause_ms(40, false, 0.5), PAUSE_MAX_MS);
        assert_eq!(pause_ms(u32::MAX, true, 0.5), GENERAL_MAX_MS);
        assert!(pause_ms(1, false, 0.0) < PAUSE_MS && pause_ms(1, false, 1.0) > PAUSE_MS);
        // The authority's own bound on failures of one name.
        let in_first_hour = (1..).scan(0, |at, failures| {
            *at += pause_ms(failures, false, 0.5);
            (*at < 60 * MINUTE_MS).then_some(*at)
        });
        assert_eq!(1 + in_first_hour.count(), 5);
    }

    #[test]
    fn what_the_authority_asks_for_is_never_undercut() {
        let hour = Duration::from_secs(3_600);
        assert_eq!(after_ms(hour, 0.0), 60 * MINUTE_MS);
        assert_eq!(after_ms(hour, 1.0), 66 * MINUTE_MS);
        assert_eq!(after_ms(hour * 1_000, 1.0), 60_010 * MINUTE_MS);
        assert_eq!(after_ms(Duration::ZERO, 0.5), 0);
    }

    #[test]
    fn renewal_is_at_two_thirds_of_life_or_a_little_before() {
        let day = 24 * 60 * MINUTE_MS;
        let hours = |dice| renew_ms(0, 90 * day, dice) * 24 / day;
        assert!((1_439..=1_440).contains(&hours(0.0)), "{}", hours(0.0));
        assert!((1_331..=1_332).contains(&hours(1.0)), "{}", hours(1.0));
        assert_eq!(renew_ms(5, 0, 0.3), 5);
    }

    #[test]
    fn a_window_is_believed_if_it_begins_before_the_end() {
        assert_eq!(within_window_ms(100, 200, 1_000, 0.5), Some(150));
        assert_eq!(within_window_ms(200, 100, 1_000, 0.5), Some(200));
        assert_eq!(within_window_ms(2_000, 3_000, 1_000, 0.5), None);
    }
}
