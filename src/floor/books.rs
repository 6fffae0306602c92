//! What the floor durably knows: visits, taps, holds, charges, levels. Changed by entries alone.
//!
//! [`Books::note`] is called with every entry the floor emits and, after a restart, with every entry the ledger gives
//! back: the same entries make the same books, so recovery is the ordinary way of knowing things.

use crate::base::limits::REMEMBER_US;
use crate::base::time::SECOND_US;
use crate::base::{
    BodyId, Cents, ChargeId, GateId, PassageId, Point2, Probability, ProductId, ReceiptId, RefundId, ShelfId, ShopId,
    ShopTime, TapId, VisitId,
};
use crate::carts::pricing::{Units, line, totals};
use crate::carts::{Cart, CartState, Charge, ChargeState, Line, Payer, Receipt, Refund, RefundState};
use crate::events::{
    Claim, Credential, Direction, Entry, Fact, Held, Hold, InteractionId, InteractionKind, Opening, Outcome, Position,
    Reason, Subject,
};
use crate::shop::{Planogram, Shop};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// A body's time in a visit.
#[derive(Clone, Debug)]
pub struct Presence {
    pub joined: ShopTime,
    pub left: Option<ShopTime>,
    /// Last journalled position.
    pub last_at: Option<(ShopTime, Position)>,
    /// Journalled positions of the last two minutes: where somebody was in lives too short to see what they took.
    pub trail: VecDeque<Spot>,
    /// We were down since the last of them.
    down: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Spot {
    pub t: ShopTime,
    pub floor: Point2,
    /// We were down between the one before and this.
    pub after_dark: bool,
}

/// How far back a trail goes, us: more than a dozen lives of a daemon that is killed again and again.
const TRAIL_US: i64 = 120 * SECOND_US;
/// A life that lasts so long has explained what its shelves did while it was dark, us: people are found again within 2 s,
/// shelves are calm within 3 s of a touch, cameras 0.7 s behind.
const WHOLE_LIFE_US: i64 = 8 * SECOND_US;

#[derive(Clone, Debug)]
pub struct Visit {
    pub id: VisitId,
    pub opened: ShopTime,
    pub by: Opening,
    pub bodies: BTreeMap<BodyId, Presence>,
    pub payer: Option<Credential>,
    pub payer_tap: Option<TapId>,
    pub hold: Option<Hold>,
    /// Let in by the offline rule.
    pub offline: bool,
    pub claims: Vec<(InteractionId, Claim)>,
    pub doubts: Vec<String>,
    /// One of several that could have changed a shelf while we were blind: even an empty cart is looked at.
    pub suspect: bool,
    /// Products claimed of a shelf that changed while we were blind.
    pub blind: Vec<ProductId>,
    /// Staff have decided what is on the receipt; later weights change nothing.
    pub reviewed: bool,
    pub closed: Option<(Outcome, ShopTime)>,
    pub receipt: Option<Receipt>,
    pub charges: Vec<(Charge, ChargeState)>,
    pub refunds: Vec<(Refund, RefundState)>,
    /// Counts up with every entry that changes the cart.
    pub revision: u64,
    /// Receipts written and answers of upstream so far: tells what is said of them apart.
    pub papers: u64,
}

impl Visit {
    pub fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    pub fn is_staff(&self) -> bool {
        self.by == Opening::Staff
    }

    /// When the last body left, once all have (a visit nobody entered has not been left).
    pub fn left(&self) -> Option<ShopTime> {
        let lefts: Option<Vec<ShopTime>> = self.bodies.values().map(|presence| presence.left).collect();
        lefts?.into_iter().max()
    }

    pub fn inside(&self) -> impl Iterator<Item = BodyId> + '_ {
        self.bodies.iter().filter(|(_, presence)| presence.left.is_none()).map(|(body, _)| *body)
    }

    pub fn payer_view(&self) -> Option<Payer> {
        let Credential { kind, brand, last4, .. } = self.payer.clone()?;
        Some(Payer { kind, brand, last4 })
    }

