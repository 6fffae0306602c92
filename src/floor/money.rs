//! Money: receipts, charges, supplements, refunds, losses. Every change is an entry; nothing here is ever edited.

use super::{Floor, Visit};
use crate::base::{Cents, ChargeId, ProductId, RefundId, ShopTime, VisitId};
use crate::carts::pricing::{Units, difference, totals};
use crate::carts::{
    Cart, CartState, Charge, ChargeLine, ChargeState, Line, Receipt, ReceiptStatus, Refund, RefundState,
};
use crate::events::{ChargeAnswer, Credential, Fact, Outcome, Outgoing, Subject};

/// Product id of the line that says what staff gave back.
const REFUND_LINE: &str = "refund";

impl Floor {
    /// Makes the first receipt of a closed visit and, when it is final, its settlement.
    pub(super) fn bill(&mut self, id: VisitId, units: &[Units], status: ReceiptStatus) {
        let lines = self.books.price(units);
        let number = self.books.next_receipt;
        let charges = if status == ReceiptStatus::Final {
            self.queue_charge(id, lines.iter().map(ChargeLine::from).collect()).into_iter().collect()
        } else {
            Vec::new()
        };
        if status == ReceiptStatus::Final && charges.is_empty() {
            self.release_unused(id, "nothing is owed");
        }
        self.write_receipt(id, number, lines, status, charges);
    }

    fn write_receipt(
        &mut self,
        id: VisitId,
        number: u64,
        lines: Vec<Line>,
        status: ReceiptStatus,
        charge_ids: Vec<ChargeId>,
    ) {
        let visit = &self.books.visits[&id];
        let (total, tax_total) = totals(&lines);
        let (entered_us, left_us) = times(visit);
        let doubtful = |line: &&Line| {
            let restricted = self.shop.catalogue.get(&line.product).is_none_or(|product| product.restricted);
            line.probability < self.options.policy.line_doubt_below || restricted || visit.blind.contains(&line.product)
        };
        let receipt = Receipt {
            receipt_id: visit.receipt_id(),
            number,
            status,
            charge_ids,
            in_doubt: lines.iter().filter(doubtful).map(|line| line.line_id.clone()).collect(),
            entered_us,
            left_us,
            cart: Cart {
                visit_id: id,
                payer: None, // the entry is public; the payer is the visit's credential
                state: CartState::Closed,
                revision: visit.revision,
                currency: self.shop.currency.clone(),
                lines,
                total,
                tax_total,
                t_us: self.now,
            },
        };
        self.emit(Some(id), Fact::Receipt { receipt }, None);
        let kind = if status.waits() { "receipt.review" } else { "receipt.final" };
        self.tell_receipt(kind, id);
    }

    fn tell_receipt(&mut self, kind: &str, id: VisitId) {
        let visit = &self.books.visits[&id];
        let Some(receipt) = &visit.receipt else { return };
        let nth = visit.papers;
        let data = serde_json::to_value(receipt).expect("a receipt is JSON");
        self.tell(kind, id.to_string(), nth, data);
    }

    /// Queues a charge over `lines`; `None` when they come to nothing.
    fn queue_charge(&mut self, id: VisitId, lines: Vec<ChargeLine>) -> Option<ChargeId> {
        let total: Cents = lines.iter().map(|line| line.total).sum();
        if total <= Cents::ZERO {
            return None;
        }
        let visit = &self.books.visits[&id];
        let sequence = visit.charges.len() as u32;
        let (entered_us, left_us) = times(visit);
        let hold = visit.hold.as_ref().filter(|_| sequence == 0);
        let charge = Charge {
            charge_id: ChargeId::of(id, sequence),
            visit_id: id,
            sequence,
            entered_us,
            left_us,
            authorization_id: hold.map(|hold| hold.authorization_id.clone()),
            currency: self.shop.currency.clone(),
            tax_total: lines.iter().map(|line| line.tax).sum(),
            lines,
            total,
        };
        let charge_id = charge.charge_id;
        self.emit(Some(id), Fact::ChargeQueued { charge }, None);
        self.fx.outbox.push(Outgoing::Charge { charge_id, visit: id });
        Some(charge_id)
    }

