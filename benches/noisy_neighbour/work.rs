//! What a request asks of the origin, said by its path: `/10ms` takes ten milliseconds, `/10ms~50` from
//! five to fifteen, each length as likely. So the load alone decides, request by request.

use std::time::Duration;

/// A worker's time for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    mean: Duration,
    spread_percent: u32,
}

impl Work {
    /// The longest work that a path may ask for.
    const MS_MAX: u64 = 10_000;

    /// `None` for a path that asks for no work.
    pub fn of_path(path: &str) -> Option<Self> {
        let text = path.strip_prefix('/')?;
        let (mean, spread) = text.split_once('~').unwrap_or((text, "0"));
        let mean_ms = mean.strip_suffix("ms")?.parse().ok().filter(|ms| *ms <= Self::MS_MAX)?;
        let spread_percent = spread.parse().ok().filter(|percent| *percent <= 100)?;
        Some(Self { mean: Duration::from_millis(mean_ms), spread_percent })
    }

    /// The time that this one request takes.
    pub fn draw(self, random: &mut fastrand::Rng) -> Duration {
        let spread = f64::from(self.spread_percent) / 100.0;
        self.mean.mul_f64(1.0 + spread * (2.0 * random.f64() - 1.0))
    }
}
