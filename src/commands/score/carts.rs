//! Cart by cart: what was charged against what was taken, before a human looks and after.
//!
//! F1 and exactness are of the cart as the system made it. Money is after review: a human who looks at a cart puts it
//! right, so carts under review are charged neither too much nor too little. How sure the system was of a cart is the
//! product of its lines' probabilities; a visit without a receipt was a sure nothing. What the carts say when they are
//! put together another way (by family, by crowding, by certainty, by time) is worked out in the files beside this one.

use super::certainty::{self, Bin, ReviewPoint};
use super::groups::{self, Crowd, Family};
use super::interval::Estimate;
use super::latency::{self, Latency};
use super::{Billed, TokenReceipt};
use crate::sim::truth::{Taken, VisitTruth};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Units per product.
type Units = BTreeMap<String, i64>;
/// Minor units a unit of a product costs.
pub type Prices = BTreeMap<String, i64>;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    pub cases: Vec<CaseScore>,
    pub visits: usize,
    /// Visits of people who came in without a tap: there is nobody to charge, so there is no cart to be right or wrong.
    pub without_payer: usize,
    /// Lines of the receipts file; and the currency of all money here.
    pub receipts: usize,
    pub currency: Option<String>,
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
    /// The same in minor units, before anybody looks.
    pub value_true: i64,
    pub value_over: i64,
    pub value_under: i64,
    /// Carts a human has to look at, as a share; and of the others, how many are right.
    pub review_rate: f64,
    pub unreviewed_exact: f64,
    /// Value charged and not taken, and taken and not charged, as shares of what all carts are worth, after review.
    pub overcharge: f64,
    pub undercharge: f64,
    /// Expected calibration error: how far certainty lies from what came true, mean over carts.
    pub calibration_error: f64,
    pub calibration: Vec<Bin>,
    /// The least review that would leave [`certainty::WANTED`] of the other carts exact, were the least certain carts
    /// reviewed first; none where no threshold gets there.
    pub review_needed: Option<ReviewPoint>,
    pub by_family: Vec<Family>,
    pub by_crowding: Vec<Crowd>,
    pub latency: Latency,
    /// What anybody could have known at best from what the sensors said, where somebody worked it out.
    pub ceiling: Option<Ceiling>,
    /// Receipts whose token no visit has: their units count as over.
    pub receipts_of_nobody: Vec<String>,
    /// Products whose price nobody told: they count for nothing in money.
    pub without_price: Vec<String>,
}

/// The same carts as an oracle has them (`sim::oracle`).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ceiling {
    pub f1: Estimate,
    pub exact: Estimate,
    pub by_family: Vec<Family>,
}

impl Ceiling {
    pub fn of(score: Score) -> Ceiling {
        Ceiling { f1: score.f1_interval, exact: score.exact_interval, by_family: score.by_family }
    }
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
    /// The largest number of visits of the case that were inside at any moment of this one, itself among them.
    pub inside_most: usize,
    pub left_us: Option<i64>,
    /// When the receipt was there: its first revision; of several receipts the last.
    pub receipt_us: Option<i64>,
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
    receipt_us: Option<i64>,
}

/// The score of these receipts against what really happened. Staff, and who came in without anybody to pay, have no cart
/// and are left out. Prices not in `prices` are those of the receipts.
pub fn of(visits: &[VisitTruth], receipts: &[TokenReceipt], billed: Billed, prices: &Prices) -> Score {
    let mut prices = prices.clone();
    for line in receipts.iter().flat_map(|receipt| &receipt.receipt.cart.lines) {
        prices.entry(line.product.to_string()).or_insert(line.unit_price.0);
    }
    let currency = receipts.first().map(|receipt| receipt.receipt.cart.currency.clone());
    Score { receipts: receipts.len(), currency, ..scored(visits, charged(receipts), billed, &prices) }
}

/// The score of carts that nobody wrote a receipt for, by token: what an oracle knows. They are sure, nobody looks at them,
/// and nobody waits for them.
pub fn of_carts(visits: &[VisitTruth], carts: &BTreeMap<String, Vec<Taken>>, billed: Billed, prices: &Prices) -> Score {
    let mut charged: BTreeMap<&str, Charged> = BTreeMap::new();
    for (token, cart) in carts {
        let of = charged.entry(token).or_default();
        cart.iter().for_each(|taken| *of.units.entry(taken.product.clone()).or_default() += taken.quantity);
    }
    scored(visits, charged, billed, prices)
}

