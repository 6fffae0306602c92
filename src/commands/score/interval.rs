//! How sure a figure is: 95 % intervals by bootstrap over cases.
//!
//! A case played with several seeds stays together: its seeds are not independent shops. Efron, B. and Tibshirani, R., An
//! Introduction to the Bootstrap (1993), chapter 13, percentile intervals.

use crate::sim::chance::Chance;
use serde::Serialize;

/// Resamples behind an interval: percentiles wander by less than a tenth of the interval's width.
const RESAMPLES: usize = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// `statistic` of all `clusters`, and between what it lies for 95 % of equally likely worlds. NaN where the statistic is.
pub fn bootstrap<T>(clusters: &[T], statistic: impl Fn(&[&T]) -> f64) -> Estimate {
    let all: Vec<&T> = clusters.iter().collect();
    let value = statistic(&all);
    if clusters.len() < 2 {
        return Estimate { value, low: f64::NAN, high: f64::NAN };
    }
    let mut chance = Chance::new(1, "bootstrap");
    let mut drawn: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let world: Vec<&T> = (0..clusters.len()).map(|_| &clusters[chance.below(clusters.len())]).collect();
            statistic(&world)
        })
        .collect();
    drawn.sort_by(f64::total_cmp);
    let at = |q: f64| drawn[((drawn.len() - 1) as f64 * q).round() as usize];
    Estimate { value, low: at(0.025), high: at(0.975) }
}

impl std::fmt::Display for Estimate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.3} ({:.3}-{:.3})", self.value, self.low, self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean of n draws from a known distribution lies in the interval about 95 times of 100.
    #[test]
    fn an_interval_holds_the_truth_as_often_as_it_says() {
        let mut held = 0;
        for seed in 0..200 {
            let mut chance = Chance::new(seed, "coin");
            let sample: Vec<f64> = (0..60).map(|_| chance.between(0.0, 1.0)).collect();
            let mean = |of: &[&f64]| of.iter().copied().sum::<f64>() / of.len() as f64;
            let estimate = bootstrap(&sample, mean);
            held += usize::from((estimate.low..=estimate.high).contains(&0.5));
        }
        assert!((178..=198).contains(&held), "{held} of 200");
    }

    #[test]
    fn one_case_is_no_interval() {
        assert!(bootstrap(&[1.0], |of| *of[0]).low.is_nan());
    }
}