    /// Units held by (product, price as of taking), put-backs taken off the dearest units first (in the shopper's
    /// favour). Probability: that of the least sure claim.
    pub fn units(&self) -> Vec<Units> {
        let mut units: Vec<Units> = Vec::new();
        for (_, claim) in &self.claims {
            let Some(product) = &claim.product else { continue };
            if claim.count > 0 {
                match units.iter_mut().find(|u| u.product == *product && u.unit_price == claim.unit_price) {
                    Some(known) => {
                        known.quantity += claim.count;
                        known.probability = known.probability.min(claim.probability);
                    }
                    None => units.push(Units {
                        product: product.clone(),
                        unit_price: claim.unit_price,
                        quantity: claim.count,
                        probability: claim.probability,
                        draft: false,
                    }),
                }
            } else {
                let mut back = -claim.count;
                while back > 0 {
                    let held = units.iter_mut().filter(|u| u.product == *product && u.quantity > 0);
                    let Some(dearest) = held.max_by_key(|u| u.unit_price) else { break };
                    let n = back.min(dearest.quantity);
                    dearest.quantity -= n;
                    dearest.probability = dearest.probability.min(claim.probability);
                    back -= n;
                }
            }
        }
        units.retain(|u| u.quantity > 0);
        units
    }

    pub fn held(&self) -> Vec<Held> {
        let mut held: BTreeMap<ProductId, i64> = BTreeMap::new();
        for units in self.units() {
            *held.entry(units.product).or_default() += units.quantity;
        }
        held.into_iter().map(|(product, quantity)| Held { product, quantity }).collect()
    }

    /// Given back, or on its way; on one charge or, with `None`, on all.
    pub fn refunded(&self, charge: Option<ChargeId>) -> Cents {
        let counts = |(refund, state): &&(Refund, RefundState)| {
            *state != RefundState::Refused && charge.is_none_or(|charge| refund.charge_id == charge)
        };
        self.refunds.iter().filter(counts).map(|(refund, _)| refund.amount).sum()
    }

    /// What this visit may still owe: charges not captured, or the open cart (at least its hold).
    pub fn exposure(&self, cart_total: Cents) -> Cents {
        if self.is_staff() || self.payer.is_none() {
            Cents::ZERO
        } else if self.is_open() {
            cart_total.max(self.hold.as_ref().map_or(Cents::ZERO, |hold| hold.amount))
        } else {
            let open = |state: &ChargeState| !matches!(state, ChargeState::Captured | ChargeState::WrittenOff);
            self.charges.iter().filter(|(_, state)| open(state)).map(|(charge, _)| charge.total).sum()
        }
    }
}

#[derive(Clone, Debug)]
pub struct TapRecord {
    pub at: ShopTime,
    pub gate: GateId,
    pub direction: Direction,
    pub credential: Option<Credential>,
    pub group_size: u32,
    pub amount: Cents,
    pub visit: Option<VisitId>,
    pub decided: Option<Decided>,
    /// Upstream's hold, wherever it is used.
    pub hold: Option<Hold>,
    pub released: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decided {
    pub at: ShopTime,
    pub open: bool,
    pub reason: Reason,
    pub valid_ms: i64,
    pub offline: bool,
}

#[derive(Clone, Debug)]
pub struct Books {
    shop: Arc<Shop>,
    pub visits: BTreeMap<VisitId, Visit>,
    pub taps: BTreeMap<TapId, TapRecord>,
    pub passages: BTreeMap<PassageId, ShopTime>,
    /// Who passed inward through which gate in the last seconds: a restart may have come before they joined a visit.
    pub came_in: VecDeque<(ShopTime, GateId)>,
    /// How far each gate's clock was behind ours, us, and when that was noted.
    pub gate_clocks: BTreeMap<GateId, (ShopTime, i64)>,
    /// What is looked for at every tick, found without a walk through the day: open visits, the visits a body was ever
    /// in, taps without a decision.
    open: BTreeSet<VisitId>,
    of_body: BTreeMap<BodyId, BTreeSet<VisitId>>,
    undecided: BTreeSet<TapId>,
    /// Settled grams of each shelf's plates, and when they were journalled.
    pub levels: BTreeMap<ShelfId, (ShopTime, Vec<Option<f64>>)>,
    /// Planogram plus what was put where since.
    pub stock: Planogram,
    pub next_receipt: u64,
    pub next_interaction: u64,
    pub next_body: u64,
    /// Last entry's time: nothing is noted before it.
    pub last: ShopTime,
    /// When the daemon last started.
    started: ShopTime,
    /// Until then the journal tells everything that was taken; what moved later may have been in the dark. The end of the
    /// last life that was long enough to explain what it found.
    pub dark_from: ShopTime,
}

impl Books {
    pub fn new(shop: Arc<Shop>) -> Books {
        Books {
            visits: BTreeMap::new(),
            taps: BTreeMap::new(),
            passages: BTreeMap::new(),
            came_in: VecDeque::new(),
            gate_clocks: BTreeMap::new(),
            open: BTreeSet::new(),
            of_body: BTreeMap::new(),
            undecided: BTreeSet::new(),
            levels: BTreeMap::new(),
            stock: shop.planogram.clone(),
            next_receipt: 1,
            next_interaction: 1,
            next_body: 1,
            last: ShopTime(0),
            started: ShopTime(0),
            dark_from: ShopTime(0),
            shop,
        }
    }

