//! Fair sharing over hours of virtual time.
//!
//! Seeded discrete-event simulations over the real seats: the gateway's own code, a clock that jumps from event to
//! event, tenants that behave as badly as they can. The same seed gives the same run to the last event. A failure
//! prints its seed; `SEED=17 cargo test --test sim NAME` runs it again, or tries another.

// Tests assert; a panic is how they say no.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod origin;
mod size;
mod tenant;
mod world;

mod backlog;
mod equals;
mod limit;
mod mice;
mod parts;
mod unrest;

/// Runs a scenario with a seed of ours, or with that of `SEED`.
fn seeded(scenario: impl Fn(u64)) {
    let seeds = match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().expect("SEED is a number")],
        Err(_) => vec![1],
    };
    for seed in seeds {
        let told = Told(seed);
        scenario(seed);
        drop(told);
    }
}

/// Tells the seed of a scenario that fails.
struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {0}: run it again with SEED={0}", self.0);
        }
    }
}

/// Jain's index: 1 if all are the same, 1/n if one has all.
fn jain(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().sum();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    sum * sum / (shares.len() as f64 * squares)
}

/// `a` within so many parts of `b`.
#[track_caller]
fn assert_near(a: f64, b: f64, within: f64, what: &str) {
    assert!((a - b).abs() <= within * b, "{what}: {a} is not within {within} of {b}");
}
