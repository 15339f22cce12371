//! Windows of time: the calendar's, in a time zone, and rolling ones.
//!
//! A window is counted in *periods*: half-open stretches of time that follow each other without a gap, so that
//! every moment is in exactly one. A window of the calendar is one period. A rolling window of length `D` is cut
//! into [`SLOTS`] periods of `D / SLOTS` (rounded up), on a grid that starts at the epoch, and counts the present
//! period and the `SLOTS` before it. That makes it exact in the direction that matters: any stretch of length `D`,
//! wherever it begins, touches at most `SLOTS + 1` periods in a row, and these together never hold more than the
//! limit. The price is that a unit comes back up to `D / SLOTS` late: after 24 h 48 min instead of 24 h. State
//! is bounded: one number a period, however many requests there were.
//!
//! Days, weeks, months and years begin at the first moment of their first day in the time zone, so a day can have
//! 23 or 25 hours, and one that a country skipped has none. Hours and minutes begin when the zone's clock shows a
//! full one. Where the clock is put forward or back in between, the period ends there and another begins.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// How many periods a rolling window has.
pub const SLOTS: i64 = 30;

/// A stretch of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CalendarUnit {
    /// From the full minute.
    Minute,
    /// From the full hour.
    Hour,
    /// From midnight.
    Day,
    /// From Monday.
    Week,
    /// From the first.
    Month,
    /// From January the first.
    Year,
}

/// A window of time that a quota counts in.
#[derive(Debug, Clone, PartialEq)]
pub enum Window {
    /// Of the calendar in a time zone.
    Calendar(CalendarUnit, TimeZone),
    /// The last so many milliseconds, at any moment.
    Rolling {
        /// Its length.
        length_ms: i64,
    },
}

/// A stretch of time that is counted as one: from `start_ms` to just before `end_ms`, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    /// Its first moment.
    pub start_ms: i64,
    /// The first moment after it.
    pub end_ms: i64,
}

impl Period {
    /// Whether a moment is in it.
    #[must_use]
    pub fn contains(&self, unix_ms: i64) -> bool {
        (self.start_ms..self.end_ms).contains(&unix_ms)
    }
}

impl CalendarUnit {
    /// The word for it in configurations.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// Its usual length, in seconds; a month's is 30 days.
    #[must_use]
    pub fn nominal_s(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
            Self::Week => 7 * 86_400,
            Self::Month => 30 * 86_400,
            Self::Year => 365 * 86_400,
        }
    }

    /// The first day of the stretch that a day is in.
    fn first_day(self, day: Date) -> Date {
        match self {
            Self::Week => {
                let since_monday = i64::from(day.weekday().to_monday_zero_offset());
                day.saturating_sub(jiff::Span::new().days(since_monday))
            }
            Self::Month => day.first_of_month(),
            Self::Year => day.first_of_year(),
            _ => day,
        }
    }

    /// The first day of the stretch after the one that begins on that day.
    fn next_first_day(self, first: Date) -> Date {
        let span = jiff::Span::new();
        first.saturating_add(match self {
            Self::Week => span.weeks(1),
            Self::Month => span.months(1),
            Self::Year => span.years(1),
            _ => span.days(1),
        })
    }
}

impl Window {
    /// A rolling window; at least [`SLOTS`] milliseconds long.
    #[must_use]
    pub fn rolling(length: Duration) -> Self {
        Self::Rolling { length_ms: i64::try_from(length.as_millis()).unwrap_or(i64::MAX / 4).max(SLOTS) }
    }

    /// The period that a moment is in.
    #[must_use]
    pub fn period(&self, unix_ms: i64) -> Period {
        match self {
            Self::Rolling { length_ms } => {
                let slot_ms = slot_ms(*length_ms);
                let start_ms = unix_ms.div_euclid(slot_ms).saturating_mul(slot_ms);
                Period { start_ms, end_ms: start_ms.saturating_add(slot_ms) }
            }
            Self::Calendar(unit, zone) => {
                calendar(*unit, zone, unix_ms).unwrap_or_else(|| nominal(*unit, unix_ms))
            }
        }
    }

    /// The start of the oldest period whose units count in the same window as this period's.
    #[must_use]
    pub fn counts_from_ms(&self, period: Period) -> i64 {
        match self {
            Self::Calendar(..) => period.start_ms,
            Self::Rolling { length_ms } => {
                period.start_ms.saturating_sub(slot_ms(*length_ms).saturating_mul(SLOTS))
            }
        }
    }

