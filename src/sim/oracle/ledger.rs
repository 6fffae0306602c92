//! From decisions to carts, by the rules of the truth: who takes something pays for it, wherever it goes, until it is back
//! on a shelf.
//!
//! A put settles what an earlier take was: who puts back a tea that they were thought to have taken as coffee has taken tea.
//! So a put that finds nothing of its product takes back the unit that was likeliest to be it, if any was.

use super::super::truth::{EventTruth, Taken, TruthLine};
use super::{Answer, Decision};
use std::collections::BTreeMap;

/// A unit may be another than it was thought to be when that was at least so likely.
const DOUBTED: f64 = 0.01;

/// A unit that was decided to be taken.
struct Unit<'a> {
    product: &'a str,
    picker: &'a str,
    /// `None`: eaten or dropped.
    holder: Option<&'a str>,
    take: &'a Decision,
}

impl Unit<'_> {
    /// How likely it is that this unit is `product`, in the hands of `visit`.
    fn may_be(&self, visit: &str, product: &str) -> f64 {
        let holds = self.holder == Some(visit);
        let fits = |answer: &Answer| answer.product == product && (holds || answer.visit == visit);
        if holds && self.product == product {
            return 2.0;
        }
        // What somebody else is known to have been handed is not in these hands.
        let moved = self.holder != Some(self.picker);
        let likely = self.take.alternatives.iter().filter(|(answer, _)| fits(answer)).map(|(_, p)| p).sum();
        if self.holder.is_none() || (moved && !holds) { 0.0 } else { likely }
    }
}

/// What every payer is charged by these decisions, by token. Visits without a payer are nobody's, staff's are not scored.
pub fn carts(truth: &[TruthLine], decisions: &[Decision]) -> BTreeMap<String, Vec<Taken>> {
    let decided: BTreeMap<usize, &Decision> = decisions.iter().map(|decision| (decision.event, decision)).collect();
    let mut events: Vec<(usize, &EventTruth)> = truth
        .iter()
        .filter_map(|line| match line {
            TruthLine::Event(event) => Some(event),
            _ => None,
        })
        .enumerate()
        .collect();
    events.sort_by_key(|(_, event)| event.t_us);
    let mut units: Vec<Unit<'_>> = Vec::new();
    for (i, event) in events {
        match (event.action.as_str(), decided.get(&i)) {
            ("take", Some(decision)) => {
                let Some(Answer { visit, product, quantity }) = &decision.answer else { continue };
                for _ in 0..*quantity {
                    units.push(Unit { product, picker: visit, holder: Some(visit), take: decision });
                }
            }
            ("put", Some(decision)) => {
                let Some(Answer { visit, product, quantity }) = &decision.answer else { continue };
                for _ in 0..*quantity {
                    likeliest(&units, visit, product).into_iter().for_each(|at| _ = units.remove(at));
                }
            }
            ("handoff" | "drop", _) => {
                for _ in 0..event.quantity {
                    if let Some(at) = likeliest(&units, &event.visit, &event.product) {
                        units[at].holder = event.to.as_deref();
                    }
                }
            }
            _ => {}
        }
    }
    let payer = |line: &TruthLine| match line {
        TruthLine::Visit(visit) if visit.payer => Some((visit.visit.clone(), visit.token.clone()?)),
        _ => None,
    };
    let tokens: BTreeMap<String, String> = truth.iter().filter_map(payer).collect();
    let mut counts: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for unit in &units {
        if let Some(token) = tokens.get(unit.picker) {
            *counts.entry((token, unit.product)).or_default() += 1;
        }
    }
    let mut carts: BTreeMap<String, Vec<Taken>> = BTreeMap::new();
    for ((token, product), quantity) in counts {
        carts.entry(token.to_owned()).or_default().push(Taken { product: product.to_owned(), quantity });
    }
    carts
}

/// Of the units that may be this product in these hands the likeliest, the one taken last first.
fn likeliest(units: &[Unit<'_>], visit: &str, product: &str) -> Option<usize> {
    let fitting = units.iter().enumerate().map(|(at, unit)| (unit.may_be(visit, product), at));
    let best = fitting.filter(|(likely, _)| *likely >= DOUBTED).max_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    best.map(|(_, at)| at)
}
