//! Cart by cart: what was charged against what was taken, before a human looks and after.
//!
//! F1 and exactness are of the cart as the system made it. Money is after review: a human who looks at a cart puts it
//! right, so carts under review are charged neither too much nor too little. How sure the system was of a cart is the
//! product of its lines' probabilities; a visit without a receipt was a sure nothing.

use super::interval::{Estimate, bootstrap};
use super::{Billed, TokenReceipt};
use crate::sim::truth::{Taken, VisitTruth};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Units per product.
type Units = BTreeMap<String, i64>;
/// Minor units a unit of a product costs.
pub type Prices = BTreeMap<String, i64>;

/// Bins of equal width in which certainty is held against what came true.
const BINS: usize = 10;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    pub cases: Vec<CaseScore>,
    pub visits: usize,
    pub f1_mean: f64,
    pub exact_share: f64,
    /// 95 % intervals over cases; NaN (null) of a single case.
    pub f1_interval: Estimate,
    pub exact_interval: Estimate,
    pub units_true: i64,
    /// Charged and not taken.
    pub units_over: i64,
    /// Taken and not charged.
    pub units_under: i64,
    /// Carts a human has to look at, as a share; and of the others, how many are right.
    pub review_rate: f64,
    pub unreviewed_exact: f64,
    /// Value charged and not taken, and taken and not charged, as shares of what all carts are worth, after review.
    pub overcharge: f64,
    pub undercharge: f64,
    /// Expected calibration error: how far certainty lies from what came true, mean over carts.
    pub calibration_error: f64,
    /// Receipts whose token no visit has: their units count as over.
    pub receipts_of_nobody: Vec<String>,
    /// Products whose price nobody told: they count for nothing in money.
    pub without_price: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaseScore {
    pub case: String,
    pub f1: f64,
    pub visits: Vec<VisitScore>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VisitScore {
    pub visit: String,
    pub token: Option<String>,
    pub exact: bool,
    /// A human has to look at it.
    pub reviewed: bool,
    /// How sure the system was of the whole cart.
    pub probability: f64,
    pub taken: Vec<Taken>,
    pub charged: Vec<Taken>,
    pub over: i64,
    pub under: i64,
    /// The same in minor units, and what was taken is worth.
    pub over_value: i64,
    pub under_value: i64,
    pub value: i64,
}

/// What a payer is charged by all receipts.
#[derive(Default)]
struct Charged {
    units: Units,
    reviewed: bool,
    probability: Option<f64>,
}

/// The score of these receipts against what really happened. Staff have no cart and are left out. Prices not in `prices`
/// are those of the receipts.
pub fn of(visits: &[VisitTruth], receipts: &[TokenReceipt], billed: Billed, prices: &Prices) -> Score {
    let mut prices = prices.clone();
    for line in receipts.iter().flat_map(|receipt| &receipt.receipt.cart.lines) {
        prices.entry(line.product.to_string()).or_insert(line.unit_price.0);
    }
    let charged = charged(receipts);
    let mut cases: BTreeMap<&str, Vec<VisitScore>> = BTreeMap::new();
    let mut known: BTreeSet<&str> = BTreeSet::new();
    let mut without_price: BTreeSet<String> = BTreeSet::new();
    for visit in visits {
        known.extend(visit.token.as_deref());
        if visit.staff {
            continue;
        }
        let cart = match (billed, &visit.cart_receiver) {
            (Billed::Receiver, Some(cart)) => cart,
            _ => &visit.cart,
        };
        let nothing = Charged::default();
        let charged = visit.token.as_deref().and_then(|token| charged.get(token)).unwrap_or(&nothing);
        let products = cart.iter().map(|taken| &taken.product).chain(charged.units.keys());
        without_price.extend(products.filter(|product| !prices.contains_key(*product)).cloned());
        cases.entry(&visit.case).or_default().push(compare(visit, cart, charged, &prices));
    }
    let of_nobody: Vec<_> = charged.iter().filter(|(token, _)| !known.contains(*token)).collect();
    let stray = |of: &dyn Fn(&String, i64) -> i64| -> i64 {
        of_nobody.iter().flat_map(|(_, charged)| &charged.units).map(|(product, n)| of(product, *n)).sum()
    };
    let cases: Vec<CaseScore> =
        cases.into_iter().map(|(case, visits)| CaseScore { case: case.to_owned(), f1: f1(&visits), visits }).collect();
    let all = || cases.iter().flat_map(|case| &case.visits);
    let unreviewed = || all().filter(|visit| !visit.reviewed);
    let exactly = |case: &&CaseScore| case.visits.iter().map(|visit| f64::from(visit.exact)).collect::<Vec<_>>();
    let f1_interval = bootstrap(&cases, |cases| mean(cases.iter().map(|case| case.f1)));
    let exact_interval = bootstrap(&cases, |cases| mean(cases.iter().flat_map(exactly)));
    let value: i64 = all().map(|visit| visit.value).sum();
    let in_value = |wrong: i64| if value == 0 { 0.0 } else { wrong as f64 / value as f64 };
    let stray_value = stray(&|product, n| n * price(&prices, product));
    Score {
        visits: all().count(),
        f1_mean: f1_interval.value,
        exact_share: exact_interval.value,
        f1_interval,
        exact_interval,
        units_true: all().flat_map(|visit| &visit.taken).map(|taken| taken.quantity).sum(),
        units_over: all().map(|visit| visit.over).sum::<i64>() + stray(&|_, n| n),
        units_under: all().map(|visit| visit.under).sum(),
        review_rate: mean(all().map(|visit| f64::from(visit.reviewed))),
        unreviewed_exact: mean(unreviewed().map(|visit| f64::from(visit.exact))),
        overcharge: in_value(unreviewed().map(|visit| visit.over_value).sum::<i64>() + stray_value),
        undercharge: in_value(unreviewed().map(|visit| visit.under_value).sum()),
        calibration_error: calibration_error(&all().map(|v| (v.probability, v.exact)).collect::<Vec<_>>()),
        receipts_of_nobody: of_nobody.into_iter().map(|(token, _)| (*token).to_owned()).collect(),
        without_price: without_price.into_iter().collect(),
        cases,
    }
}

/// By token. Of one receipt the latest revision stands.
fn charged(receipts: &[TokenReceipt]) -> BTreeMap<&str, Charged> {
    let mut latest: BTreeMap<_, &TokenReceipt> = BTreeMap::new();
    for receipt in receipts {
        let known = latest.entry((&receipt.token, receipt.receipt.receipt_id)).or_insert(receipt);
        if receipt.receipt.cart.revision >= known.receipt.cart.revision {
            *known = receipt;
        }
    }
    let mut charged: BTreeMap<&str, Charged> = BTreeMap::new();
    for receipt in latest.values() {
        let of = charged.entry(&receipt.token).or_default();
        of.reviewed |= receipt.receipt.status.waits();
        for line in receipt.receipt.cart.lines.iter().filter(|line| !line.draft) {
            *of.units.entry(line.product.to_string()).or_default() += line.quantity;
            of.probability = Some(of.probability.unwrap_or(1.0) * line.probability.get());
        }
    }
    charged
}

fn compare(visit: &VisitTruth, cart: &[Taken], charged: &Charged, prices: &Prices) -> VisitScore {
    let mut taken = Units::new();
    for line in cart {
        *taken.entry(line.product.clone()).or_default() += line.quantity;
    }
    let more = |a: &Units, b: &Units| -> Vec<(String, i64)> {
        let beyond = |(product, n): (&String, &i64)| (product.clone(), n - b.get(product).copied().unwrap_or(0));
        a.iter().map(beyond).filter(|(_, n)| *n > 0).collect()
    };
    let units = |of: &[(String, i64)]| of.iter().map(|(_, n)| n).sum::<i64>();
    let worth = |of: &[(String, i64)]| of.iter().map(|(product, n)| n * price(prices, product)).sum::<i64>();
    let (over, under) = (more(&charged.units, &taken), more(&taken, &charged.units));
    let list = |units: &Units| {
        let line = |(product, quantity): (&String, &i64)| Taken { product: product.clone(), quantity: *quantity };
        units.iter().filter(|(_, n)| **n != 0).map(line).collect()
    };
    VisitScore {
        visit: visit.visit.clone(),
        token: visit.token.clone(),
        exact: over.is_empty() && under.is_empty(),
        reviewed: charged.reviewed,
        probability: charged.probability.unwrap_or(1.0),
        taken: list(&taken),
        charged: list(&charged.units),
        over: units(&over),
        under: units(&under),
        over_value: worth(&over),
        under_value: worth(&under),
        value: taken.iter().map(|(product, n)| n * price(prices, product)).sum(),
    }
}

fn price(prices: &Prices, product: &str) -> i64 {
    prices.get(product).copied().unwrap_or(0)
}

/// Micro F1 of a case's units. Nothing taken and nothing charged is right: 1.
fn f1(visits: &[VisitScore]) -> f64 {
    let under: i64 = visits.iter().map(|visit| visit.under).sum();
    let over: i64 = visits.iter().map(|visit| visit.over).sum();
    let right: i64 = visits.iter().flat_map(|visit| &visit.taken).map(|taken| taken.quantity).sum::<i64>() - under;
    let all = 2 * right + over + under;
    if all == 0 { 1.0 } else { 2.0 * right as f64 / all as f64 }
}

/// Mean over carts of the distance between how sure one was and how often that was right, in bins of equal width (Naeini,
/// Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI 2015).
fn calibration_error(carts: &[(f64, bool)]) -> f64 {
    let mut bins = [(0.0, 0.0); BINS];
    for (probability, exact) in carts {
        let bin = &mut bins[((probability * BINS as f64) as usize).min(BINS - 1)];
        bin.0 += probability;
        bin.1 += f64::from(*exact);
    }
    let off: f64 = bins.iter().map(|(sure, right): &(f64, f64)| (sure - right).abs()).sum();
    off / carts.len().max(1) as f64
}

/// 0 of nothing.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0), |(sum, n), value| (sum + value, n + 1));
    if n == 0 { 0.0 } else { sum / f64::from(n) }
}
