//! Windows against what a wall calendar says.

use jiff::civil::DateTime;
use proptest::prelude::*;

use super::*;

/// Zones with what zones can do: half hours, midnight changes, changes over midnight, skipped days, none at all.
const ZONES: [&str; 11] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "America/Havana",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Africa/Casablanca",
];

const UNITS: [CalendarUnit; 6] = [
    CalendarUnit::Minute,
    CalendarUnit::Hour,
    CalendarUnit::Day,
    CalendarUnit::Week,
    CalendarUnit::Month,
    CalendarUnit::Year,
];

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn ms(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

#[track_caller]
fn assert_period(unit: CalendarUnit, of: &str, at: &str, start: &str, end: &str) {
    let period = Window::Calendar(unit, zone(of)).period(ms(at));
    assert_eq!(period, Period { start_ms: ms(start), end_ms: ms(end) }, "{unit:?} {of} {at}");
}

#[test]
fn calendar_windows_begin_where_the_calendar_says() {
    use CalendarUnit::{Day, Hour, Minute, Month, Week, Year};
    let at = "2025-01-15T12:34:56.789Z";
    assert_period(Minute, "UTC", at, "2025-01-15T12:34:00Z", "2025-01-15T12:35:00Z");
    assert_period(Hour, "UTC", at, "2025-01-15T12:00:00Z", "2025-01-15T13:00:00Z");
    assert_period(Day, "UTC", at, "2025-01-15T00:00:00Z", "2025-01-16T00:00:00Z");
    assert_period(Week, "UTC", at, "2025-01-13T00:00:00Z", "2025-01-20T00:00:00Z");
    assert_period(Month, "UTC", at, "2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z");
    assert_period(Year, "UTC", at, "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
    assert_period(Month, "UTC", "2024-02-29T23:59:59.999Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z");
    assert_period(Month, "UTC", "2024-03-01T00:00:00Z", "2024-03-01T00:00:00Z", "2024-04-01T00:00:00Z");
    assert_period(Day, "Asia/Kolkata", at, "2025-01-14T18:30:00Z", "2025-01-15T18:30:00Z");
    assert_period(Hour, "Asia/Kathmandu", at, "2025-01-15T12:15:00Z", "2025-01-15T13:15:00Z");
}

#[test]
fn days_have_23_24_or_25_hours_and_hours_stay_hours() {
    use CalendarUnit::{Day, Hour};
    let berlin = "Europe/Berlin";
    assert_period(Day, berlin, "2025-03-30T09:00:00Z", "2025-03-29T23:00:00Z", "2025-03-30T22:00:00Z");
    assert_period(Day, berlin, "2025-10-26T09:00:00Z", "2025-10-25T22:00:00Z", "2025-10-26T23:00:00Z");
    // Two o'clock comes twice, and is an hour of its own each time.
    assert_period(Hour, berlin, "2025-10-26T00:59:59Z", "2025-10-26T00:00:00Z", "2025-10-26T01:00:00Z");
    assert_period(Hour, berlin, "2025-10-26T01:00:00Z", "2025-10-26T01:00:00Z", "2025-10-26T02:00:00Z");
    // Half an hour is put back: an hour that is cut short is followed by a whole one, or the other way round.
    let howe = "Australia/Lord_Howe";
    assert_period(Hour, howe, "2025-04-05T14:59:00Z", "2025-04-05T14:00:00Z", "2025-04-05T15:00:00Z");
    assert_period(Hour, howe, "2025-04-05T15:00:00Z", "2025-04-05T15:00:00Z", "2025-04-05T15:30:00Z");
    assert_period(Hour, howe, "2025-04-05T15:30:00Z", "2025-04-05T15:30:00Z", "2025-04-05T16:30:00Z");
}

#[test]
fn odd_days_are_days_too() {
    use CalendarUnit::Day;
    // Midnight did not exist in Sao Paulo; the day began at one.
    assert_period(
        Day,
        "America/Sao_Paulo",
        "2018-11-04T12:00:00Z",
        "2018-11-04T03:00:00Z",
        "2018-11-05T02:00:00Z",
    );
    // Samoa left out 30 December 2011.
    assert_period(
        Day,
        "Pacific/Apia",
        "2011-12-30T09:59:59Z",
        "2011-12-29T10:00:00Z",
        "2011-12-30T10:00:00Z",
    );
    assert_period(
        Day,
        "Pacific/Apia",
        "2011-12-30T10:00:00Z",
        "2011-12-30T10:00:00Z",
        "2011-12-31T10:00:00Z",
    );
    // St John's went back from 00:01 to 23:01 the day before: the new day had begun, and goes on.
    assert_period(
        Day,
        "America/St_Johns",
        "2010-11-07T02:45:00Z",
        "2010-11-07T02:30:00Z",
        "2010-11-08T03:30:00Z",
    );
}

#[test]
fn a_time_beyond_every_calendar_still_has_a_period() {
    for unit in UNITS {
        for at in [i64::MIN / 2, -1, i64::MAX / 2] {
            assert!(Window::Calendar(unit, zone("UTC")).period(at).contains(at));
        }
    }
}

#[test]
fn what_a_rolling_window_gives_back_comes_late_by_a_slot_at_most() {
    let window = Window::rolling(Duration::from_secs(86_400));
    let period = window.period(ms("2025-01-15T12:34:56Z"));
    let released = window.released_ms(period.start_ms, period);
    assert_eq!(released - period.end_ms, 86_400_000);
    assert_eq!(period.end_ms - period.start_ms, 48 * 60_000);
    assert_eq!(window.counts_from_ms(period), period.start_ms - 86_400_000);
}

/// The label on the wall's calendar: which day, week, month or year a moment is in.
fn label(unit: CalendarUnit, shown: DateTime) -> (i64, i64) {
    let date = shown.date();
    match unit {
        CalendarUnit::Day => (i64::from(date.year()), i64::from(date.day_of_year())),
        CalendarUnit::Week => {
            let week = date.iso_week_date();
            (i64::from(week.year()), i64::from(week.week()))
        }
        CalendarUnit::Month => (i64::from(date.year()), i64::from(date.month())),
        _ => (i64::from(date.year()), 0),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Periods follow each other without gap or overlap, whatever a zone does.
    #[test]
    fn every_moment_is_in_exactly_one_period(
        unit in proptest::sample::select(&UNITS[..]), of in proptest::sample::select(&ZONES[..]),
        at in ms("1995-01-01T00:00:00Z")..ms("2045-01-01T00:00:00Z"), share in 0.0..1.0_f64,
    ) {
        let window = Window::Calendar(unit, zone(of));
        let period = window.period(at);
        prop_assert!(period.contains(at));
        let within = period.start_ms + ((period.end_ms - period.start_ms) as f64 * share) as i64;
        let within = within.min(period.end_ms - 1);
        prop_assert_eq!(window.period(within), period);
        prop_assert_eq!(window.period(period.end_ms).start_ms, period.end_ms);
        prop_assert_eq!(window.period(period.start_ms - 1).end_ms, period.start_ms);
        prop_assert!(period.end_ms - period.start_ms <= (unit.nominal_s() + 86_400) * 1_000 + 3_600_000);
    }

    /// A day, week, month or year is what the zone's calendar shows, except around the minute in which a clock was
    /// put back over midnight.
    #[test]
    fn days_to_years_are_those_that_the_zones_calendar_shows(
        unit in proptest::sample::select(&UNITS[2..]), of in proptest::sample::select(&ZONES[..]),
        at in ms("2012-01-01T00:00:00Z")..ms("2045-01-01T00:00:00Z"),
    ) {
        let tz = zone(of);
        let shown = |ms: i64| label(unit, tz.to_datetime(Timestamp::from_millisecond(ms).unwrap()));
        let period = Window::Calendar(unit, tz.clone()).period(at);
        prop_assert_eq!(shown(period.start_ms), shown(at));
        prop_assert_eq!(shown(period.end_ms - 1), shown(at));
        prop_assert_ne!(shown(period.start_ms - 1), shown(at));
        prop_assert_ne!(shown(period.end_ms), shown(at));
    }

    /// Whatever is admitted by counting periods, no stretch of the window's length holds more than the limit.
    #[test]
    fn no_stretch_of_a_rolling_windows_length_holds_more_than_the_limit(
        length_ms in 30_i64..5_000, limit in 1_usize..20, steps in proptest::collection::vec(0_i64..400, 1..300),
    ) {
        let window = Window::rolling(Duration::from_millis(length_ms as u64));
        let (mut now, mut admitted) = (1_000_000_i64, Vec::<i64>::new());
        for step in steps {
            now += step;
            let period = window.period(now);
            let from = window.counts_from_ms(period);
            if admitted.iter().filter(|at| **at >= from).count() < limit {
                admitted.push(now);
            } else {
                // It is not needlessly strict: what counts is not older than all periods together.
                let slot = period.end_ms - period.start_ms;
                let recent = admitted.iter().filter(|at| **at > now - (SLOTS + 1) * slot).count();
                prop_assert!(recent >= limit);
            }
        }
        for first in &admitted {
            let within = admitted.iter().filter(|at| (*first..first + length_ms).contains(at)).count();
            prop_assert!(within <= limit, "{} in one window", within);
        }
    }
}
