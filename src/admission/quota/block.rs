//! How many units are reserved at once.
//!
//! A block costs one transaction of the store, and a crash forfeits what is left of it. So a block is what the
//! tenant uses in about half a second: it doubles when the last one was used up sooner than [`SHORT`], and halves when
//! it lasted longer than [`LONG`]. It is never more than a hundredth of the limit nor an eighth of what is left, so that
//! the last units are handed out one by one and the limit is reached exactly.

use std::time::Duration;

/// A block that lasts no longer than this is too small.
const SHORT: Duration = Duration::from_millis(250);
/// A block that lasts longer than this is too large.
const LONG: Duration = Duration::from_secs(2);
/// The largest block.
const BLOCK_MAX: u64 = 1 << 16;
/// The first block.
const BLOCK_FIRST: u64 = 8;

/// The size of a quota's blocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct BlockSize(u64);

impl Default for BlockSize {
    fn default() -> Self {
        Self(BLOCK_FIRST)
    }
}

impl BlockSize {
    /// The next block's size. `lasted`: the time since the block before was ordered; `remaining`: units under the limit
    /// that are not reserved.
    pub(super) fn next(&mut self, lasted: Option<Duration>, limit: u64, remaining: u64) -> u64 {
        match lasted {
            Some(lasted) if lasted < SHORT => self.0 = (self.0 * 2).min(BLOCK_MAX),
            Some(lasted) if lasted > LONG => self.0 = (self.0 / 2).max(1),
            _ => {}
        }
        self.0 = self.0.min(block_max(limit));
        self.0.min(remaining / 8).max(1)
    }
}

/// The largest block under a limit. A process that is killed forfeits less than two of them.
pub(super) fn block_max(limit: u64) -> u64 {
    (limit / 100).clamp(1, BLOCK_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_follow_the_tenants_rate() {
        let (fast, slow) = (Some(Duration::from_millis(10)), Some(Duration::from_secs(10)));
        let mut size = BlockSize::default();
        let sizes: Vec<u64> = (0..16).map(|_| size.next(fast, u64::MAX, u64::MAX)).collect();
        assert_eq!(sizes[0], 16);
        assert_eq!(sizes[15], BLOCK_MAX);
        assert_eq!(size.next(Some(Duration::from_secs(1)), u64::MAX, u64::MAX), BLOCK_MAX);
        let sizes: Vec<u64> = (0..20).map(|_| size.next(slow, u64::MAX, u64::MAX)).collect();
        assert_eq!(sizes[19], 1);
    }

    #[test]
    fn blocks_are_small_beside_the_limit_and_smallest_near_it() {
        let fast = Some(Duration::ZERO);
        let mut size = BlockSize::default();
        for _ in 0..20 {
            assert!(size.next(fast, 1_000, 1_000) <= 10);
        }
        assert_eq!(size.next(fast, 1_000, 40), 5);
        assert_eq!(size.next(fast, 1_000, 8), 1);
        assert_eq!(size.next(fast, 1_000, 0), 1);
        assert_eq!(size.next(fast, 3, 3), 1);
    }
}
