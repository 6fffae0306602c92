//! The outsider: hears what the daemon says, sees what people do, reads upstream's books, and judges.

use crate::base::{ChargeId, VisitId};
use crate::carts::{Receipt, ReceiptStatus};
use crate::events::{Direction, Entry, Fact, Observation};
use crate::ledger::{LedgerError, Reader};
use crate::shop::Shop;
use crate::sim::live::{Happened, Heard};
use crate::sim::shoppers::{Style, Visit};
use crate::sim::truth::{Taken, TruthLine};
use crate::sim::upstream::Records;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// What came of it.
#[derive(Debug, Default)]
pub struct Verdict {
    pub kills: u32,
    pub lost: Vec<String>,
    pub doubled: Vec<String>,
    /// Of the auditor, after any of the kills.
    pub findings: Vec<String>,
    /// Parties that came in, took something or nothing, and left.
    pub visits: u32,
    pub right: u32,
    pub reviewed: u32,
    pub over: u32,
    pub under: u32,
    /// Who was charged something else than they took, and nobody looked.
    pub wrong: Vec<String>,
    pub refunds: u32,
    pub contests: u32,
    pub reviews: u32,
    pub up_ms: Vec<f64>,
    pub moments: Vec<String>,
}

pub struct Witness {
    shop: Arc<Shop>,
    /// By the token on their card.
    shoppers: BTreeMap<String, Shopper>,
    names: BTreeMap<String, String>,
    /// Which token a tap showed.
    taps: BTreeMap<String, String>,
    /// Visits that an open gate promised.
    pub opened: BTreeMap<VisitId, String>,
    /// The newest revision of every receipt we were told of.
    pub receipts: BTreeMap<VisitId, Receipt>,
    looked_at: BTreeSet<VisitId>,
}

struct Shopper {
    style: Style,
    took: Option<Vec<Taken>>,
}

/// What staff were told is done.
#[derive(Clone, Debug, Default)]
pub struct Promised {
    /// Charge and amount of every refund that was answered with 200.
    pub refunds: Vec<(ChargeId, i64)>,
    /// How many refunds were asked for on a charge, each under a key of its own, answered or not.
    pub asked: BTreeMap<ChargeId, u32>,
    pub contests: Vec<VisitId>,
    pub reviews: Vec<VisitId>,
}

impl Witness {
    pub fn new(shop: Arc<Shop>) -> Witness {
        Witness {
            shop,
            shoppers: BTreeMap::new(),
            names: BTreeMap::new(),
            taps: BTreeMap::new(),
            opened: BTreeMap::new(),
            receipts: BTreeMap::new(),
            looked_at: BTreeSet::new(),
        }
    }

    pub fn expect(&mut self, visit: &Visit) {
        let token = visit.party.credential.as_ref().map_or(String::new(), |credential| credential.token.clone());
        self.names.insert(visit.party.visit.clone(), token.clone());
        self.shoppers.insert(token, Shopper { style: visit.style, took: None });
    }

    pub fn hear(&mut self, happened: &Happened) {
        match happened {
            Happened::Device(Observation::Tap(tap)) if tap.direction == Direction::In => {
                self.taps.insert(tap.tap_id.to_string(), tap.credential.token.clone());
            }
            Happened::Heard(Heard::Decision { decision, .. }) if decision.open => {
                let token = self.taps.get(decision.tap_id.as_str());
                if let (Some(visit), Some(token)) = (decision.visit_id, token) {
                    self.opened.insert(visit, token.clone());
                }
            }
            Happened::Heard(Heard::Event { kind, event }) if kind.starts_with("receipt.") => {
                if let Ok(receipt) = serde_json::from_value::<Receipt>(event["data"].clone()) {
                    let visit = receipt.cart.visit_id;
                    if kind == "receipt.review" {
                        self.looked_at.insert(visit);
                    }
                    let newest = self.receipts.entry(visit).or_insert_with(|| receipt.clone());
                    if newest.cart.revision <= receipt.cart.revision {
                        *newest = receipt;
                    }
                }
            }
            Happened::Truth(TruthLine::Visit(truth)) if truth.left_us.is_some() => {
                let token = self.names.get(&truth.visit);
                if let Some(shopper) = token.and_then(|token| self.shoppers.get_mut(token)) {
                    shopper.took = Some(truth.cart.clone());
                }
            }
            _ => {}
        }
    }

