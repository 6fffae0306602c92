//! Taps: asked of upstream (400 ms, then the offline rule), decided, answered; holds adopted or given back.
//!
//! A gate opens once its answer is durable; who then passes is for `doors` to see.

use super::books::TapRecord;
use super::{Device, Floor};
use crate::base::limits::{AUTHORISE_BUDGET_MS, REMEMBER_US, TAP_EXPIRES_MS};
use crate::base::time::{MS_US, SECOND_US};
use crate::base::{BodyId, Cents, GateId, ShopTime, TapId, VisitId};
use crate::events::{
    Answer, Authorised, Credential, Decision, Direction, Effect, Fact, Hold, Opening, Outgoing, Reason, Subject, Tap,
};

/// A tap upstream has been asked about.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    since: ShopTime,
    /// Nearest the reader when it was tapped.
    body: Option<BodyId>,
    /// Taps of the same token meanwhile: they get this tap's answer.
    followers: Vec<TapId>,
}

impl Floor {
    pub(super) fn tap(&mut self, tap: Tap) {
        let id = tap.tap_id.clone();
        if !self.gates.contains_key(&tap.gate) {
            return self.counters.refuse("tap.unknown_gate", format!("tap at gate {}: not in shop.toml", tap.gate));
        }
        let at = self.event_time(Device::Gate(tap.gate.clone()), tap.t_us);
        if let Some(known) = self.books.taps.get(&id) {
            match known.decided {
                Some(decided) => self.answer(&tap.gate, &id, decided.open, decided.reason, known.visit),
                None if self.is_asked(&id) => {}
                // Asked before a restart, too long ago: the next tick says so and gives back what upstream may hold.
                None if self.now.since(known.at) > TAP_EXPIRES_MS * MS_US => {}
                None => {
                    let amount = known.amount;
                    self.ask(&tap, amount, None);
                }
            }
            return;
        }
        // Refusals are journalled too: once we know the reader's clock better, the same tap would be let in.
        let Some(at) = at else { return self.record(&tap, None, false, Reason::Malformed) };
        match self.now.since(at) {
            // Its id may have been forgotten by now: a second word about it would overwrite the first.
            age if age >= REMEMBER_US => return self.answer(&tap.gate, &id, false, Reason::Expired, None),
            age if age > TAP_EXPIRES_MS * MS_US => return self.record(&tap, None, false, Reason::Expired),
            _ => {}
        }
        match tap.direction {
            Direction::In => self.tap_in(tap),
            Direction::Out => self.tap_out(tap),
        }
    }

    fn tap_in(&mut self, tap: Tap) {
        let body = self.nearest_to_reader(&tap.gate, |floor, body| {
            floor.books.open_visit_of(body).is_none_or(|visit| visit.payer.is_none() && !visit.is_staff())
        });
        if self.closed.is_some() {
            // Journalled: the same tap sent again is not let in because the shop has opened meanwhile.
            return self.record(&tap, None, false, Reason::ShopClosed);
        }
        if let Some(visit) = self.books.open_visit_paid_by(&tap.credential.token).map(|visit| visit.id) {
            self.record(&tap, Some(visit), true, Reason::Ok);
            return self.open_gate(&tap.gate, visit, body, tap.group_size);
        }
        let same = |known: &TapId, floor: &Floor| {
            let credential = floor.books.taps.get(known).and_then(|record| record.credential.as_ref());
            credential.is_some_and(|credential| credential.token == tap.credential.token)
        };
        let leader = self.asking.keys().find(|known| same(known, self)).cloned();
        self.emit_asked(&tap, None, self.options.policy.hold_amount);
        match leader.and_then(|leader| self.asking.get_mut(&leader)) {
            Some(asking) => asking.followers.push(tap.tap_id),
            None => self.ask(&tap, self.options.policy.hold_amount, body),
        }
    }