    /// Gives back a hold that no charge used.
    pub(super) fn release_unused(&mut self, id: VisitId, why: &str) {
        let visit = &self.books.visits[&id];
        let tap = visit.payer_tap.clone();
        if let (Some(hold), Some(tap_id), true) = (visit.hold.clone(), tap, visit.charges.is_empty()) {
            self.release(Some(id), tap_id, hold.authorization_id, why);
        }
    }

    pub(super) fn record_loss(&mut self, id: VisitId, total: Cents) {
        self.emit(Some(id), Fact::Loss { total }, None);
        let nth = self.books.visits[&id].revision;
        let cart = self.books.cart(&self.books.visits[&id], &[], self.now);
        self.tell("loss.recorded", id.to_string(), nth, serde_json::to_value(cart).expect("a cart is JSON"));
    }

    /// Something was learned about a visit after it closed: its bill follows, by supplement or refund.
    pub(super) fn correct_if_closed(&mut self, id: VisitId, _begin: ShopTime) {
        let visit = &self.books.visits[&id];
        let Some((outcome, _)) = visit.closed else { return };
        if outcome == Outcome::Staff || visit.reviewed {
            return;
        }
        let units = self.billed(visit);
        match (&visit.receipt, visit.payer.is_some()) {
            (_, false) => {
                let owed = self.books.price(&units).iter().map(|line| line.total).sum();
                self.record_loss(id, owed);
            }
            (None, true) if units.is_empty() => {}
            (None, true) => self.bill(id, &units, ReceiptStatus::Final),
            (Some(receipt), true) if receipt.status == ReceiptStatus::BeingChecked => {
                let (number, lines) = (receipt.number, self.books.price(&units));
                self.write_receipt(id, number, lines, ReceiptStatus::BeingChecked, Vec::new());
            }
            // A human will decide it, seeing all that is known by then.
            (Some(receipt), true) if receipt.status.waits() => {}
            (Some(_), true) => self.adjust(id, &units),
        }
    }

    /// Brings the receipt to `units`: the difference is a supplement or a refund.
    fn adjust(&mut self, id: VisitId, units: &[Units]) {
        let visit = &self.books.visits[&id];
        let Some(receipt) = visit.receipt.clone() else { return };
        let is_refund = |line: &&Line| line.product.as_str() == REFUND_LINE;
        let mut given_back: Vec<Line> = receipt.cart.lines.iter().filter(is_refund).cloned().collect();
        let goods = receipt.cart.lines.iter().filter(|line| !is_refund(line)).map(ChargeLine::from);
        let paid: Vec<ChargeLine> = if visit.charges.is_empty() { Vec::new() } else { goods.collect() };
        let lines = self.books.price(units);
        let changes = difference(&paid, &lines.iter().map(ChargeLine::from).collect::<Vec<_>>());
        // What staff gave back by hand counts, but nobody gets back more than they paid.
        let owed = lines.iter().chain(&given_back).map(|line| line.total).sum::<Cents>();
        take_back(&mut given_back, Cents::ZERO.max(-owed));
        let charged: Cents = visit.charges.iter().map(|(charge, _)| charge.total).sum();
        let net = Cents::ZERO.max(owed) - (charged - visit.refunded(None));
        let first = visit.charges.is_empty();
        let mut charge_ids = receipt.charge_ids.clone();
        if net > Cents::ZERO {
            charge_ids.extend(self.queue_charge(id, changes));
        } else if net < Cents::ZERO {
            self.queue_refunds(id, -net, changes, "corrected");
        }
        if first && net == Cents::ZERO {
            self.release_unused(id, "nothing is owed");
        }
        let status = if first { ReceiptStatus::Final } else { ReceiptStatus::Adjusted };
        self.write_receipt(id, receipt.number, lines.into_iter().chain(given_back).collect(), status, charge_ids);
    }