    /// When units of a period stop counting.
    #[must_use]
    pub fn released_ms(&self, start_ms: i64, period: Period) -> i64 {
        match self {
            Self::Calendar(..) => period.end_ms,
            Self::Rolling { length_ms } => {
                start_ms.saturating_add(slot_ms(*length_ms).saturating_mul(SLOTS + 1))
            }
        }
    }

    /// Whether it moves with the time, and does not begin anew.
    #[must_use]
    pub fn is_rolling(&self) -> bool {
        matches!(self, Self::Rolling { .. })
    }

    /// How many periods are kept, so that a clock that was put back finds what was used: a rolling window and
    /// its like again, an hour of minutes, three of the rest.
    #[must_use]
    pub fn kept_periods(&self) -> u32 {
        match self {
            Self::Rolling { .. } => 2 * (SLOTS as u32 + 1),
            Self::Calendar(CalendarUnit::Minute, _) => 60,
            Self::Calendar(CalendarUnit::Hour, _) => 25,
            Self::Calendar(..) => 3,
        }
    }

    /// Its length in whole seconds, a month as 30 days: the `w` of `RateLimit-Policy`.
    #[must_use]
    pub fn nominal_s(&self) -> u64 {
        let seconds = match self {
            Self::Calendar(unit, _) => unit.nominal_s(),
            Self::Rolling { length_ms } => length_ms.saturating_add(999) / 1_000,
        };
        u64::try_from(seconds).unwrap_or(1)
    }

    /// What tells it from other windows, in the store: `month Europe/Berlin`, `rolling 86400000ms`.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Calendar(unit, zone) => {
                format!("{} {}", unit.as_str(), zone.iana_name().unwrap_or("UTC"))
            }
            Self::Rolling { length_ms } => format!("rolling {length_ms}ms"),
        }
    }
}

fn slot_ms(length_ms: i64) -> i64 {
    length_ms.saturating_add(SLOTS - 1) / SLOTS
}

/// `None` for moments that no calendar has (beyond the year 9999).
fn calendar(unit: CalendarUnit, zone: &TimeZone, unix_ms: i64) -> Option<Period> {
    let at = Timestamp::from_millisecond(unix_ms).ok()?;
    let period = match unit {
        CalendarUnit::Minute | CalendarUnit::Hour => by_the_clock(unit, zone, at),
        _ => by_the_date(unit, zone, at)?,
    };
    period.contains(unix_ms).then_some(period)
}

/// Between two changes of the zone's offset, minutes and hours are a regular grid.
fn by_the_clock(unit: CalendarUnit, zone: &TimeZone, at: Timestamp) -> Period {
    let unix_ms = at.as_millisecond();
    let length_ms = unit.nominal_s() * 1_000;
    let offset_ms = i64::from(zone.to_offset(at).seconds()) * 1_000;
    let start_ms = (unix_ms + offset_ms).div_euclid(length_ms) * length_ms - offset_ms;
    let end_ms = start_ms + length_ms;
    // A change at this very moment is the one that it is behind.
    let just_after = Timestamp::from_millisecond(unix_ms + 1).unwrap_or(at);
    let before = zone.preceding(just_after).next().map(|change| change.timestamp().as_millisecond());
    let after = zone.following(at).next().map(|change| change.timestamp().as_millisecond());
    Period {
        start_ms: before.map_or(start_ms, |before| start_ms.max(before)),
        end_ms: after.map_or(end_ms, |after| end_ms.min(after)),
    }
}

/// The last boundary that is not after the moment. The date that the clock shows is where the search begins
/// only: a clock put back over midnight shows the day before again, after that day has ended.
fn by_the_date(unit: CalendarUnit, zone: &TimeZone, at: Timestamp) -> Option<Period> {
    let boundary = |day: Date| -> Option<i64> {
        Some(zone.to_ambiguous_timestamp(day.at(0, 0, 0, 0)).compatible().ok()?.as_millisecond())
    };
    let mut first = unit.first_day(zone.to_datetime(at).date());
    let mut start_ms = boundary(first)?;
    while start_ms > at.as_millisecond() {
        first = unit.first_day(first.yesterday().ok()?);
        start_ms = boundary(first)?;
    }
    loop {
        let next = unit.next_first_day(first);
        if next == first {
            return None;
        }
        let end_ms = boundary(next)?;
        if at.as_millisecond() < end_ms {
            return Some(Period { start_ms, end_ms });
        }
        (first, start_ms) = (next, end_ms);
    }
}

fn nominal(unit: CalendarUnit, unix_ms: i64) -> Period {
    let length_ms = unit.nominal_s() * 1_000;
    let start_ms = unix_ms.div_euclid(length_ms).saturating_mul(length_ms);
    Period { start_ms, end_ms: start_ms.saturating_add(length_ms) }
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