    /// A tap at the exit binds a payer to the nearest body's visit, or confirms it. Nobody is ever locked in: who owes
    /// nothing is let out. A card that pays for an open visit confirms that one, whoever else stands there: it pays for
    /// one visit at a time. Staff pay for nothing.
    fn tap_out(&mut self, tap: Tap) {
        let own = self.books.open_visit_paid_by(&tap.credential.token).map(|visit| visit.id);
        if own.is_some() || tap.credential.kind == "staff" {
            return self.record(&tap, own, true, Reason::Ok);
        }
        let nearest = self.nearest_to_reader(&tap.gate, |floor, body| floor.books.open_visit_of(body).is_some());
        let visit = nearest.and_then(|body| self.books.open_visit_of(body)).or_else(|| {
            // Nobody in view at the reader: the one visit that still needs a payer, if there is just one.
            let mut unpaid = self.books.open_visits().filter(|v| v.payer.is_none() && !v.is_staff());
            let only = unpaid.next();
            if unpaid.next().is_some() { None } else { only }
        });
        let Some(visit) = visit else {
            return self.record(&tap, None, true, Reason::Ok);
        };
        let (id, payer, staff) = (visit.id, visit.payer.clone(), visit.is_staff());
        let owed = self.books.cart(visit, &self.desk.drafts_of(visit), self.now).total;
        if payer.is_some() || staff {
            return self.record(&tap, Some(id), true, Reason::Ok);
        }
        if owed == Cents::ZERO {
            self.record(&tap, Some(id), true, Reason::Ok);
            return self.emit(
                Some(id),
                Fact::PayerBound { tap_id: Some(tap.tap_id), hold: None, offline: false },
                Some(Subject::Credential(tap.credential)),
            );
        }
        self.emit_asked(&tap, Some(id), owed);
        self.ask(&tap, owed, None);
    }

    fn emit_asked(&mut self, tap: &Tap, visit: Option<VisitId>, amount: Cents) {
        // Staff are let in on upstream's word alone: nothing is held.
        let amount = if tap.credential.kind == "staff" { Cents::ZERO } else { amount };
        let (tap_id, gate) = (tap.tap_id.clone(), tap.gate.clone());
        let fact = Fact::Asked { tap_id, gate, direction: tap.direction, group_size: tap.group_size, amount };
        self.emit(visit, fact, Some(Subject::Credential(tap.credential.clone())));
    }

    /// Upstream is thinking about it, or about another tap of the same token.
    fn is_asked(&self, id: &TapId) -> bool {
        self.asking.contains_key(id) || self.asking.values().any(|asking| asking.followers.contains(id))
    }

    fn ask(&mut self, tap: &Tap, amount: Cents, body: Option<BodyId>) {
        let amount = if tap.credential.kind == "staff" { Cents::ZERO } else { amount };
        self.asking.insert(tap.tap_id.clone(), Asking { since: self.now, body, followers: Vec::new() });
        let credential = tap.credential.clone();
        self.fx.then.push(Effect::Authorise { tap_id: tap.tap_id.clone(), credential, amount });
    }

