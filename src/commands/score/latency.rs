//! How long people wait for their receipt: from leaving, as the truth says, to the receipt's first revision.
//!
//! A file that holds only what receipts came to in the end (`carryout export`) tells how long that took, human included.
//! A receipt from before its shopper left is not a fast one, and no receipt is not a slow one: both are counted apart.

use super::carts::CaseScore;
use serde::Serialize;

/// 95 of 100 receipts should be there by then, seconds (docs/spec.md, `live.exit_to_receipt.p95_ms`).
pub const BAR_S: f64 = 5.0;

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// Carts with a receipt from after leaving: the quantiles are theirs; NaN (null) of none.
    pub receipts: usize,
    pub p50_s: f64,
    pub p95_s: f64,
    pub p99_s: f64,
    /// Receipts that are older than the shopper's leaving.
    pub before_leaving: usize,
    /// Carts without a receipt in which something was taken, and in which nothing was: these need none.
    pub missing: usize,
    pub needless: usize,
    /// Carts with a receipt whose shopper had not left when the truth ended.
    pub still_inside: usize,
}

/// Every wait that is one, in seconds, shortest first.
pub fn waits_s(cases: &[CaseScore]) -> Vec<f64> {
    let visits = cases.iter().flat_map(|case| &case.visits);
    let wait_us = visits.filter_map(|visit| Some(visit.receipt_us?.saturating_sub(visit.left_us?)));
    let mut waits: Vec<f64> = wait_us.filter(|us| *us >= 0).map(|us| us as f64 * 1e-6).collect();
    waits.sort_by(f64::total_cmp);
    waits
}

pub fn latency(cases: &[CaseScore]) -> Latency {
    let waits = waits_s(cases);
    let mut latency = Latency {
        receipts: waits.len(),
        p50_s: quantile(&waits, 0.5),
        p95_s: quantile(&waits, 0.95),
        p99_s: quantile(&waits, 0.99),
        before_leaving: 0,
        missing: 0,
        needless: 0,
        still_inside: 0,
    };
    for visit in cases.iter().flat_map(|case| &case.visits) {
        match (visit.receipt_us, visit.left_us) {
            (None, _) if visit.taken.is_empty() => latency.needless += 1,
            (None, _) => latency.missing += 1,
            (Some(_), None) => latency.still_inside += 1,
            (Some(receipt_us), Some(left_us)) => latency.before_leaving += usize::from(receipt_us < left_us),
        }
    }
    latency
}

/// The smallest value that at least this share of the values does not exceed.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::score::VisitScore;
    use crate::commands::score::tests::{cart, case};
    use crate::sim::truth::Taken;

    #[test]
    fn quantiles_are_waits_that_somebody_had() {
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        for (values, share, wanted) in [
            (&hundred[..], 0.5, 50.0),
            (&hundred[..], 0.95, 95.0),
            (&hundred[..], 0.99, 99.0),
            (&hundred[..3], 0.5, 2.0),
            (&hundred[..3], 0.95, 3.0),
            (&hundred[..1], 0.5, 1.0),
        ] {
            assert_eq!(quantile(values, share), wanted, "{share} of {}", values.len());
        }
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn what_is_no_wait_is_counted_apart() {
        let at = |receipt_us, left_us, taken: i64| VisitScore {
            receipt_us,
            left_us,
            taken: (0..taken).map(|_| Taken { product: "cola".into(), quantity: 1 }).collect(),
            ..cart(true, 1.0)
        };
        let cases = [case(
            "a",
            1.0,
            vec![
                at(Some(4_000_000), Some(1_000_000), 1),
                at(Some(2_500_000), Some(1_000_000), 1),
                at(Some(1), Some(2), 1),
                at(Some(i64::MIN), Some(i64::MAX), 1),
                at(None, Some(1), 1),
                at(None, Some(1), 0),
                at(None, None, 0),
                at(Some(1), None, 1),
            ],
        )];
        assert_eq!(waits_s(&cases), [1.5, 3.0]);
        let told = latency(&cases);
        assert_eq!((told.receipts, told.p50_s, told.p95_s), (2, 1.5, 3.0));
        assert_eq!((told.before_leaving, told.missing, told.needless, told.still_inside), (2, 1, 2, 1));
    }
}
