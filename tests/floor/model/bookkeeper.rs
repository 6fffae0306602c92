//! A careful bookkeeper: reads every durable entry as it is written, keeps simple books of their own, and complains.
//!
//! They know the rules of money and doors and nothing of how the floor works: what a tap was answered, who is in which
//! visit, what each visit took and owes, which receipt numbers were given, what each shelf's weight became.

use super::upstream::{HoldState, Upstream};
use carryout::base::limits::REMEMBER_US;
use carryout::base::{BodyId, Cents, ChargeId, PassageId, ProductId, RefundId, ShelfId, ShopTime, TapId, VisitId};
use carryout::carts::policy::Doubt;
use carryout::carts::{Charge, ChargeState, Receipt, ReceiptStatus, Refund};
use carryout::events::{
    Decision, Entry, Fact, InteractionId, InteractionKind, Opening, Outcome, Outgoing, Reason, Subject, Tap,
};
use carryout::shop::Shop;
use std::collections::{BTreeMap, BTreeSet};

/// Weight that may go unexplained on a shelf: noise of its plates, g; as much again for each step, for its rounding.
const UNEXPLAINED_G: f64 = 14.0;
const UNEXPLAINED_STEP_G: f64 = 3.0;
/// Known: what is taken in one movement with something heavy, elsewhere on the shelf, is lost if it weighs less than this
/// share of it: the detector takes it for ringing. `a_light_product_beside_a_heavy_one` holds it.
const RINGING: f64 = 0.06;

#[derive(Default)]
struct Account {
    opened: Option<Opening>,
    payer: Option<String>,
    inside: BTreeSet<BodyId>,
    held: BTreeMap<ProductId, i64>,
    blind: BTreeSet<ProductId>,
    closed: Option<Outcome>,
    charges: Vec<(Charge, ChargeState)>,
    refunds: Vec<(Refund, Option<bool>)>,
    receipt: Option<Receipt>,
    /// A human has still to decide it.
    waits: bool,
    reviewed: bool,
    loss: bool,
}

#[derive(Default)]
pub struct Bookkeeper {
    shop: Option<std::sync::Arc<Shop>>,
    accounts: BTreeMap<VisitId, Account>,
    asked: BTreeSet<TapId>,
    decided: BTreeMap<TapId, bool>,
    released: BTreeSet<TapId>,
    passed: BTreeMap<PassageId, ShopTime>,
    numbers: u64,
    interactions: BTreeMap<InteractionId, (ShelfId, f64)>,
    events: BTreeMap<String, String>,
    last: ShopTime,
    /// Taps that were made at a gate, and what the gate was told.
    taps: BTreeMap<TapId, (Tap, ShopTime)>,
    told: BTreeMap<TapId, (bool, Reason, Option<VisitId>)>,
    pub complaints: Vec<String>,
}

impl Bookkeeper {
    pub fn of(shop: std::sync::Arc<Shop>) -> Bookkeeper {
        Bookkeeper { shop: Some(shop), ..Bookkeeper::default() }
    }

    fn complain(&mut self, what: String) {
        self.complaints.push(what);
    }

    /// Somebody holds a card to a reader.
    pub fn tapped(&mut self, tap: &Tap, now: ShopTime) {
        self.taps.entry(tap.tap_id.clone()).or_insert((tap.clone(), now));
    }

    /// Taps whose gate was told nothing: the daemon died between writing the answer down and saying it.
    pub fn unanswered(&self) -> Vec<Tap> {
        self.taps.values().map(|(tap, _)| tap).filter(|tap| !self.told.contains_key(&tap.tap_id)).cloned().collect()
    }

    /// A gate is told what to do.
    pub fn told(&mut self, decision: &Decision) {
        let Decision { tap_id, open, reason, visit_id, t_us, .. } = decision.clone();
        if !self.taps.contains_key(&tap_id) {
            self.complain(format!("the gate is told about tap {tap_id}, which nobody made"));
        }
        let again = (open, reason, visit_id);
        let first = *self.told.entry(tap_id.clone()).or_insert(again);
        let at = self.taps.get(&tap_id).map_or(t_us, |(_, at)| *at);
        // Ids are remembered for 24 hours.
        let forgotten = t_us.since(at) >= REMEMBER_US && !open;
        if first != again && !forgotten {
            self.complain(format!("tap {tap_id} was answered {first:?}, and again {again:?}"));
        }
        if open && self.decided.get(&tap_id) != Some(&true) {
            self.complain(format!("tap {tap_id} opens the gate and the journal does not say so"));
        }
    }