    pub(super) fn authorised(&mut self, authorised: Authorised) {
        let tap_id = authorised.tap_id;
        match authorised.answer {
            Answer::Unreachable => self.offline_since = self.offline_since.or(Some(self.now)),
            _ => self.offline_since = None,
        }
        let unanswered = authorised.answer == Answer::Unreachable;
        let Some(record) = self.books.taps.get(&tap_id).cloned() else {
            if let Answer::Held { authorization_id, .. } = authorised.answer {
                self.fx.outbox.push(Outgoing::Release { authorization_or_tap: authorization_id, visit: None });
            }
            return;
        };
        match (authorised.answer, record.decided) {
            (Answer::Held { authorization_id, amount, expires_us }, None) => {
                self.decide(&tap_id, Ok(Some(Hold { authorization_id, amount, expires_us })), false);
            }
            (Answer::Declined { reason }, None) => self.decide(&tap_id, Err(reason_of(&reason)), false),
            (Answer::Unreachable, None) => self.decide_offline(&tap_id),
            (Answer::Held { authorization_id, amount, expires_us }, Some(decided)) => {
                let same = record.hold.as_ref().is_some_and(|hold| hold.authorization_id == authorization_id);
                let known = same || record.released || amount == Cents::ZERO;
                let visit = record.visit.and_then(|id| self.books.visits.get(&id));
                let wanted = visit.is_some_and(|v| {
                    v.is_open() && v.hold.is_none() && v.payer_tap.as_ref() == Some(&tap_id) && amount > Cents::ZERO
                });
                if known {
                    // The same answer twice, or nothing is held.
                } else if decided.open && decided.offline && wanted {
                    let hold = Hold { authorization_id, amount, expires_us };
                    self.emit(record.visit, Fact::HoldAdopted { tap_id: tap_id.clone(), hold }, None);
                } else {
                    self.release(record.visit, tap_id.clone(), authorization_id, "answered too late");
                }
            }
            (_, Some(_)) => {}
        }
        // The request may have arrived all the same, and no answer will come: what upstream may hold is given back.
        let record = &self.books.taps[&tap_id];
        if unanswered && record.amount > Cents::ZERO && record.hold.is_none() && !record.released {
            let visit = record.visit;
            self.release(visit, tap_id.clone(), tap_id.to_string(), "upstream gave no answer");
        }
    }

    /// Gives a hold back; upstream hears of it by the outbox.
    pub(super) fn release(&mut self, visit: Option<VisitId>, tap_id: TapId, authorization_or_tap: String, why: &str) {
        self.emit(visit, Fact::HoldReleased { tap_id, why: why.into() }, None);
        self.fx.outbox.push(Outgoing::Release { authorization_or_tap, visit });
    }

    /// Upstream gave no answer in time: let in who owes little enough.
    fn decide_offline(&mut self, tap_id: &TapId) {
        let since = *self.offline_since.get_or_insert(self.now);
        let record = &self.books.taps[tap_id];
        let Some(credential) = record.credential.clone() else { return };
        let policy = &self.options.policy;
        let exposure = |token: Option<&str>| -> Cents {
            let of = |visit: &&super::Visit| {
                token.is_none_or(|token| visit.payer.as_ref().is_some_and(|payer| payer.token == token))
            };
            let owes = |visit: &super::Visit| {
                let cart = if visit.is_open() { self.books.cart(visit, &[], self.now).total } else { Cents::ZERO };
                let offline_hold = if visit.is_open() && visit.offline { policy.hold_amount } else { Cents::ZERO };
                visit.exposure(cart).max(offline_hold)
            };
            self.books.visits.values().filter(of).map(owes).sum()
        };
        let amount = record.amount;
        let refused = if credential.kind == "staff" {
            let approved = |tap: &TapRecord| {
                tap.decided.is_some_and(|d| d.open)
                    && tap.credential.as_ref().is_some_and(|c| c.token == credential.token)
            };
            !self.books.taps.values().any(approved)
        } else {
            self.now.since(since) > policy.offline_max_h * 3600 * SECOND_US
                || exposure(Some(&credential.token)) + amount > policy.offline_credential_cap
                || exposure(None) + amount > policy.offline_shop_cap
        };
        let outcome = if refused { Err(Reason::OfflineLimit) } else { Ok(None) };
        self.decide(tap_id, outcome, true);
    }

