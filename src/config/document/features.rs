//! Features: what of the application a tenant has, from when until when, and for how many of its tenants a plan has it.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time};
use jiff::{Timestamp, tz};

use super::{Document, Plan, Tenant};

/// A feature, as a plan or a tenant has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name.
    pub name: String,
    /// Whether it is had at all: a tenant may do without one of its plan's.
    pub enabled: bool,
    /// How many of a hundred tenants have it.
    pub percent: u8,
    /// From when on it is had.
    pub from: Option<Moment>,
    /// From when on it is not had any more.
    pub until: Option<Moment>,
}

impl Feature {
    /// The most that a plan or a tenant may have.
    pub const COUNT_MAX: usize = 100;
    /// The part of tenants that is all of them.
    pub const ALL: u8 = 100;

    /// Whether it is had always and by everyone, so that its name says it all.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.enabled && self.percent == Self::ALL && self.from.is_none() && self.until.is_none()
    }

    /// Whether some tenant may have it at some time.
    #[must_use]
    pub fn may_be_had(&self) -> bool {
        self.enabled && self.percent > 0
    }

    /// Whether it depends on whose time it is.
    #[must_use]
    pub fn is_local(&self) -> bool {
        [self.from, self.until].iter().any(|moment| matches!(moment, Some(Moment::Local(_))))
    }
}

impl Document {
    /// The features that a tenant may have: its plan's, of which its own replace those of the same name, then its own others.
    #[must_use]
    pub fn features_of<'d>(&'d self, tenant: &'d Tenant) -> Vec<&'d Feature> {
        over(self.plan_of(tenant), &tenant.features)
    }

    /// Whether a tenant may have a feature at some time.
    #[must_use]
    pub fn may_have_feature(&self, tenant: &Tenant, name: &str) -> bool {
        let features = over(self.plan_of(tenant), &tenant.features);
        features.iter().any(|feature| feature.name == name && feature.may_be_had())
    }
}

fn over<'d>(plan: Option<&'d Plan>, own: &'d [Feature]) -> Vec<&'d Feature> {
    let of_plan = plan.map(|plan| plan.features.as_slice()).unwrap_or_default();
    let replaced = |feature: &'d Feature| own.iter().find(|own| own.name == feature.name).unwrap_or(feature);
    let added = own.iter().filter(|own| of_plan.iter().all(|feature| feature.name != own.name));
    of_plan.iter().map(replaced).chain(added).collect()
}

/// A moment, as operators write it: the same for everyone, or of each tenant's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// With its offset from UTC: `2026-12-01T09:00:00+01:00`.
    Instant(Timestamp),
    /// What the tenant's clock and calendar show: `2026-12-01`, its first instant, or `2026-12-01T09:00`.
    Local(DateTime),
}

impl Moment {
    /// In milliseconds since 1970, where a time zone's clocks count.
    #[must_use]
    pub fn unix_ms(&self, zone: &tz::TimeZone) -> i64 {
        match self {
            Self::Instant(instant) => instant.as_millisecond(),
            // A clock that is turned forward does not show it: then it is as if it had not been turned.
            Self::Local(shown) => zone.to_timestamp(*shown).map_or(i64::MAX, Timestamp::as_millisecond),
        }
    }

    /// Whether it can be told for sure that another one is not later.
    #[must_use]
    pub fn is_not_before(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Instant(own), Self::Instant(other)) => own >= other,
            (Self::Local(own), Self::Local(other)) => own >= other,
            _ => false,
        }
    }
}

impl FromStr for Moment {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Ok(instant) = text.parse::<Timestamp>() {
            return Ok(Self::Instant(instant));
        }
        // A zone's name in brackets, or half of an offset, is not what a local time ends with.
        let is_local =
            text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b':' | b'T' | b't' | b' '));
        let (date, time) = text.split_at_checked(10).filter(|_| is_local).ok_or(())?;
        let date: Date = date.parse().map_err(|_| ())?;
        if time.is_empty() {
            return Ok(Self::Local(date.to_datetime(Time::midnight())));
        }
        let time = time.strip_prefix(['T', 't', ' ']).ok_or(())?;
        let time = Some(time).filter(|time| time.contains(':') && !time.contains('-')).ok_or(())?;
        Ok(Self::Local(date.to_datetime(time.parse().map_err(|_| ())?)))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instant(instant) => instant.fmt(f),
            Self::Local(shown) if shown.time() == Time::midnight() => shown.date().fmt(f),
            Self::Local(shown) => shown.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Option<Moment> {
        text.parse().ok()
    }

    #[test]
    fn a_moment_is_everyones_or_the_tenants() {
        let berlin = tz::TimeZone::get("Europe/Berlin").unwrap();
        let in_utc = |text: &str| {
            let ms = moment(text).unwrap().unix_ms(&berlin);
            Timestamp::from_millisecond(ms).unwrap().to_string()
        };
        assert_eq!(in_utc("2026-12-01"), "2026-11-30T23:00:00Z");
        assert_eq!(in_utc("2026-07-01T09:30"), "2026-07-01T07:30:00Z");
        assert_eq!(in_utc("2026-12-01T09:30:15Z"), "2026-12-01T09:30:15Z");
        assert_eq!(in_utc("2026-12-01T09:30:00+05:00"), "2026-12-01T04:30:00Z");
        assert_eq!(in_utc("2026-03-29T02:30"), "2026-03-29T01:30:00Z", "the hour that is left out");
    }

    #[test]
    fn what_is_shown_is_the_same_moment() {
        for text in ["2026-12-01", "2026-12-01T09:00:00", "2026-12-01T09:00:00Z", "2026-12-01T09:00:00.5Z"] {
            let moment = moment(text).unwrap();
            assert_eq!((moment.to_string().as_str(), moment.to_string().parse()), (text, Ok(moment)));
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "tomorrow",
            "2026",
            "2026-12",
            "2026-13-01",
            "2026-02-30",
            "01.12.2026",
            "2026-12-01T25:00",
            "2026-12-01T09:00+99:00",
            "2026-12-01T09:00[Europe/Berlin]",
            "2026-12-01T",
            "2026-12-01x09:00",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn moments_compare_where_both_are_of_a_kind() {
        let is_not_before = |a: &str, b: &str| moment(a).unwrap().is_not_before(&moment(b).unwrap());
        assert!(is_not_before("2026-12-02", "2026-12-01"));
        assert!(is_not_before("2026-12-01", "2026-12-01"));
        assert!(!is_not_before("2026-12-01", "2026-12-02"));
        assert!(is_not_before("2026-12-01T00:00:00Z", "2026-12-01T00:00:00+01:00"));
        assert!(!is_not_before("2026-12-02", "2026-12-01T00:00:00Z"), "that depends on the tenant");
    }
}