    /// Gives `amount` back, newest charge first, never more than a charge took.
    fn queue_refunds(&mut self, id: VisitId, amount: Cents, lines: Vec<ChargeLine>, reason: &str) {
        let visit = &self.books.visits[&id];
        let mut left = amount;
        let mut parts = Vec::new();
        for (charge, _) in visit.charges.iter().rev() {
            let part = left.min(charge.total - visit.refunded(Some(charge.charge_id)));
            if part > Cents::ZERO {
                parts.push((charge.charge_id, part));
                left = left - part;
            }
        }
        assert!(left == Cents::ZERO, "visit {id}: refund of {amount} exceeds what was charged by {left}");
        let mut lines = Some(lines);
        for (charge_id, amount) in parts {
            let n = self.books.visits[&id].refunds.len() as u32;
            let refund_id = RefundId::of(id, n);
            let lines = lines.take().unwrap_or_default();
            let refund = Refund { refund_id, visit_id: id, charge_id, amount, lines, reason: reason.into() };
            self.emit(Some(id), Fact::RefundQueued { refund }, None);
            self.fx.outbox.push(Outgoing::Refund { refund_id, visit: id });
        }
    }

    pub(super) fn charged(&mut self, answer: ChargeAnswer) {
        let Some(id) = self.books.charge_visit(answer.charge) else {
            return self.counters.count("charges.answer_for_unknown");
        };
        let known = self.books.visits[&id].charges.iter().find(|(charge, _)| charge.charge_id == answer.charge);
        let Some(state) = known.map(|(_, state)| *state) else { return };
        if state == answer.state || state == ChargeState::Captured {
            return;
        }
        let fact = Fact::ChargeAnswered { charge_id: answer.charge, state: answer.state, reason: answer.reason };
        self.emit(Some(id), fact, None);
        match answer.state {
            ChargeState::Captured => self.tell_receipt("charge.captured", id),
            ChargeState::Declined => self.tell_receipt("charge.declined", id),
            _ => {}
        }
    }

    pub(super) fn refunded(&mut self, refund_id: RefundId, done: bool) {
        let Some(id) = self.books.refund_visit(refund_id) else {
            return self.counters.count("refunds.answer_for_unknown");
        };
        let refunds = &self.books.visits[&id].refunds;
        let n = refunds.iter().position(|(refund, _)| refund.refund_id == refund_id).expect("found by it");
        if refunds[n].1 != RefundState::Queued {
            return;
        }
        self.emit(Some(id), Fact::RefundAnswered { refund_id, done }, None);
        // The receipt said so and it will not be: a human has to find another way.
        if let (false, Some(receipt)) = (done, self.books.visits[&id].receipt.clone()) {
            let mut lines = receipt.cart.lines;
            lines.retain(|line| line.line_id != refund_line(n));
            self.write_receipt(id, receipt.number, lines, ReceiptStatus::Contested, receipt.charge_ids);
        }
    }

    /// Staff bind a payer: to an open visit, or to one that left without paying.
    pub(super) fn bind(&mut self, id: VisitId, credential: Credential) {
        let Some(visit) = self.books.visits.get(&id).filter(|visit| visit.payer.is_none() && !visit.is_staff()) else {
            return self.counters.refuse("bind.refused", format!("visit {id} is unknown or has a payer"));
        };
        let closed = !visit.is_open();
        if let Some(other) = self.books.open_visit_paid_by(&credential.token).filter(|_| !closed) {
            let why = format!("visit {id}: its payer still shops in visit {}; bind them when they have left", other.id);
            return self.counters.refuse("bind.refused", why);
        }
        let subject = Some(Subject::Credential(credential));
        self.emit(Some(id), Fact::PayerBound { tap_id: None, hold: None, offline: false }, subject);
        let units = self.billed(&self.books.visits[&id]);
        if closed && !units.is_empty() {
            self.bill(id, &units, ReceiptStatus::Final);
        }
        self.publish_cart(id, true);
    }

