//! From quotas as documents have them to quotas as they run.

use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;

use crate::admission::quota::{self, QuotaSpec};
use crate::config::{CalendarUnit, Document, Meter, OnExceed, OnOutage, Quota, Tenant, Window};

/// The quotas of tenants. Those of a plan are made once for all that are alike, and there are few kinds of
/// these: a time zone and a policy each.
#[derive(Debug, Default)]
pub(super) struct QuotaSpecs {
    of_plans: Mutex<HashMap<Kind, Arc<QuotaSpec>>>,
}

/// Plan, quota, time zone, what happens in an outage.
type Kind = (String, String, String, &'static str);

impl QuotaSpecs {
    /// A tenant's quotas, in their order.
    pub(super) fn of(&self, document: &Document, tenant: &Tenant) -> Vec<Arc<QuotaSpec>> {
        let on_outage = on_outage(document.on_outage_of(tenant));
        let quotas = document.quotas_of(tenant).into_iter();
        quotas
            .map(|written| {
                let zone = written.time_zone.as_ref().or(tenant.time_zone.as_ref()).map(|zone| zone.zone());
                let of_plan = !tenant.limits.quotas.iter().any(|own| own.name == written.name);
                let plan = tenant.plan.as_ref().filter(|_| of_plan);
                let Some(plan) = plan else { return Arc::new(spec(written, zone, on_outage)) };
                let zone_name = zone.and_then(|zone| zone.iana_name()).unwrap_or_default();
                let kind = (plan.clone(), written.name.clone(), zone_name.to_owned(), on_outage.as_str());
                let mut of_plans = self.of_plans.lock().unwrap_or_else(PoisonError::into_inner);
                let shared = of_plans.entry(kind);
                Arc::clone(shared.or_insert_with(|| Arc::new(spec(written, zone, on_outage))))
            })
            .collect()
    }
}

fn spec(written: &Quota, zone: Option<&jiff::tz::TimeZone>, on_outage: quota::OnOutage) -> QuotaSpec {
    let meter = match written.meter {
        Meter::Requests => quota::Meter::Requests,
        Meter::RequestBytes => quota::Meter::RequestBytes,
        Meter::ResponseBytes => quota::Meter::ResponseBytes,
        Meter::UpstreamSeconds => quota::Meter::UpstreamSeconds,
    };
    let window = match written.window {
        Window::Calendar(unit) => {
            quota::Window::Calendar(calendar_unit(unit), zone.cloned().unwrap_or(jiff::tz::TimeZone::UTC))
        }
        Window::Rolling(length) => quota::Window::rolling(length),
    };
    QuotaSpec {
        name: written.name.as_str().into(),
        label: QuotaSpec::label(&written.name, meter, written.limit, &window),
        meter,
        limit: written.limit,
        window,
        on_exceed: match written.on_exceed {
            OnExceed::Reject => quota::OnExceed::Reject,
            OnExceed::Allow => quota::OnExceed::Allow,
            // The rate's count is never zero.
            OnExceed::Throttle(rate) => quota::OnExceed::Throttle(quota::Throttle::new(
                rate.count.try_into().unwrap_or(std::num::NonZeroU32::MIN),
                rate.period,
            )),
        },
        soft: written.soft,
        on_outage,
    }
}

fn on_outage(policy: OnOutage) -> quota::OnOutage {
    match policy {
        OnOutage::Local => quota::OnOutage::Local,
        OnOutage::Deny => quota::OnOutage::Deny,
    }
}

fn calendar_unit(unit: CalendarUnit) -> quota::CalendarUnit {
    match unit {
        CalendarUnit::Minute => quota::CalendarUnit::Minute,
        CalendarUnit::Hour => quota::CalendarUnit::Hour,
        CalendarUnit::Day => quota::CalendarUnit::Day,
        CalendarUnit::Week => quota::CalendarUnit::Week,
        CalendarUnit::Month => quota::CalendarUnit::Month,
        CalendarUnit::Year => quota::CalendarUnit::Year,
    }
}
