//! Quotas, and the store that keeps them.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::Origin;
use crate::types::Rate;

/// How much a tenant may use in a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Its name, unique among a tenant's.
    pub name: String,
    /// What it counts.
    pub meter: Meter,
    /// How much there may be: requests, bytes or microseconds; at least 1, and at most [`Quota::LIMIT_MAX`].
    pub limit: u64,
    /// The window.
    pub window: Window,
    /// The time zone of the window's calendar, where it differs from the tenant's.
    pub time_zone: Option<TimeZone>,
    /// What happens past the limit.
    pub on_exceed: OnExceed,
    /// From how much on it is warned, in the limit's unit.
    pub soft: Option<u64>,
    /// Where it was written.
    pub origin: Origin,
}

/// A counted quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Meter {
    /// Requests.
    Requests,
    /// Bytes of request bodies.
    RequestBytes,
    /// Bytes of response bodies.
    ResponseBytes,
    /// Time upstream, in microseconds.
    UpstreamSeconds,
}

/// A window of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Of the calendar.
    Calendar(CalendarUnit),
    /// The last so long, at any moment.
    Rolling(Duration),
}

/// A stretch of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// What happens past a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExceed {
    /// Requests are refused.
    Reject,
    /// Requests pass at this rate.
    Throttle(Rate),
    /// Requests pass, and are counted.
    Allow,
}

/// What becomes of a request while the store does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnOutage {
    /// The gateway decides by what it knows.
    #[default]
    Local,
    /// It is refused.
    Deny,
}

/// A time zone of the IANA database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeZone(jiff::tz::TimeZone);

/// Where the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreLocation {
    /// In a file. As it was written; in a document, relative to the working directory.
    Sqlite(PathBuf),
    /// In PostgreSQL, which no document has: it is not supported yet.
    Postgres,
}

/// Usage records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metering {
    /// How often what was used is written down.
    pub flush: Duration,
}

impl Quota {
    /// The highest limit: what a JSON number holds exactly.
    pub const LIMIT_MAX: u64 = 1 << 53;
    /// The most quotas of one tenant.
    pub const COUNT_MAX: usize = 8;
}

impl CalendarUnit {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];

    /// The word for it.
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
}

impl TimeZone {
    /// The zone.
    #[must_use]
    pub fn zone(&self) -> &jiff::tz::TimeZone {
        &self.0
    }

    /// The names of all zones.
    #[must_use]
    pub fn names() -> Vec<String> {
        jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect()
    }
}

impl FromStr for TimeZone {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        jiff::tz::TimeZone::get(name).map(Self).map_err(|_| ())
    }
}