    /// One durable transaction.
    pub fn reads(&mut self, entries: &[Entry], outbox: &[Outgoing]) {
        entries.iter().for_each(|entry| self.reads_entry(entry));
        for row in outbox {
            let Outgoing::Event(event) = row else { continue };
            let body = format!("{:?}", event.data);
            let known = self.events.entry(event.id.clone()).or_insert_with(|| body.clone());
            if *known != body {
                let (id, known) = (&event.id, known.clone());
                self.complaints.push(format!("event {id} says two things, upstream hears one:\n  {known}\n  {body}"));
            }
        }
    }

    fn account(&mut self, visit: Option<VisitId>, what: &str) -> &mut Account {
        let visit = visit.unwrap_or_else(|| panic!("{what} without a visit"));
        self.accounts.entry(visit).or_default()
    }

    fn reads_entry(&mut self, entry: &Entry) {
        if entry.t < self.last {
            self.complain(format!("entries run backwards: {:?} after {:?}", entry.t, self.last));
        }
        self.last = entry.t;
        let visit = entry.visit;
        match &entry.fact {
            Fact::Asked { tap_id, .. } if !self.asked.insert(tap_id.clone()) => {
                self.complain(format!("tap {tap_id} is asked about twice"));
            }
            Fact::Decided { tap_id, open, .. } => {
                if self.decided.insert(tap_id.clone(), *open).is_some() {
                    self.complain(format!("tap {tap_id} is decided twice"));
                }
                if !self.taps.contains_key(tap_id) {
                    self.complain(format!("tap {tap_id} is decided and nobody made it"));
                }
            }
            Fact::HoldReleased { tap_id, .. } if !self.released.insert(tap_id.clone()) => {
                self.complain(format!("the hold of tap {tap_id} is released twice"));
            }
            Fact::Passed { passage_id, .. } => {
                let before = self.passed.insert(passage_id.clone(), entry.t);
                if before.is_some_and(|before| entry.t.since(before) < REMEMBER_US) {
                    self.complain(format!("passage {passage_id} counts twice"));
                }
            }
            Fact::VisitOpened { by, .. } => {
                let before = self.account(visit, "an opening").opened.replace(*by);
                if before.is_some() {
                    self.complain(format!("visit {visit:?} is opened twice"));
                }
            }
            Fact::PayerBound { .. } => self.payer_bound(entry),
            Fact::Joined { body } => self.joined(visit, *body),
            Fact::Left { body } => {
                let was_inside = self.account(visit, "leaving").inside.remove(body);
                if !was_inside {
                    self.complain(format!("{body} leaves visit {visit:?} and was not in it"));
                }
            }
            Fact::Mistaken { body, is } => {
                let account = self.account(visit, "a mistake");
                let was_inside = account.inside.remove(body);
                account.inside.insert(*is);
                if !was_inside {
                    self.complain(format!("{body} is really {is} in visit {visit:?}, and was not in it"));
                }
            }
            Fact::Claimed { interaction, shelf, how, delta_g, claims, .. } => {
                let step = (shelf.clone(), *delta_g);
                let known = self.interactions.entry(*interaction).or_insert_with(|| step.clone());
                if *known != step {
                    self.complain(format!("{interaction:?} is two different steps"));
                }
                for claim in claims {
                    let (Some(visit), Some(product)) = (claim.visit, &claim.product) else { continue };
                    let account = self.account(Some(visit), "a claim");
                    let held = account.held.entry(product.clone()).or_default();
                    *held += claim.count;
                    let negative = *held < 0;
                    if *how == InteractionKind::Gap {
                        account.blind.insert(product.clone());
                    }
                    if negative {
                        self.complain(format!("visit {visit} holds less than no {product}"));
                    }
                    if self.accounts[&visit].opened.is_none() {
                        self.complain(format!("visit {visit} took something before it was opened"));
                    }
                }
            }
            Fact::VisitClosed { outcome, .. } => {
                let account = self.account(visit, "closing");
                let wrong = account.opened.is_none() || account.closed.replace(*outcome).is_some();
                let unpaid = *outcome == Outcome::Loss && account.payer.is_some();
                if wrong || unpaid {
                    self.complain(format!(
                        "visit {visit:?} closes as {outcome:?} twice, unopened or though it has a payer"
                    ));
                }
            }
            Fact::Loss { .. } => {
                let account = self.account(visit, "a loss");
                account.loss = true;
                if account.payer.is_some() {
                    self.complain(format!("visit {visit:?} is a loss and has a payer"));
                }
            }
            Fact::Reviewed { .. } => {
                let account = self.account(visit, "a review");
                (account.waits, account.reviewed) = (false, true);
            }
            Fact::Contested { .. } => self.account(visit, "a contest").waits = true,
            Fact::Receipt { receipt } => self.receipt(visit, receipt),
            Fact::ChargeQueued { charge } => self.charge(visit, charge),
            Fact::ChargeAnswered { charge_id, state, .. } => self.charge_answered(visit, *charge_id, *state),
            Fact::RefundQueued { refund } => self.refund(visit, refund),
            Fact::RefundAnswered { refund_id, done } => self.refund_answered(visit, *refund_id, *done),
            _ => {}
        }
    }