    pub fn was_promised_anything(&self) -> bool {
        !self.opened.is_empty() || !self.receipts.is_empty()
    }

    /// Whether everybody whose gate opened has been seen to leave.
    pub fn all_left(&self) -> bool {
        self.opened.values().all(|token| self.shoppers.get(token).is_none_or(|shopper| shopper.took.is_some()))
    }

    /// What was heard so far and is not on disk, right after a kill.
    pub fn missing(&self, ledger: &Path) -> Result<Vec<String>, LedgerError> {
        let reader = Reader::open(ledger)?;
        let mut missing = Vec::new();
        for (visit, token) in &self.opened {
            let entries = reader.entries_of(*visit)?;
            if !entries.iter().any(|(_, entry)| matches!(entry.fact, Fact::VisitOpened { .. })) {
                missing.push(format!("the gate opened for {token}, and visit {visit} is not in the ledger"));
            }
        }
        for (visit, receipt) in &self.receipts {
            let known = reader.receipt_of(*visit)?;
            if known.is_none_or(|known| known.number != receipt.number || known.cart.revision < receipt.cart.revision) {
                missing.push(format!(
                    "receipt {} of visit {visit} was announced and is not in the ledger",
                    receipt.number
                ));
            }
        }
        Ok(missing)
    }

    /// The end: everybody is out, upstream is well, the outbox is empty.
    pub fn judge(&self, ledger: &Path, records: &Records, promised: &Promised) -> Result<Verdict, LedgerError> {
        let reader = Reader::open(ledger)?;
        let mut verdict = Verdict { lost: self.missing(ledger)?, ..Verdict::default() };
        for (visit, token) in &self.opened {
            let entries: Vec<Entry> = reader.entries_of(*visit)?.into_iter().map(|(_, entry)| entry).collect();
            self.judge_visit(*visit, token, &entries, &reader, records, &mut verdict)?;
        }
        for charge in &records.charges {
            if charge.captured > 1 {
                verdict.doubled.push(format!("charge {} was captured {} times", charge.charge_id, charge.captured));
            }
            let same = |other: &&crate::sim::upstream::ChargeRecord| {
                other.visit_id == charge.visit_id && other.sequence == charge.sequence
            };
            if records.charges.iter().filter(same).count() > 1 {
                verdict
                    .doubled
                    .push(format!("visit {} has two charges of number {}", charge.visit_id, charge.sequence));
            }
        }
        self.judge_refunds(records, promised, &mut verdict);
        for (visits, fact) in [(&promised.contests, "contest"), (&promised.reviews, "review")] {
            for visit in visits {
                let kept = reader.entries_of(*visit)?.iter().any(|(_, entry)| match entry.fact {
                    Fact::Contested { .. } => fact == "contest",
                    Fact::Reviewed { .. } => fact == "review",
                    _ => false,
                });
                if !kept {
                    verdict.lost.push(format!("a {fact} of visit {visit} was answered 200 and is not in the ledger"));
                }
            }
        }
        Ok(verdict)
    }

    fn judge_visit(
        &self,
        visit: VisitId,
        token: &str,
        entries: &[Entry],
        reader: &Reader,
        records: &Records,
        verdict: &mut Verdict,
    ) -> Result<(), LedgerError> {
        let shopper = &self.shoppers[token];
        let Some(took) = &shopper.took else { return Ok(()) };
        if !entries.iter().any(|entry| matches!(entry.fact, Fact::VisitClosed { .. })) {
            verdict.lost.push(format!("visit {visit} of {token}: everybody has left and it is still open"));
            return Ok(());
        }
        if shopper.style == Style::Staff {
            return Ok(());
        }
        verdict.visits += 1;
        let receipt = reader.receipt_of(visit)?;
        let charges: Vec<_> = records.charges.iter().filter(|charge| charge.visit_id == visit.to_string()).collect();
        let taken: i64 = charges.iter().map(|charge| charge.total * i64::from(charge.captured)).sum();
        let given: i64 = records
            .refunds
            .iter()
            .filter(|refund| charges.iter().any(|charge| charge.charge_id == refund.charge_id))
            .map(|refund| refund.amount * i64::from(refund.given))
            .sum();
        let waits = receipt.as_ref().is_some_and(|receipt| receipt.status.waits());
        let owed = receipt.as_ref().map_or(0, |receipt| receipt.cart.total.0);
        let declined = reader.charges_of(visit)?.iter().any(|charge| charge.reason.is_some());
        if !waits && taken - given > owed {
            verdict.doubled.push(format!("visit {visit} of {token} owes {owed} and paid {taken} less {given}"));
        }
        if !waits && taken - given < owed && !declined {
            verdict.lost.push(format!("visit {visit} of {token} owes {owed} and paid {taken} less {given}"));
        }
        // What the books say somebody has is owed. Who was taken to have put everything back is charged too little, which
        // is not lost: it is counted below.
        let held = held(visit, entries);
        let written_off = entries.iter().any(|entry| matches!(entry.fact, Fact::Loss { .. }));
        if receipt.is_none() && !took.is_empty() && !held.is_empty() && !written_off {
            verdict.lost.push(format!("visit {visit} of {token} has {held:?} and no receipt"));
        }
        self.compare(visit, took, entries, verdict);
        Ok(())
    }