    /// Decides an asked tap and everybody who waited for the same answer.
    fn decide(&mut self, tap_id: &TapId, outcome: Result<Option<Hold>, Reason>, offline: bool) {
        let asking = self.asking.remove(tap_id);
        let record = self.books.taps[tap_id].clone();
        let Some(credential) = record.credential.clone() else { return };
        let body = asking.as_ref().and_then(|asking| asking.body);
        let (open, reason) = match &outcome {
            Ok(_) => (true, Reason::Ok),
            Err(reason) => (false, *reason),
        };
        let hold = outcome.ok().flatten();
        let decided = |hold: Option<Hold>, valid_ms| Fact::Decided {
            tap_id: tap_id.clone(),
            gate: record.gate.clone(),
            direction: record.direction,
            open,
            reason,
            valid_ms,
            hold,
            offline,
            group_size: record.group_size,
        };
        let valid_ms = self.options.policy.valid_ms;
        if !open {
            self.emit(record.visit, decided(None, 0), None);
            self.answer(&record.gate, tap_id, false, reason, None);
        } else if let Some(visit) = self.books.open_visit_paid_by(&credential.token).map(|visit| visit.id) {
            // The same card opened a visit meanwhile: one hold is enough.
            self.emit(Some(visit), decided(None, valid_ms), None);
            if let Some(hold) = hold.filter(|hold| hold.amount > Cents::ZERO) {
                self.release(None, tap_id.clone(), hold.authorization_id, "the same card is already in");
            }
            self.answer(&record.gate, tap_id, true, reason, Some(visit));
            if record.direction == Direction::In {
                self.open_gate(&record.gate, visit, body, record.group_size);
            }
        } else {
            self.decide_open(tap_id, &record, credential, hold, offline, body, decided);
        }
        for follower in asking.into_iter().flat_map(|asking| asking.followers) {
            self.decide(&follower, if open { Ok(None) } else { Err(reason) }, offline);
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn decide_open(
        &mut self,
        tap_id: &TapId,
        record: &TapRecord,
        credential: Credential,
        hold: Option<Hold>,
        offline: bool,
        body: Option<BodyId>,
        decided: impl Fn(Option<Hold>, i64) -> Fact,
    ) {
        let staff = credential.kind == "staff";
        let hold = hold.filter(|hold| hold.amount > Cents::ZERO);
        // Out: the visit the tap was about. In: the visit of a body that came in without a tap, or a new one.
        let unpaid = body.and_then(|body| self.books.open_visit_of(body)).filter(|visit| visit.payer.is_none());
        let known = record.visit.or(unpaid.map(|visit| visit.id)).filter(|_| !staff);
        let unpaid = |id: &VisitId| self.books.visits.get(id).is_some_and(|v| v.is_open() && v.payer.is_none());
        let known = known.filter(unpaid);
        let visit = known.unwrap_or_else(|| VisitId::begun_by(&self.shop.id, tap_id.as_str()));
        if record.direction == Direction::Out && known.is_none() {
            // The visit closed, or somebody else paid for it, while upstream was thinking: nothing is left to pay for.
            self.emit(record.visit, decided(None, self.options.policy.valid_ms), None);
            if let Some(hold) = hold {
                self.release(record.visit, tap_id.clone(), hold.authorization_id, "nothing was left to pay for");
            }
            return self.answer(&record.gate, tap_id, true, Reason::Ok, record.visit);
        }
        self.emit(Some(visit), decided(hold.clone(), self.options.policy.valid_ms), None);
        if known.is_none() {
            let by = if staff { Opening::Staff } else { Opening::Tap };
            self.open_visit(visit, by, Some(record.gate.clone()));
        }
        let subject = Subject::Credential(credential);
        self.emit(Some(visit), Fact::PayerBound { tap_id: Some(tap_id.clone()), hold, offline }, Some(subject));
        self.answer(&record.gate, tap_id, true, Reason::Ok, Some(visit));
        if record.direction == Direction::In {
            self.open_gate(&record.gate, visit, body, record.group_size);
        }
        self.publish_cart(visit, true);
    }

    pub(super) fn open_visit(&mut self, visit: VisitId, by: Opening, gate: Option<GateId>) {
        self.emit(Some(visit), Fact::VisitOpened { by, gate }, None);
        let data = serde_json::to_value(self.books.cart(&self.books.visits[&visit], &[], self.now));
        self.tell("visit.started", visit.to_string(), 0, data.expect("a cart is JSON"));
    }

    /// A decision that needs no authorisation, journalled at once.
    fn record(&mut self, tap: &Tap, visit: Option<VisitId>, open: bool, reason: Reason) {
        let fact = Fact::Decided {
            tap_id: tap.tap_id.clone(),
            gate: tap.gate.clone(),
            direction: tap.direction,
            open,
            reason,
            valid_ms: if open { self.options.policy.valid_ms } else { 0 },
            hold: None,
            offline: false,
            group_size: tap.group_size,
        };
        self.emit(visit, fact, Some(Subject::Credential(tap.credential.clone())));
        self.answer(&tap.gate, &tap.tap_id, open, reason, visit);
    }

    fn answer(&mut self, gate: &GateId, tap_id: &TapId, open: bool, reason: Reason, visit_id: Option<VisitId>) {
        let valid_ms = if open { self.options.policy.valid_ms } else { 0 };
        let decision = Decision { tap_id: tap_id.clone(), open, valid_ms, reason, visit_id, t_us: self.now };
        if let Some(state) = self.gates.get_mut(gate) {
            state.last = Some((self.now, reason));
        }
        self.counters.count(if open { "gate.opened" } else { "gate.refused" });
        self.fx.then.push(Effect::Decide { gate: gate.clone(), decision });
    }

    /// After a restart: taps that were being authorised and whose person still waits are asked again (same key, so
    /// upstream holds nothing twice). So are those the offline rule decided while upstream was still thinking: what it
    /// holds for them is adopted or given back.
    pub(super) fn ask_again(&mut self) {
        let unheard = |(id, tap): (&TapId, &TapRecord)| {
            let open = tap.decided.is_some_and(|d| d.offline) && tap.hold.is_none() && !tap.released;
            let credential = tap.credential.clone().filter(|_| open && tap.amount > Cents::ZERO)?;
            Some(Effect::Authorise { tap_id: id.clone(), credential, amount: tap.amount })
        };
        let unheard: Vec<Effect> = self.books.taps.iter().filter_map(unheard).collect();
        self.fx.then.extend(unheard);
        let waiting = |(id, tap): (&TapId, &TapRecord)| {
            let fresh = tap.decided.is_none() && self.now.since(tap.at) <= TAP_EXPIRES_MS * MS_US;
            Some((id.clone(), tap.gate.clone(), tap.credential.clone().filter(|_| fresh)?, tap.amount))
        };
        let taps: Vec<_> = self.books.taps.iter().filter_map(waiting).collect();
        for (tap_id, gate, credential, amount) in taps {
            let body = self.nearest_to_reader(&gate, |floor, body| floor.books.open_visit_of(body).is_none());
            self.asking.insert(tap_id.clone(), Asking { since: self.now, body, followers: Vec::new() });
            self.fx.then.push(Effect::Authorise { tap_id, credential, amount });
        }
    }

    pub(super) fn taps_tick(&mut self) {
        let late = |asking: &Asking| self.now.since(asking.since) >= AUTHORISE_BUDGET_MS * MS_US;
        let overdue: Vec<TapId> = self.asking.iter().filter(|(_, a)| late(a)).map(|(id, _)| id.clone()).collect();
        for tap_id in overdue {
            self.decide_offline(&tap_id);
        }
        // Asked before a restart and never sent again: upstream may hold money for nobody.
        let orphan = |(id, tap): (&TapId, &TapRecord)| {
            let old = self.now.since(tap.at) > TAP_EXPIRES_MS * MS_US;
            (old && !self.is_asked(id)).then(|| id.clone())
        };
        let orphans: Vec<TapId> = self.books.undecided_taps().filter_map(orphan).collect();
        for tap_id in orphans {
            let visit = self.books.taps[&tap_id].visit;
            self.decide(&tap_id, Err(Reason::Expired), true);
            self.release(visit, tap_id.clone(), tap_id.to_string(), "the daemon restarted before it could answer");
        }
    }
}

/// Upstream's word for a refusal, as the gate says it.
fn reason_of(reason: &str) -> Reason {
    match reason {
        "already_used" => Reason::AlreadyUsed,
        "unknown_code" => Reason::UnknownCode,
        "restricted" => Reason::Restricted,
        "expired" => Reason::Expired,
        _ => Reason::Declined,
    }
}