    fn payer_bound(&mut self, entry: &Entry) {
        let Some(Subject::Credential(credential)) = &entry.subject else {
            return self.complain("a payer is bound and nobody knows who".to_owned());
        };
        let (token, staff) = (credential.token.clone(), credential.kind == "staff");
        let account = self.account(entry.visit, "a payer");
        let before = account.payer.replace(token);
        if staff && account.opened != Some(Opening::Staff) {
            self.complain(format!("staff are to pay for the customer's visit {:?}", entry.visit));
        } else if before.is_some() || account.opened.is_none() {
            self.complain(format!("visit {:?} gets a payer twice, or before it is opened", entry.visit));
        }
    }

    fn joined(&mut self, visit: Option<VisitId>, body: BodyId) {
        let elsewhere = self.accounts.iter().find(|(_, a)| a.closed.is_none() && a.inside.contains(&body));
        if let Some((other, _)) = elsewhere {
            let other = *other;
            self.complain(format!("{body} joins {visit:?} while it is in {other}"));
        }
        let account = self.account(visit, "joining");
        let closed = account.closed.is_some() || account.opened.is_none();
        account.inside.insert(body);
        if closed {
            self.complain(format!("{body} joins visit {visit:?}, which is not open"));
        }
    }

    fn receipt(&mut self, visit: Option<VisitId>, receipt: &Receipt) {
        let next = self.numbers + 1;
        let account = self.account(visit, "a receipt");
        let mut wrong = Vec::new();
        match &account.receipt {
            None if receipt.number != next => wrong.push(format!("receipt {} follows {}", receipt.number, next - 1)),
            Some(known) if known.number != receipt.number => {
                wrong.push(format!("receipt {} becomes {}", known.number, receipt.number));
            }
            _ => {}
        }
        if account.waits && !receipt.status.waits() {
            wrong.push(format!("receipt {} waited for a human and nobody decided", receipt.number));
        }
        if receipt.cart.lines.iter().map(|line| line.total).sum::<Cents>() != receipt.cart.total
            || receipt.cart.total < Cents::ZERO
        {
            wrong.push(format!("receipt {} comes to {}", receipt.number, receipt.cart.total));
        }
        if receipt.cart.lines.iter().any(|line| line.draft || line.quantity <= 0) {
            wrong.push(format!("receipt {} has a line that is a draft or of nothing", receipt.number));
        }
        if account.closed.is_none() {
            wrong.push(format!("receipt {} is of a visit that is open", receipt.number));
        }
        account.waits = receipt.status.waits();
        let first = account.receipt.replace(receipt.clone()).is_none();
        self.numbers += u64::from(first);
        wrong.into_iter().for_each(|what| self.complain(what));
    }