    pub fn shop_id(&self) -> &ShopId {
        &self.shop.id
    }

    /// In order of their ids.
    pub fn open_visits(&self) -> impl Iterator<Item = &Visit> {
        self.open.iter().map(|id| &self.visits[id])
    }

    /// Every visit the body is or was in, in order of their ids.
    fn visits_of(&self, body: BodyId) -> impl Iterator<Item = &Visit> {
        let known = self.of_body.get(&body).into_iter().flatten().filter_map(|id| self.visits.get(id));
        known.filter(move |visit| visit.bodies.contains_key(&body))
    }

    /// The visit a body is in, or was last in.
    pub fn visit_of(&self, body: BodyId) -> Option<&Visit> {
        self.visits_of(body).max_by_key(|visit| (visit.is_open(), visit.bodies[&body].joined))
    }

    /// The open visit a body is in now.
    pub fn open_visit_of(&self, body: BodyId) -> Option<&Visit> {
        self.visits_of(body).find(|visit| visit.is_open() && visit.bodies[&body].left.is_none())
    }

    /// The visit the body left at `t` or later, and is not in any more.
    pub fn left_since(&self, body: BodyId, t: ShopTime) -> Option<&Visit> {
        self.visits_of(body).find(|visit| visit.bodies[&body].left.is_some_and(|left| left >= t))
    }

    /// Taps that were asked about and not answered yet, in order of their ids.
    pub fn undecided_taps(&self) -> impl Iterator<Item = (&TapId, &TapRecord)> {
        self.undecided.iter().map(|id| (id, &self.taps[id]))
    }

    pub fn open_visit_paid_by(&self, token: &str) -> Option<&Visit> {
        self.open_visits().find(|visit| visit.payer.as_ref().is_some_and(|payer| payer.token == token))
    }

    pub fn charge_visit(&self, charge: ChargeId) -> Option<VisitId> {
        let has = |visit: &&Visit| visit.charges.iter().any(|(c, _)| c.charge_id == charge);
        self.visits.values().find(has).map(|visit| visit.id)
    }

    pub fn refund_visit(&self, refund: RefundId) -> Option<VisitId> {
        let has = |visit: &&Visit| visit.refunds.iter().any(|(r, _)| r.refund_id == refund);
        self.visits.values().find(has).map(|visit| visit.id)
    }

    /// Prices a visit's units (settled ones plus `drafts`).
    pub fn lines(&self, visit: &Visit, drafts: &[(ProductId, i64, Probability)]) -> Vec<Line> {
        let mut units = visit.units();
        for (product, count, probability) in drafts {
            let Some(item) = self.shop.catalogue.get(product) else { continue };
            match units.iter_mut().find(|u| u.product == *product) {
                Some(known) => {
                    known.quantity = (known.quantity + count).max(0);
                    known.draft = true;
                    known.probability = known.probability.min(*probability);
                }
                None if *count > 0 => units.push(Units {
                    product: product.clone(),
                    unit_price: item.price,
                    quantity: *count,
                    probability: *probability,
                    draft: true,
                }),
                None => {}
            }
        }
        self.price(&units)
    }

