//! What must be true after every observation. Tests check it always; the daemon does not pay for it.

use super::Floor;
use crate::base::{BodyId, Cents};
use crate::carts::{ChargeState, ReceiptStatus};
use crate::events::Outcome;
use std::collections::{BTreeMap, BTreeSet};

impl Floor {
    /// Every broken rule as a sentence; none is well.
    pub fn broken_invariants(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let mut bodies: BTreeMap<BodyId, _> = BTreeMap::new();
        let mut tokens = BTreeSet::new();
        let mut charges = BTreeSet::new();
        let mut numbers = BTreeSet::new();
        if !self.books.open_visits().map(|visit| visit.id).eq(self
            .books
            .visits
            .values()
            .filter(|v| v.is_open())
            .map(|v| v.id))
        {
            broken.push("the index of open visits is not that of the visits".to_owned());
        }
        for visit in self.books.visits.values() {
            let id = visit.id;
            if visit.bodies.keys().any(|body| self.books.visit_of(*body).is_none()) {
                broken.push(format!("visit {id} is not found by its bodies"));
            }
            for body in visit.inside().filter(|_| visit.is_open()) {
                if let Some(other) = bodies.insert(body, id) {
                    broken.push(format!("{body} is in visits {other} and {id} at once"));
                }
            }
            if let (Some(payer), true) = (&visit.payer, visit.is_open())
                && !tokens.insert(payer.token.clone())
            {
                broken.push(format!("visit {id}: its payer has another open visit"));
            }
            for (n, (charge, _)) in visit.charges.iter().enumerate() {
                if charge.sequence as usize != n || !charges.insert(charge.charge_id) {
                    broken.push(format!("visit {id}: charge {} is not its number {n}", charge.charge_id));
                }
                if charge.total != charge.lines.iter().map(|line| line.total).sum() || charge.total <= Cents::ZERO {
                    broken.push(format!("visit {id}: charge {} does not add up", charge.charge_id));
                }
            }
            if visit.is_open() && !visit.charges.is_empty() {
                broken.push(format!("visit {id} is charged while it is open"));
            }
            let left_without = |outcome: Outcome| visit.closed.is_some_and(|(closed, _)| closed == outcome);
            if visit.is_staff() && !visit.charges.is_empty() {
                broken.push(format!("visit {id}: staff are charged"));
            }
            if left_without(Outcome::Loss) && visit.payer.is_none() && !visit.charges.is_empty() {
                broken.push(format!("visit {id} is charged and has no payer"));
            }
            let charged: Cents = visit.charges.iter().map(|(charge, _)| charge.total).sum();
            let refunded = visit.refunded(None);
            if refunded > charged {
                broken.push(format!("visit {id}: {refunded} given back of {charged}"));
            }
            if let Some(receipt) = &visit.receipt {
                if !numbers.insert(receipt.number) {
                    broken.push(format!("receipt number {} twice", receipt.number));
                }
                let total: Cents = receipt.cart.lines.iter().map(|line| line.total).sum();
                if total != receipt.cart.total {
                    broken.push(format!("visit {id}: its receipt does not add up"));
                }
                let settled = matches!(receipt.status, ReceiptStatus::Final | ReceiptStatus::Adjusted);
                if settled && charged - refunded != receipt.cart.total {
                    let total = receipt.cart.total;
                    broken.push(format!("visit {id}: charged {charged} less {refunded}, receipt {total}"));
                }
                if receipt.status == ReceiptStatus::BeingChecked && !visit.charges.is_empty() {
                    broken.push(format!("visit {id} is charged while it is being checked"));
                }
            }
            let answered = |state: &ChargeState| *state == ChargeState::Captured;
            if visit.charges.iter().any(|(_, state)| answered(state)) && visit.receipt.is_none() {
                broken.push(format!("visit {id}: money was taken and there is no receipt"));
            }
        }
        broken
    }
}
