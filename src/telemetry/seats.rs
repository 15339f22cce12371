//! What is shown of pools' seats. Nothing is recorded: seats tell how they stand when they are looked at.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use prometheus::proto::MetricFamily;

use super::families::{self, Family, Source};
use super::pools::PoolTable;
use super::tenants::TenantTable;
use crate::types::TenantId;

/// How a pool's seats stand.
pub trait SeatReading: Debug + Send + Sync {
    /// How many there are; `None`: as many as are wanted.
    fn limit(&self) -> Option<u32>;
    /// How many are in use.
    fn in_use(&self) -> u32;
    /// How many long-lived streams there are beside them.
    fn streams(&self) -> u32;
    /// Jain's index over the tenants that are backlogged.
    fn fairness(&self) -> f64;
    /// The tenants of whom requests wait, and how many.
    fn depths(&self, tell: &mut dyn FnMut(&TenantId, u32));
}

/// Reads the seats of all pools.
pub(super) struct SeatSource {
    pub(super) pools: Arc<PoolTable>,
    pub(super) tenants: Arc<TenantTable>,
}

impl Source for SeatSource {
    fn families() -> &'static [&'static Family] {
        static FAMILIES: [&Family; 5] = [
            &families::POOL_SEATS,
            &families::POOL_SEATS_IN_USE,
            &families::POOL_STREAMS,
            &families::POOL_FAIRNESS,
            &families::QUEUE_DEPTH,
        ];
        &FAMILIES
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (mut seats, mut in_use, mut streams) = (Vec::new(), Vec::new(), Vec::new());
        let (mut fairness, mut depths) = (Vec::new(), Vec::new());
        for (name, reading) in self.pools.seats() {
            let pool = &[&*name];
            if let Some(limit) = reading.limit() {
                seats.push(families::POOL_SEATS.value(pool, f64::from(limit)));
                fairness.push(families::POOL_FAIRNESS.value(pool, reading.fairness()));
            }
            in_use.push(families::POOL_SEATS_IN_USE.value(pool, f64::from(reading.in_use())));
            streams.push(families::POOL_STREAMS.value(pool, f64::from(reading.streams())));
            for (tenant, depth) in self.depths(&*reading) {
                depths.push(families::QUEUE_DEPTH.value(&[&tenant, &name], depth as f64));
            }
        }
        vec![
            families::POOL_SEATS.of(seats),
            families::POOL_SEATS_IN_USE.of(in_use),
            families::POOL_STREAMS.of(streams),
            families::POOL_FAIRNESS.of(fairness),
            families::QUEUE_DEPTH.of(depths),
        ]
    }
}

impl SeatSource {
    /// Waiting requests by label: tenants without series of their own are told together.
    fn depths(&self, reading: &dyn SeatReading) -> BTreeMap<String, u64> {
        let mut waiting: Vec<(TenantId, u32)> = Vec::new();
        reading.depths(&mut |tenant, depth| waiting.push((tenant.clone(), depth)));
        let mut depths = BTreeMap::from([(TenantTable::OTHER.to_owned(), 0)]);
        for (label, depth) in self.tenants.labels(waiting) {
            *depths.entry(label).or_default() += u64::from(depth);
        }
        depths
    }
}