    /// Lines of units; a second price of one product gets its own line id.
    pub fn price(&self, units: &[Units]) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
        for u in units.iter().filter(|u| u.quantity > 0 || u.draft) {
            let second = lines.iter().any(|line| line.product == u.product);
            let product = self.shop.catalogue.get(&u.product).cloned();
            let product = product.unwrap_or_else(|| self.shop.catalogue.delisted(&u.product, u.unit_price));
            lines.push(line(u, &product, self.shop.tax_included, second));
        }
        lines
    }

    pub fn cart(&self, visit: &Visit, drafts: &[(ProductId, i64, Probability)], t: ShopTime) -> Cart {
        let lines = self.lines(visit, drafts);
        let (total, tax_total) = totals(&lines);
        let state = match (visit.is_open(), visit.left()) {
            (false, _) => CartState::Closed,
            (true, Some(_)) => CartState::Settling,
            (true, None) => CartState::Shopping,
        };
        Cart {
            visit_id: visit.id,
            payer: visit.payer_view(),
            state,
            revision: visit.revision,
            currency: self.shop.currency.clone(),
            lines,
            total,
            tax_total,
            t_us: t,
        }
    }

    /// Takes in one entry. Entries about visits that are long gone change nothing.
    pub fn note(&mut self, entry: &Entry) {
        match &entry.fact {
            Fact::Started { .. } => self.note_start(entry.t),
            Fact::Blind { since } => {
                self.dark_from = *since;
                self.nobody_was_seen();
            }
            _ => {}
        }
        self.last = self.last.max(entry.t);
        let t = entry.t;
        let credential = match &entry.subject {
            Some(Subject::Credential(credential)) => Some(credential.clone()),
            _ => None,
        };
        match &entry.fact {
            Fact::Asked { tap_id, gate, direction, group_size, amount } => {
                self.undecided.insert(tap_id.clone());
                self.taps.insert(
                    tap_id.clone(),
                    TapRecord {
                        at: t,
                        gate: gate.clone(),
                        direction: *direction,
                        credential,
                        group_size: *group_size,
                        amount: *amount,
                        visit: entry.visit,
                        decided: None,
                        hold: None,
                        released: false,
                    },
                );
            }
            Fact::Decided { tap_id, gate, direction, open, reason, valid_ms, hold, offline, group_size } => {
                self.undecided.remove(tap_id);
                let tap = self.taps.entry(tap_id.clone()).or_insert_with(|| TapRecord {
                    at: t,
                    gate: gate.clone(),
                    direction: *direction,
                    credential,
                    group_size: *group_size,
                    amount: Cents::ZERO,
                    visit: None,
                    decided: None,
                    hold: None,
                    released: false,
                });
                tap.visit = entry.visit;
                tap.hold = hold.clone();
                tap.decided =
                    Some(Decided { at: t, open: *open, reason: *reason, valid_ms: *valid_ms, offline: *offline });
            }
            Fact::VisitOpened { by, .. } => {
                let Some(id) = entry.visit else { return };
                self.open.insert(id);
                self.visits.insert(
                    id,
                    Visit {
                        id,
                        opened: t,
                        by: *by,
                        bodies: BTreeMap::new(),
                        payer: None,
                        payer_tap: None,
                        hold: None,
                        offline: false,
                        claims: Vec::new(),
                        doubts: Vec::new(),
                        suspect: false,
                        blind: Vec::new(),
                        reviewed: false,
                        closed: None,
                        receipt: None,
                        charges: Vec::new(),
                        refunds: Vec::new(),
                        revision: 0,
                        papers: 0,
                    },
                );
            }
            Fact::Passed { passage_id, gate, direction } => {
                self.passages.insert(passage_id.clone(), t);
                if *direction == Direction::In {
                    self.came_in.retain(|(at, _)| t.since(*at) < 60 * SECOND_US);
                    self.came_in.push_back((t, gate.clone()));
                }
            }
            Fact::GateClock { gate, offset_us } => {
                self.gate_clocks.insert(gate.clone(), (t, *offset_us));
            }
            Fact::HoldReleased { tap_id, .. } => {
                if let Some(tap) = self.taps.get_mut(tap_id) {
                    tap.released = true;
                }
                let visit = entry.visit.and_then(|id| self.visits.get_mut(&id));
                if let Some(visit) = visit.filter(|visit| visit.payer_tap.as_ref() == Some(tap_id)) {
                    visit.hold = None;
                }
            }
            Fact::HoldAdopted { tap_id, hold } => {
                if let Some(tap) = self.taps.get_mut(tap_id) {
                    tap.hold = Some(hold.clone());
                }
                self.with_visit(entry, |visit| visit.hold = Some(hold.clone()));
            }
            Fact::Levels { shelf, plates_g } => {
                self.levels.insert(shelf.clone(), (t, plates_g.clone()));
            }
            Fact::Claimed { interaction, shelf, how, claims, .. } => {
                self.next_interaction = self.next_interaction.max(interaction.0 + 1);
                for claim in claims {
                    if let (Some(product), true) = (&claim.product, claim.count < 0) {
                        for plate in &claim.plates {
                            self.stock.put(shelf.clone(), *plate, product.clone());
                        }
                    }
                    if let Some(visit) = claim.visit.and_then(|id| self.visits.get_mut(&id)) {
                        visit.claims.push((*interaction, claim.clone()));
                        if *how == InteractionKind::Gap {
                            visit.blind.extend(claim.product.clone());
                        }
                        visit.revision += 1;
                    }
                }
            }
            Fact::Receipt { receipt } => {
                self.next_receipt = self.next_receipt.max(receipt.number + 1);
                self.with_visit(entry, |visit| {
                    let mut receipt = receipt.clone();
                    receipt.cart.payer = visit.payer_view();
                    visit.receipt = Some(receipt);
                    visit.papers += 1;
                });
            }
            Fact::ChargeAnswered { charge_id, state, .. } => self.with_visit(entry, |visit| {
                visit.papers += 1;
                for (_, known) in visit.charges.iter_mut().filter(|(charge, _)| charge.charge_id == *charge_id) {
                    *known = *state;
                }
            }),
            Fact::RefundAnswered { refund_id, done } => self.with_visit(entry, |visit| {
                for (_, known) in visit.refunds.iter_mut().filter(|(refund, _)| refund.refund_id == *refund_id) {
                    *known = if *done { RefundState::Done } else { RefundState::Refused };
                }
            }),
            _ => self.with_visit(entry, |visit| visit.note(t, &entry.fact, entry.subject.as_ref())),
        }
        match (&entry.fact, entry.visit.filter(|id| self.visits.contains_key(id))) {
            (Fact::Joined { body }, visit) => {
                self.next_body = self.next_body.max(body.0 + 1);
                self.of_body.entry(*body).or_default().extend(visit);
            }
            (Fact::Mistaken { is, .. }, visit) => self.of_body.entry(*is).or_default().extend(visit),
            (Fact::VisitClosed { .. }, Some(visit)) => drop(self.open.remove(&visit)),
            _ => {}
        }
    }