fn scored(visits: &[VisitTruth], charged: BTreeMap<&str, Charged>, billed: Billed, prices: &Prices) -> Score {
    let mut cases: BTreeMap<&str, Vec<VisitScore>> = BTreeMap::new();
    let mut known: BTreeSet<&str> = BTreeSet::new();
    let mut without_price: BTreeSet<String> = BTreeSet::new();
    let crowding = groups::crowding(visits);
    for (visit, inside_most) in visits.iter().zip(crowding) {
        known.extend(visit.token.as_deref());
        if visit.staff || visit.has_nobody_to_pay() {
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
        cases.entry(&visit.case).or_default().push(VisitScore { inside_most, ..compare(visit, cart, charged, prices) });
    }
    let of_nobody: Vec<_> = charged.iter().filter(|(token, _)| !known.contains(*token)).collect();
    let stray = |of: &dyn Fn(&String, i64) -> i64| -> i64 {
        sum(of_nobody.iter().flat_map(|(_, charged)| &charged.units).map(|(product, n)| of(product, *n)))
    };
    let cases: Vec<CaseScore> =
        cases.into_iter().map(|(case, visits)| CaseScore { case: case.to_owned(), f1: f1(&visits), visits }).collect();
    let all = || cases.iter().flat_map(|case| &case.visits);
    let unreviewed = || all().filter(|visit| !visit.reviewed);
    let f1_interval = groups::f1(&cases.iter().collect::<Vec<_>>());
    let exact_interval = groups::exact(cases.iter().map(|case| case.visits.iter()));
    let value = sum(all().map(|visit| visit.value));
    let in_value = |wrong: i64| if value == 0 { 0.0 } else { wrong as f64 / value as f64 };
    let stray_value = stray(&|product, n| n.saturating_mul(price(prices, product)));
    let calibration = certainty::calibration(&cases);
    Score {
        visits: all().count(),
        without_payer: visits.iter().filter(|visit| visit.has_nobody_to_pay()).count(),
        receipts: 0,
        currency: None,
        ceiling: None,
        f1_mean: f1_interval.value,
        exact_share: exact_interval.value,
        f1_interval,
        exact_interval,
        units_true: all().flat_map(|visit| &visit.taken).map(|taken| taken.quantity).sum(),
        units_over: all().map(|visit| visit.over).sum::<i64>() + stray(&|_, n| n),
        units_under: all().map(|visit| visit.under).sum(),
        value_true: value,
        value_over: sum(all().map(|visit| visit.over_value).chain([stray_value])),
        value_under: sum(all().map(|visit| visit.under_value)),
        review_rate: mean(all().map(|visit| f64::from(visit.reviewed))),
        unreviewed_exact: mean(unreviewed().map(|visit| f64::from(visit.exact))),
        overcharge: in_value(sum(unreviewed().map(|visit| visit.over_value).chain([stray_value]))),
        undercharge: in_value(sum(unreviewed().map(|visit| visit.under_value))),
        calibration_error: certainty::calibration_error(&calibration),
        calibration,
        review_needed: certainty::review_needed(&certainty::review_curve(&cases)),
        by_family: groups::by_family(&cases),
        by_crowding: groups::by_crowding(&cases),
        latency: latency::latency(&cases),
        receipts_of_nobody: of_nobody.into_iter().map(|(token, _)| (*token).to_owned()).collect(),
        without_price: without_price.into_iter().collect(),
        cases,
    }
}

/// By token. Of one receipt the latest revision stands; it was there with the first.
fn charged(receipts: &[TokenReceipt]) -> BTreeMap<&str, Charged> {
    let mut revisions: BTreeMap<_, (&TokenReceipt, &TokenReceipt)> = BTreeMap::new();
    for receipt in receipts {
        let key = (&receipt.token, receipt.receipt.receipt_id);
        let (first, latest) = revisions.entry(key).or_insert((receipt, receipt));
        if receipt.receipt.cart.revision < first.receipt.cart.revision {
            *first = receipt;
        }
        if receipt.receipt.cart.revision >= latest.receipt.cart.revision {
            *latest = receipt;
        }
    }
    let mut charged: BTreeMap<&str, Charged> = BTreeMap::new();
    for (first, receipt) in revisions.values() {
        let of = charged.entry(&receipt.token).or_default();
        of.receipt_us = of.receipt_us.max(Some(first.receipt.cart.t_us.0));
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
    let worth = |of: &[(String, i64)]| sum(of.iter().map(|(product, n)| n.saturating_mul(price(prices, product))));
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
        inside_most: 1,
        left_us: visit.left_us,
        receipt_us: charged.receipt_us,
        over_value: worth(&over),
        under_value: worth(&under),
        value: sum(taken.iter().map(|(product, n)| n.saturating_mul(price(prices, product)))),
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

/// Files may tell of any number of carts: what no i64 holds is as much as it holds.
fn sum(values: impl Iterator<Item = i64>) -> i64 {
    values.fold(0, i64::saturating_add)
}

/// 0 of nothing.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0), |(sum, n), value| (sum + value, n + 1));
    if n == 0 { 0.0 } else { sum / f64::from(n) }
}