    fn charge(&mut self, visit: Option<VisitId>, charge: &Charge) {
        let id = charge.charge_id;
        let twice = self.accounts.values().any(|a| a.charges.iter().any(|(known, _)| known.charge_id == id));
        let account = self.account(visit, "a charge");
        let mut wrong = Vec::new();
        if twice || charge.sequence as usize != account.charges.len() {
            wrong.push(format!("charge {id} is number {}, or came before", charge.sequence));
        }
        if account.payer.is_none() || account.opened == Some(Opening::Staff) || account.closed.is_none() {
            wrong.push(format!("charge {id}: of nobody, of staff, or while they still shop"));
        }
        if account.waits && !account.reviewed {
            wrong.push(format!("charge {id}: while a human has still to look"));
        }
        let lines: Cents = charge.lines.iter().map(|line| line.total).sum();
        if lines != charge.total || charge.total <= Cents::ZERO {
            wrong.push(format!("charge {id} demands {}, its lines are {lines}", charge.total));
        }
        account.charges.push((charge.clone(), ChargeState::Queued));
        wrong.into_iter().for_each(|what| self.complain(what));
    }

    fn charge_answered(&mut self, visit: Option<VisitId>, id: ChargeId, state: ChargeState) {
        let account = self.account(visit, "an answer to a charge");
        let Some((_, known)) = account.charges.iter_mut().find(|(charge, _)| charge.charge_id == id) else {
            return self.complain(format!("charge {id} is {state:?} and nobody demanded it"));
        };
        let before = std::mem::replace(known, state);
        if !charge_may_become(before, state) {
            self.complain(format!("charge {id} was {before:?} and becomes {state:?}"));
        }
    }

    fn refund(&mut self, visit: Option<VisitId>, refund: &Refund) {
        let account = self.account(visit, "a refund");
        let total = account.charges.iter().find(|(c, _)| c.charge_id == refund.charge_id).map(|(c, _)| c.total);
        account.refunds.push((refund.clone(), None));
        let of_it = |(r, done): &&(Refund, Option<bool>)| r.charge_id == refund.charge_id && *done != Some(false);
        let all: Cents = account.refunds.iter().filter(of_it).map(|(r, _)| r.amount).sum();
        if refund.amount <= Cents::ZERO || total.is_none_or(|total| all > total) {
            self.complain(format!("refund {}: {all} of {total:?}", refund.refund_id));
        }
    }

    fn refund_answered(&mut self, visit: Option<VisitId>, id: RefundId, done: bool) {
        let account = self.account(visit, "an answer to a refund");
        match account.refunds.iter_mut().find(|(refund, _)| refund.refund_id == id) {
            Some((_, known)) if known.is_none() => *known = Some(done),
            _ => self.complain(format!("refund {id} is answered twice, or nobody asked for it")),
        }
    }

    /// What all steps of a shelf come to, g.
    pub fn explained_g(&self, shelf: &str) -> f64 {
        self.interactions.values().filter(|(s, _)| s.as_str() == shelf).map(|(_, delta)| delta).sum()
    }

    pub fn charge_state(&self, id: ChargeId) -> Option<ChargeState> {
        let charges = self.accounts.values().flat_map(|account| &account.charges);
        charges.clone().find(|(charge, _)| charge.charge_id == id).map(|(_, state)| *state)
    }

