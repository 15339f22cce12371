//! Drawing by weight, at the same cost for any number of places.

use super::dice::Dice;

/// Walker's alias table, made as by M. D. Vose, "A Linear Algorithm for Generating Random Numbers with a Given
/// Distribution", IEEE TSE 17 (1991): each column is as likely as any other, and is divided between two places.
#[derive(Debug)]
pub(super) struct Alias(Box<[Column]>);

#[derive(Debug, Clone, Copy)]
struct Column {
    /// Below this, of 2³², the column is its own place's.
    cut: u32,
    /// Whose the rest is.
    rest: u32,
}

impl Alias {
    /// A table for these weights, none of which is 0.
    pub(super) fn new(weights: &[u32]) -> Self {
        let total: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
        let len = weights.len() as u128;
        // Each weight in parts of a column, a column being `total`.
        let mut parts: Vec<u128> = weights.iter().map(|&weight| u128::from(weight) * len).collect();
        let (mut small, mut large) = (Vec::new(), Vec::new());
        for (at, &part) in parts.iter().enumerate() {
            if part < total { small.push(at) } else { large.push(at) }
        }
        let own = |at| Column { cut: u32::MAX, rest: at };
        let mut columns: Vec<Column> = (0..weights.len() as u32).map(own).collect();
        while let (Some(poor), Some(&rich)) = (small.pop(), large.last()) {
            let part = parts.get(poor).copied().unwrap_or(total);
            if let Some(column) = columns.get_mut(poor) {
                *column = Column { cut: ((part << 32) / total.max(1)) as u32, rest: rich as u32 };
            }
            let Some(left) = parts.get_mut(rich) else { break };
            *left = (*left + part).saturating_sub(total);
            if *left < total {
                large.pop();
                small.push(rich);
            }
        }
        Self(columns.into())
    }

    /// A place, each as likely as its weight says; 0 of none.
    pub(super) fn draw(&self, dice: &mut Dice) -> usize {
        let at = dice.below(self.0.len());
        let Some(column) = self.0.get(at) else { return 0 };
        if (dice.roll() as u32) < column.cut { at } else { column.rest as usize }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_drawn_follows_the_weights() {
        let (alias, mut dice) = (Alias::new(&[5, 1, 3, 1]), Dice::new(3));
        let mut counts = [0; 4];
        (0..100_000).for_each(|_| counts[alias.draw(&mut dice)] += 1);
        for (count, expected) in counts.into_iter().zip([50_000, 10_000, 30_000, 10_000]) {
            assert!(i32::abs(count - expected) < 900, "{counts:?}");
        }
    }

    proptest! {
        #[test]
        fn the_columns_hold_each_weight_exactly(
            weights in prop::collection::vec(prop_oneof![1..10u32, 1..=u32::MAX], 1..50),
        ) {
            let Alias(columns) = Alias::new(&weights);
            let whole = 2f64.powi(32);
            let mut likely = vec![0.0; weights.len()];
            for (at, column) in columns.iter().enumerate() {
                likely[at] += f64::from(column.cut) / whole;
                likely[column.rest as usize] += 1.0 - f64::from(column.cut) / whole;
            }
            let total: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
            for (likely, &weight) in likely.iter().zip(&weights) {
                let (got, expected) = (likely / weights.len() as f64, f64::from(weight) / total);
                prop_assert!((got - expected).abs() < 1e-7, "{got} {expected}");
            }
        }
    }
}
