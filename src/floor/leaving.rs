//! Closing a visit: when its last body has left and no shelf it could have touched still moves.

use super::{Floor, Visit};
use crate::base::time::{MS_US, SECOND_US};
use crate::base::{BodyId, Cents, Probability, ShopTime, VisitId};
use crate::carts::ReceiptStatus;
use crate::carts::policy::Doubt;
use crate::carts::pricing::Units;
use crate::events::{Fact, Opening, Outcome};

/// Longest wait for shelves that still ring after somebody left, us.
const SETTLING_US: i64 = 3 * SECOND_US;
/// What happened in the dark is explained within this after a start, us: people are found again, scales calm down.
const EXPLAINED_US: i64 = 6 * SECOND_US;
/// A body unseen for this long, last seen at a doorway, has left, us.
const LOST_US: i64 = 60 * SECOND_US;

impl Floor {
    pub(super) fn leaving_tick(&mut self) {
        let lost: Vec<BodyId> = self
            .books
            .open_visits()
            .flat_map(Visit::inside)
            .filter(|body| self.dark.broker_gone.is_none() && self.is_lost(*body))
            .filter(|body| self.plan.body(*body).is_some_and(|b| self.shop.layout.is_doorway(b.last().floor)))
            .collect();
        lost.into_iter().for_each(|body| self.leave(body));

        let ready: Vec<(VisitId, ShopTime)> =
            self.books.open_visits().filter_map(|visit| Some((visit.id, self.may_close(visit)?))).collect();
        for (visit, left) in ready {
            self.close(visit, left);
        }
    }

    /// Unseen for a minute by cameras that had seen it.
    fn is_lost(&self, body: BodyId) -> bool {
        self.plan.body(body).is_some_and(|b| !b.imagined && self.now.since(b.last().t) > LOST_US)
    }

    /// When the visit ended, if it may be closed now.
    fn may_close(&self, visit: &Visit) -> Option<ShopTime> {
        if visit.bodies.is_empty() {
            // Tapped and never came in: a second after the opening is over, so that a late passage still counts.
            let waiting = self
                .gates
                .values()
                .flat_map(|gate| &gate.openings)
                .any(|opened| opened.visit == visit.id && self.now.since(opened.until) < SECOND_US);
            let opened_us = self.now.since(visit.opened);
            let expected = self.dark.expected.iter().any(|(id, _)| *id == visit.id);
            let over = !waiting
                && !expected
                && !self.is_owed(visit.id)
                && opened_us > self.options.policy.valid_ms * MS_US + SECOND_US;
            return over.then_some(visit.opened);
        }
        if let Some(left) = visit.left() {
            // Who was inside in the dark may have taken what a shelf tells only some seconds after the start.
            let dark = visit.opened < self.started && self.now.since(self.started) < EXPLAINED_US;
            let settled = !self.may_still_change(visit) || self.now.since(left) >= SETTLING_US;
            return (settled && !dark).then_some(left);
        }
        let too_long = self.now.since(visit.opened) > self.options.policy.visit_max_min * 60 * SECOND_US;
        // Somebody only a beam has counted cannot be lost from sight: after so long they are taken to be gone.
        let gone = |body: BodyId| self.plan.body(body).is_none_or(|b| b.imagined) || self.is_lost(body);
        (too_long && visit.inside().all(gone)).then_some(self.now)
    }

    fn close(&mut self, id: VisitId, left: ShopTime) {
        let visit = &self.books.visits[&id];
        let entered = visit.bodies.values().map(|presence| presence.joined).min().unwrap_or(visit.opened);
        if visit.inside().next().is_some() {
            self.doubt(id, "nobody saw them leave", None);
        }
        let visit = &self.books.visits[&id];
        let units = self.billed(visit);
        let lines = self.books.price(&units);
        let owed: Cents = lines.iter().map(|line| line.total).sum();
        let outcome = if visit.by == Opening::Staff {
            Outcome::Staff
        } else if lines.is_empty() && !(visit.suspect && self.in_doubt(visit)) {
            Outcome::Empty
        } else if visit.payer.is_none() {
            Outcome::Loss
        } else if self.needs_review(visit, &units) {
            Outcome::Review
        } else {
            Outcome::Charged
        };
        self.emit(Some(id), Fact::VisitClosed { outcome, entered_us: entered, left_us: left }, None);
        self.counters.count("visits.closed");
        match outcome {
            Outcome::Staff => {}
            Outcome::Empty => self.release_unused(id, "nothing was taken"),
            Outcome::Loss => self.record_loss(id, owed),
            Outcome::Review => self.bill(id, &units, ReceiptStatus::BeingChecked),
            Outcome::Charged => self.bill(id, &units, ReceiptStatus::Final),
        }
        self.publish_cart(id, true);
        let cart = self.books.cart(&self.books.visits[&id], &[], self.now);
        self.tell("visit.closed", id.to_string(), 0, serde_json::to_value(cart).expect("a cart is JSON"));
    }

    fn in_doubt(&self, visit: &Visit) -> bool {
        self.options.policy.doubt == Doubt::Review && !visit.doubts.is_empty()
    }

    /// What the visit is to pay for: its units, less those taken in the dark when policy favours the customer.
    pub(super) fn billed(&self, visit: &Visit) -> Vec<Units> {
        let mut units = visit.units();
        if self.options.policy.doubt == Doubt::Favour {
            units.retain(|unit| !visit.blind.contains(&unit.product));
        }
        units
    }

    fn needs_review(&self, visit: &Visit, units: &[Units]) -> bool {
        // Nobody knows whether what left the catalogue since was restricted, nor its tax.
        let restricted =
            units.iter().any(|unit| self.shop.catalogue.get(&unit.product).is_none_or(|product| product.restricted));
        let sure = units.iter().fold(Probability::CERTAIN, |sure, unit| sure.and(unit.probability));
        self.in_doubt(visit) || restricted || sure < self.options.policy.review_below
    }
}
