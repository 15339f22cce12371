//! Which success rates are too far below the others.

use super::SuccessRate;

/// The rate below which an endpoint is an outlier: the mean of the rates less some standard deviations (Envoy's
/// `success_rate`). None when too few can be compared.
///
/// With the factor of 1.9 a single bad endpoint is found among five or more: it lies `√(n-1)` standard deviations
/// below the mean of `n`, however bad it is.
pub(super) fn threshold(rates: &[f64], terms: &SuccessRate) -> Option<f64> {
    if rates.is_empty() || rates.len() < terms.min_endpoints {
        return None;
    }
    let count = rates.len() as f64;
    let mean = rates.iter().sum::<f64>() / count;
    let variance = rates.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>() / count;
    Some(mean - terms.stdev_factor * variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_envoys() {
        // The example in Envoy's own source.
        let found = threshold(&[0.5, 1.0, 1.0, 1.0, 1.0], &SuccessRate::default()).unwrap();
        assert!((found - 0.52).abs() < 1e-9, "{found}");
        assert_eq!(threshold(&[0.0, 1.0, 1.0, 1.0], &SuccessRate::default()), None);
        assert_eq!(threshold(&[], &SuccessRate { min_endpoints: 0, ..SuccessRate::default() }), None);
    }
}