    /// After closing time, when everybody has left, staff have decided everything and upstream has answered: the audit.
    pub fn audits(
        &mut self,
        upstream: &Upstream,
        weights: &BTreeMap<ShelfId, Vec<f64>>,
        doubt: Doubt,
        model_raves: bool,
    ) {
        let accounts = std::mem::take(&mut self.accounts);
        for (id, account) in &accounts {
            self.audits_visit(*id, account, doubt);
        }
        for (tap, held) in &upstream.holds {
            if held.amount > Cents::ZERO && held.state == HoldState::Held {
                self.complain(format!("{} of tap {tap} is held for ever", held.amount));
            }
        }
        for tap in self.taps.keys() {
            if !self.told.contains_key(tap) {
                self.complaints.push(format!("tap {tap} was never answered"));
            }
            if self.asked.contains(tap) && !self.decided.contains_key(tap) {
                self.complaints.push(format!("tap {tap} was never decided"));
            }
        }
        for (shelf, plates_g) in weights {
            let changed_g: f64 = plates_g.iter().sum();
            let steps = self.interactions.values().filter(|(s, _)| s == shelf);
            let moved_g = steps.clone().map(|(_, delta)| *delta).chain(plates_g.iter().copied());
            let heaviest_g = moved_g.fold(0.0, |most: f64, delta| most.max(delta.abs()));
            let (n, explained_g) = steps.fold((0, 0.0), |(n, g), (_, delta)| (n + 1, g + delta));
            let allowed_g = UNEXPLAINED_G + UNEXPLAINED_STEP_G * f64::from(n) + RINGING * heaviest_g;
            if (changed_g - explained_g).abs() > allowed_g && !model_raves {
                self.complain(format!(
                    "shelf {shelf} changed by {changed_g:.0} g, {n} steps explain {explained_g:.0} g"
                ));
            }
        }
        self.accounts = accounts;
    }

    fn audits_visit(&mut self, id: VisitId, account: &Account, doubt: Doubt) {
        let Some(outcome) = account.closed else {
            return self.complain(format!("visit {id} never ends"));
        };
        let charged: Cents = account.charges.iter().map(|(charge, _)| charge.total).sum();
        let given_back = |(_, done): &&(Refund, Option<bool>)| *done != Some(false);
        let back: Cents = account.refunds.iter().filter(given_back).map(|(refund, _)| refund.amount).sum();
        let open =
            |(_, state): &(Charge, ChargeState)| *state != ChargeState::Captured && *state != ChargeState::WrittenOff;
        if account.charges.iter().any(open) || account.refunds.iter().any(|(_, done)| done.is_none()) {
            self.complain(format!("visit {id}: upstream was never asked, or its answer was not noted"));
        }
        let Some(receipt) = &account.receipt else {
            let owes = outcome == Outcome::Charged || outcome == Outcome::Review || charged > Cents::ZERO;
            if owes {
                self.complain(format!("visit {id} ended as {outcome:?}, {charged} were taken, there is no receipt"));
            }
            let took = account.held.values().any(|n| *n > 0);
            let paid = account.payer.is_some() && account.opened != Some(Opening::Staff);
            if took && paid && doubt == Doubt::Review {
                self.complain(format!("visit {id} took {:?}, has a payer, and no receipt", account.held));
            }
            return;
        };
        if account.waits {
            return; // an open balance, and it says why
        }
        let (ReceiptStatus::Final | ReceiptStatus::Adjusted) = receipt.status else {
            return self
                .complain(format!("receipt {} is {:?} and nobody has to decide it", receipt.number, receipt.status));
        };
        if charged - back != receipt.cart.total {
            let total = receipt.cart.total;
            self.complain(format!("visit {id}: {charged} taken, {back} given back, receipt {total}"));
        }
        if !account.reviewed {
            let shop = self.shop.as_ref().expect("books of a shop");
            let price = |product: &ProductId| shop.catalogue.get(product).map_or(Cents::ZERO, |item| item.price);
            let blind = |product: &ProductId| doubt == Doubt::Favour && account.blind.contains(product);
            let owed = account.held.iter().filter(|(product, _)| !blind(product));
            let owed: Cents = owed.map(|(product, n)| price(product).times(*n)).sum();
            let by_hand = |line: &&carryout::carts::Line| line.product.as_str() == "refund";
            let by_hand: Cents = receipt.cart.lines.iter().filter(by_hand).map(|line| line.total).sum();
            if owed + by_hand != receipt.cart.total && owed + by_hand > Cents::ZERO {
                let total = receipt.cart.total;
                self.complain(format!("visit {id} took goods of {owed}, {by_hand} by hand, receipt {total}"));
            }
        }
    }
}

/// The ways of a charge. Nothing comes back from captured or written off; only what was declined is tried again.
fn charge_may_become(from: ChargeState, to: ChargeState) -> bool {
    use ChargeState::{Captured, Declined, Queued, WrittenOff};
    match (from, to) {
        (Captured | WrittenOff, _) => false,
        (_, Queued) => from == Declined,
        _ => true,
    }
}
