//! How long requests take.

/// Milliseconds and seconds, in nanoseconds.
pub const MS: u64 = 1_000_000;
pub const S: u64 = 1_000_000_000;

/// The shortest and the longest that a drawn request takes.
const SHORTEST: f64 = MS as f64;
const LONGEST: f64 = 10.0 * S as f64;

/// How long a tenant's requests take, in nanoseconds.
#[derive(Debug, Clone)]
pub enum Size {
    Constant(u64),
    Uniform(u64, u64),
    /// By its mean; no memory.
    Exponential(u64),
    /// By its least and its index: the smaller, the heavier the tail.
    Pareto(u64, f64),
    /// One after the other, over and over: what was learnt last says nothing of what comes next.
    Cycle(Vec<u64>),
    /// One kind for so long, then the other for so long.
    Turning(u64, Box<Size>, Box<Size>),
}

impl Size {
    /// The duration of a tenant's `nth` request, begun now.
    pub fn draw(&self, random: &mut fastrand::Rng, nth: u64, now_ns: u64) -> u64 {
        let drawn = match self {
            Self::Constant(size) => return *size,
            Self::Cycle(sizes) => return sizes[(nth % sizes.len() as u64) as usize],
            Self::Turning(period, one, other) => {
                let size = if (now_ns / period).is_multiple_of(2) { one } else { other };
                return size.draw(random, nth, now_ns);
            }
            Self::Uniform(from, to) => return random.u64(*from..=*to),
            Self::Exponential(mean) => -(1.0 - random.f64()).ln() * *mean as f64,
            Self::Pareto(least, index) => *least as f64 * (1.0 - random.f64()).powf(-1.0 / index),
        };
        drawn.clamp(SHORTEST, LONGEST) as u64
    }
}