    pub(super) fn reviewed(&mut self, id: VisitId, lines: &[(ProductId, i64)]) {
        let open = |receipt: &Receipt| receipt.status.waits();
        let Some(visit) = self.books.visits.get(&id).filter(|visit| visit.receipt.as_ref().is_some_and(open)) else {
            return self.counters.refuse("review.refused", format!("visit {id} has no receipt to be checked"));
        };
        let taken = visit.units();
        let decided = |(product, quantity): &(ProductId, i64)| {
            let known = taken.iter().find(|unit| unit.product == *product);
            let price =
                known.map(|unit| unit.unit_price).or(self.shop.catalogue.get(product).map(|item| item.price))?;
            (*quantity > 0).then(|| Units {
                product: product.clone(),
                unit_price: price,
                quantity: *quantity,
                probability: crate::base::Probability::CERTAIN,
                draft: false,
            })
        };
        let units: Vec<Units> = lines.iter().filter_map(decided).collect();
        self.emit(Some(id), Fact::Reviewed { lines: lines.to_vec() }, None);
        self.adjust(id, &units);
    }

    pub(super) fn contested(&mut self, id: VisitId, lines: &[(ProductId, i64)]) {
        let Some(receipt) = self.books.visits.get(&id).and_then(|visit| visit.receipt.clone()) else {
            return self.counters.refuse("contest.refused", format!("visit {id} has no receipt"));
        };
        self.emit(Some(id), Fact::Contested { lines: lines.to_vec() }, None);
        self.write_receipt(id, receipt.number, receipt.cart.lines, ReceiptStatus::Contested, receipt.charge_ids);
    }

    /// Staff give money back on a charge: a refund, and a line on the receipt that says so. Asked for again under an id
    /// it has, nothing more is given.
    pub(super) fn refund_asked(&mut self, charge: ChargeId, amount: Cents, reason: String, known: Option<RefundId>) {
        let Some(id) = self.books.charge_visit(charge) else {
            return self.counters.refuse("refund.refused", format!("charge {charge} is unknown"));
        };
        let visit = &self.books.visits[&id];
        if known.is_some_and(|known| visit.refunds.iter().any(|(refund, _)| refund.refund_id == known)) {
            return self.counters.count("refund.repeated");
        }
        let refunded = visit.refunded(Some(charge));
        let total = visit.charges.iter().find(|(c, _)| c.charge_id == charge).map_or(Cents::ZERO, |(c, _)| c.total);
        let Some(receipt) = visit.receipt.clone().filter(|_| amount > Cents::ZERO && amount + refunded <= total) else {
            let left = total - refunded;
            return self
                .counters
                .refuse("refund.refused", format!("charge {charge}: at most {left} can be given back"));
        };
        let n = visit.refunds.len();
        let refund_id = known.unwrap_or_else(|| RefundId::of(id, n as u32));
        let refund =
            Refund { refund_id, visit_id: id, charge_id: charge, amount, lines: Vec::new(), reason: reason.clone() };
        self.emit(Some(id), Fact::RefundQueued { refund }, None);
        self.fx.outbox.push(Outgoing::Refund { refund_id, visit: id });
        let mut lines = receipt.cart.lines;
        lines.push(Line {
            line_id: refund_line(n),
            product: ProductId::new(REFUND_LINE),
            name: reason,
            quantity: 1,
            unit_price: -amount,
            tax: Cents::ZERO,
            deposit: Cents::ZERO,
            total: -amount,
            probability: crate::base::Probability::CERTAIN,
            draft: false,
        });
        // What is contested stays so: this is not yet a decision about it.
        let status = if receipt.status.waits() { receipt.status } else { ReceiptStatus::Adjusted };
        self.write_receipt(id, receipt.number, lines, status, receipt.charge_ids);
    }
}

/// Line id of what staff gave back with the visit's refund number `n`.
fn refund_line(n: usize) -> String {
    format!("{REFUND_LINE}-{n}")
}

/// Shortens refund lines by `amount`, newest first; one that comes to nothing goes.
fn take_back(lines: &mut Vec<Line>, mut amount: Cents) {
    for line in lines.iter_mut().rev() {
        let part = amount.min(-line.total);
        line.total += part;
        line.unit_price = line.total;
        amount = amount - part;
    }
    lines.retain(|line| line.total != Cents::ZERO);
}

fn times(visit: &Visit) -> (ShopTime, ShopTime) {
    let entered = visit.bodies.values().map(|presence| presence.joined).min().unwrap_or(visit.opened);
    (entered, visit.closed.map_or(visit.opened, |(_, left)| left))
}