    fn note_start(&mut self, t: ShopTime) {
        if self.last.since(self.started) >= WHOLE_LIFE_US {
            self.dark_from = self.last;
        }
        self.started = t;
        self.nobody_was_seen();
    }

    fn nobody_was_seen(&mut self) {
        for id in &self.open {
            let bodies = self.visits.get_mut(id).into_iter().flat_map(|visit| visit.bodies.values_mut());
            bodies.for_each(|presence| presence.down = true);
        }
    }

    fn with_visit(&mut self, entry: &Entry, change: impl FnOnce(&mut Visit)) {
        if let Some(visit) = entry.visit.and_then(|id| self.visits.get_mut(&id)) {
            change(visit);
        }
    }

    /// A closed visit that was forgotten comes back as its entries tell it, because somebody wants it changed. What is
    /// known stays as it is.
    pub fn recall(&mut self, id: VisitId, entries: &[Entry]) {
        let mut past = Books::new(self.shop.clone());
        entries.iter().for_each(|entry| past.note(entry));
        if let Some(visit) = past.visits.remove(&id).filter(|visit| !visit.is_open()) {
            for body in visit.bodies.keys() {
                self.of_body.entry(*body).or_default().insert(id);
            }
            self.visits.entry(id).or_insert(visit);
        }
    }

