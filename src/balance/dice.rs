//! The few random numbers that one choice needs, from one.

/// SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014): one addition
/// and a mix for each number, good enough to draw endpoints by, and as good as its seed against who would guess.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// Dice that fall as this number says.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `len`, all alike but for a part in 2³²; 0 for a `len` of 0.
    pub(super) fn below(&mut self, len: usize) -> usize {
        (((self.roll() >> 32) * len as u64) >> 32) as usize
    }

    /// Yes with this probability.
    pub(super) fn chance(&mut self, probability: f32) -> bool {
        // The upper 24 bits are what an `f32` can hold.
        ((self.roll() >> 40) as f32) < probability * (1u32 << 24) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_below_a_bound_are_even_and_chances_what_they_say() {
        let mut dice = Dice::new(7);
        let mut counts = [0; 5];
        (0..50_000).for_each(|_| counts[dice.below(5)] += 1);
        assert!(counts.iter().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
        let yes = (0..50_000).filter(|_| dice.chance(0.1)).count();
        assert!((4_600..5_400).contains(&yes), "{yes}");
        assert!(!dice.chance(0.0) && dice.chance(1.0));
        assert_eq!(dice.below(0), 0);
    }
}
