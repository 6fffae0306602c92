//! Is the system as often right as it says, and would a human who looks at its doubtful carts find the wrong ones?

use super::carts::{CaseScore, VisitScore};
use serde::Serialize;

/// Bins of equal width in which certainty is held against what came true.
const BINS: usize = 10;
/// Of carts that nobody looks at, this share should be exact.
pub const WANTED: f64 = 0.99;

/// Carts of which the system was about equally sure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bin {
    pub from: f64,
    pub to: f64,
    pub carts: usize,
    /// Means over the bin's carts; NaN (null) of none.
    pub certainty: f64,
    pub exact: f64,
}

/// What comes of it when a human looks at every cart whose certainty is below a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ReviewPoint {
    pub certainty_below: f64,
    pub review_rate: f64,
    pub unreviewed_exact: f64,
}

fn visits(cases: &[CaseScore]) -> impl Iterator<Item = &VisitScore> {
    cases.iter().flat_map(|case| &case.visits)
}

/// Ten bins from 0 to 1; the last holds the certain.
pub fn calibration(cases: &[CaseScore]) -> Vec<Bin> {
    let mut sums = [(0_usize, 0.0, 0_usize); BINS];
    for visit in visits(cases) {
        let bin = &mut sums[((visit.probability * BINS as f64) as usize).min(BINS - 1)];
        *bin = (bin.0 + 1, bin.1 + visit.probability, bin.2 + usize::from(visit.exact));
    }
    let bin = |(k, (carts, sure, right)): (usize, (usize, f64, usize))| Bin {
        from: k as f64 / BINS as f64,
        to: (k + 1) as f64 / BINS as f64,
        carts,
        certainty: sure / carts as f64,
        exact: right as f64 / carts as f64,
    };
    sums.into_iter().enumerate().map(bin).collect()
}

/// Mean over carts of the distance between how sure one was and how often that was right, in bins of equal width (Naeini,
/// Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015).
pub fn calibration_error(bins: &[Bin]) -> f64 {
    let filled = || bins.iter().filter(|bin| bin.carts > 0);
    let off: f64 = filled().map(|bin| bin.carts as f64 * (bin.certainty - bin.exact).abs()).sum();
    off / filled().map(|bin| bin.carts).sum::<usize>().max(1) as f64
}

/// Every threshold that changes something, from no review to the last that leaves a cart. Equally sure carts go together.
pub fn review_curve(cases: &[CaseScore]) -> Vec<ReviewPoint> {
    let mut carts: Vec<(f64, bool)> = visits(cases).map(|visit| (visit.probability, visit.exact)).collect();
    carts.sort_by(|a, b| a.0.total_cmp(&b.0));
    let all = carts.len();
    let (mut rest, mut right) = (all, carts.iter().filter(|(_, exact)| *exact).count());
    let mut curve = Vec::new();
    for equal in carts.chunk_by(|a, b| a.0 == b.0) {
        curve.push(ReviewPoint {
            certainty_below: equal[0].0,
            review_rate: (all - rest) as f64 / all as f64,
            unreviewed_exact: right as f64 / rest as f64,
        });
        rest -= equal.len();
        right -= equal.iter().filter(|(_, exact)| *exact).count();
    }
    curve
}

/// The least review at which [`WANTED`] of the rest are exact.
pub fn review_needed(curve: &[ReviewPoint]) -> Option<ReviewPoint> {
    curve.iter().find(|point| point.unreviewed_exact >= WANTED).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::score::tests::{cart, case};

    fn of(carts: &[(f64, bool)]) -> [CaseScore; 1] {
        [case("a", 1.0, carts.iter().map(|(sure, exact)| cart(*exact, *sure)).collect())]
    }

    #[test]
    fn certainty_is_held_against_what_came_true() {
        for (story, carts, error, filled) in [
            ("nobody", &[][..], 0.0, &[][..]),
            ("certain and right", &[(1.0, true)], 0.0, &[(9, 1)]),
            ("certain and wrong", &[(1.0, false), (0.97, true)], 0.485, &[(9, 2)]),
            ("half right of half sure", &[(0.5, true), (0.5, false)], 0.0, &[(5, 2)]),
            ("sure of nothing", &[(0.0, true), (0.25, false), (1.0, true)], 1.25 / 3.0, &[(0, 1), (2, 1), (9, 1)]),
        ] {
            let bins = calibration(&of(carts));
            assert_eq!(bins.len(), BINS, "{story}");
            let found: Vec<(usize, usize)> =
                bins.iter().enumerate().filter(|(_, bin)| bin.carts > 0).map(|(k, bin)| (k, bin.carts)).collect();
            assert_eq!(found, filled, "{story}");
            let off = calibration_error(&bins);
            assert!((off - error).abs() < 1e-9, "{story}: {off} instead of {error}");
        }
    }

    #[test]
    fn who_looks_at_the_doubtful_carts_leaves_the_others_more_often_right() {
        for (story, carts, curve, needed) in [
            ("nobody", &[][..], &[][..], None),
            ("all right", &[(0.9, true), (0.5, true)], &[(0.0, 1.0), (0.5, 1.0)], Some(0.0)),
            (
                "doubt knows",
                &[(0.9, true), (0.2, false), (0.7, true), (0.8, true)],
                &[(0.0, 0.75), (0.25, 1.0), (0.5, 1.0), (0.75, 1.0)],
                Some(0.25),
            ),
            (
                "equally sure carts go together",
                &[(0.4, true), (0.4, false), (0.9, true)],
                &[(0.0, 2.0 / 3.0), (2.0 / 3.0, 1.0)],
                Some(2.0 / 3.0),
            ),
            ("sure and wrong", &[(1.0, false), (0.3, true)], &[(0.0, 0.5), (0.5, 0.0)], None),
        ] {
            let points = review_curve(&of(carts));
            let found: Vec<(f64, f64)> =
                points.iter().map(|point| (point.review_rate, point.unreviewed_exact)).collect();
            assert_eq!(found, curve, "{story}");
            assert_eq!(review_needed(&points).map(|point| point.review_rate), needed, "{story}");
        }
    }
}