    /// Forgets what is older than 24 h and finished. What staff have to decide waits for them, over any weekend.
    pub fn forget_before(&mut self, now: ShopTime) {
        let old = ShopTime(now.0 - REMEMBER_US);
        // The tap that pays for an open visit is needed to know its hold by.
        let paying: BTreeSet<TapId> = self.open_visits().filter_map(|visit| visit.payer_tap.clone()).collect();
        self.taps.retain(|id, tap| tap.at > old || paying.contains(id));
        self.passages.retain(|_, at| *at > old);
        let decided = |visit: &Visit| visit.receipt.as_ref().is_none_or(|receipt| !receipt.status.waits());
        let settled = |visit: &Visit| {
            decided(visit)
                && visit.charges.iter().all(|(_, state)| *state == ChargeState::Captured)
                && visit.refunds.iter().all(|(_, state)| *state != RefundState::Queued)
        };
        self.visits.retain(|_, visit| visit.closed.is_none_or(|(_, left)| left > old || !settled(visit)));
        self.undecided.retain(|id| self.taps.contains_key(id));
        self.of_body.retain(|_, visits| {
            visits.retain(|id| self.visits.contains_key(id));
            !visits.is_empty()
        });
    }
}

impl Presence {
    fn from(joined: ShopTime) -> Presence {
        Presence { joined, left: None, last_at: None, trail: VecDeque::new(), down: false }
    }

    fn was_at(&mut self, t: ShopTime, position: &Position) {
        self.last_at = Some((t, position.clone()));
        self.trail.push_back(Spot { t, floor: position.floor, after_dark: std::mem::take(&mut self.down) });
        while self.trail.front().is_some_and(|spot| t.since(spot.t) > TRAIL_US) {
            self.trail.pop_front();
        }
    }
}

impl Visit {
    fn note(&mut self, t: ShopTime, fact: &Fact, subject: Option<&Subject>) {
        match fact {
            Fact::PayerBound { tap_id, hold, offline } => {
                if let Some(Subject::Credential(credential)) = subject {
                    self.payer = Some(credential.clone());
                }
                self.payer_tap = tap_id.clone();
                self.hold = hold.clone();
                self.offline = *offline;
                self.revision += 1;
            }
            Fact::Joined { body } => {
                self.bodies.insert(*body, Presence::from(t));
            }
            Fact::Left { body } => {
                if let Some(presence) = self.bodies.get_mut(body) {
                    presence.left = Some(t);
                }
                self.revision += 1;
            }
            Fact::Mistaken { body, is } => {
                if let Some(presence) = self.bodies.remove(body) {
                    self.bodies.insert(*is, presence);
                }
            }
            Fact::Whereabouts => {
                if let Some(Subject::Whereabouts(positions)) = subject {
                    for position in positions {
                        if let Some(presence) = self.bodies.get_mut(&position.body) {
                            presence.was_at(t, position);
                        }
                    }
                }
            }
            Fact::Reviewed { .. } => self.reviewed = true,
            Fact::Doubted { why, shelf } => {
                self.doubts.push(why.clone());
                self.suspect |= shelf.is_some();
            }
            Fact::VisitClosed { outcome, left_us, .. } => {
                self.closed = Some((*outcome, *left_us));
                self.revision += 1;
            }
            Fact::ChargeQueued { charge } => self.charges.push((charge.clone(), ChargeState::Queued)),
            Fact::RefundQueued { refund } => self.refunds.push((refund.clone(), RefundState::Queued)),
            _ => {}
        }
    }

    pub fn receipt_id(&self) -> ReceiptId {
        ReceiptId::of(self.id)
    }
}