    /// The first receipt (staff play with later ones) beside what was really taken.
    fn compare(&self, visit: VisitId, took: &[Taken], entries: &[Entry], verdict: &mut Verdict) {
        let price = |product: &str| {
            let known = self.shop.catalogue.get(&crate::base::ProductId::new(product));
            known.map_or(0, |known| known.price.0 + known.deposit.0)
        };
        let truth: i64 = took.iter().map(|taken| price(&taken.product) * taken.quantity).sum();
        let first = entries.iter().find_map(|entry| match &entry.fact {
            Fact::Receipt { receipt } => Some(receipt),
            _ => None,
        });
        let told = first.map_or(0, |receipt| receipt.cart.total.0);
        let looked_at = self.looked_at.contains(&visit)
            || first.is_some_and(|receipt| receipt.status == ReceiptStatus::BeingChecked);
        if !looked_at && told != truth {
            let took: Vec<String> =
                took.iter().map(|taken| format!("{} x {}", taken.quantity, taken.product)).collect();
            let closed = entries.iter().find_map(|entry| match entry.fact {
                Fact::VisitClosed { outcome, .. } => Some(outcome),
                _ => None,
            });
            verdict
                .wrong
                .push(format!("visit {visit} ({closed:?}) took {took:?} worth {truth}, its receipt says {told}"));
        }
        match told.cmp(&truth) {
            _ if looked_at => verdict.reviewed += 1,
            std::cmp::Ordering::Equal => verdict.right += 1,
            std::cmp::Ordering::Greater => verdict.over += 1,
            std::cmp::Ordering::Less => verdict.under += 1,
        }
    }

    fn judge_refunds(&self, records: &Records, promised: &Promised, verdict: &mut Verdict) {
        for refund in &records.refunds {
            if refund.given > 1 {
                verdict.doubled.push(format!("refund {} was given {} times", refund.refund_id, refund.given));
            }
        }
        // Staff give back one minor unit at a time, which no correction of a receipt comes to.
        let given = |charge: &ChargeId| {
            let of = |refund: &&crate::sim::upstream::RefundRecord| {
                refund.charge_id == charge.to_string() && refund.amount == super::staff::AMOUNT
            };
            records.refunds.iter().filter(of).count() as u32
        };
        for (charge, asked) in &promised.asked {
            if given(charge) > *asked {
                let n = given(charge);
                verdict.doubled.push(format!("charge {charge}: {n} refunds were given, {asked} were asked for"));
            }
            let answered = promised.refunds.iter().filter(|(known, _)| known == charge).count() as u32;
            if given(charge) < answered {
                verdict
                    .lost
                    .push(format!("charge {charge}: {answered} refunds were promised, {} given", given(charge)));
            }
        }
    }
}

/// Units a visit has by its claims: takes less put-backs.
fn held(visit: VisitId, entries: &[Entry]) -> BTreeMap<String, i64> {
    let mut held: BTreeMap<String, i64> = BTreeMap::new();
    for entry in entries {
        let Fact::Claimed { claims, .. } = &entry.fact else { continue };
        for claim in claims.iter().filter(|claim| claim.visit == Some(visit)) {
            if let Some(product) = &claim.product {
                *held.entry(product.to_string()).or_default() += claim.count;
            }
        }
    }
    held.retain(|_, units| *units > 0);
    held
}
