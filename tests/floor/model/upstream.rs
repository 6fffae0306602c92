//! The payment service of the model: its own books of holds, charges and refunds, and every way of answering badly.
//!
//! It knows nothing of the floor. What it is asked twice under one key must be asked with one body; what it holds must
//! be used or given back, once. Whatever it finds wrong is a complaint, told with the rest.

use carryout::base::{Cents, ChargeId, RefundId, ShopTime, TapId};
use carryout::carts::{Charge, ChargeState, Refund};
use carryout::events::{Answer, Authorised, ChargeAnswer, Credential, Observation};
use std::collections::BTreeMap;

/// How long upstream thinks about a charge, and how long until a failed one is tried again, ms.
const CHARGE_MS: i64 = 200;
const RETRY_MS: i64 = 2_000;
/// After so many declines a charge is written off.
const DECLINES: u32 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldState {
    Held,
    Used,
    Released,
}

#[derive(Clone, Debug)]
pub struct Held {
    pub id: String,
    pub amount: Cents,
    pub state: HoldState,
    token: String,
}

#[derive(Clone, Debug)]
struct Demand {
    charge: Charge,
    state: ChargeState,
    declines: u32,
    next: ShopTime,
    /// The money has moved: whoever asks again hears that, whatever the mood.
    moved: bool,
}

pub struct Upstream {
    /// `answers`, `declines`, `gone`, `late N`, `silent`, `twice`.
    pub taps: String,
    /// `captured`, `declined`, `unknown`, `silent`, `twice`.
    pub charges: String,
    /// `done`, `refused`, `silent`, `twice`.
    pub refunds: String,
    pub holds: BTreeMap<TapId, Held>,
    demands: BTreeMap<ChargeId, Demand>,
    given_back: BTreeMap<RefundId, (Refund, bool)>,
    /// What it will say, and when.
    answers: Vec<(ShopTime, Observation)>,
    pub complaints: Vec<String>,
}

impl Upstream {
    pub fn new() -> Upstream {
        Upstream {
            taps: "answers".into(),
            charges: "captured".into(),
            refunds: "done".into(),
            holds: BTreeMap::new(),
            demands: BTreeMap::new(),
            given_back: BTreeMap::new(),
            answers: Vec::new(),
            complaints: Vec::new(),
        }
    }

    /// The daemon died: whoever waited for these answers is gone. What was asked and not answered is asked again.
    pub fn caller_died(&mut self, now: ShopTime) {
        self.answers.clear();
        self.demands.values_mut().for_each(|demand| demand.next = demand.next.min(now.plus_ms(RETRY_MS)));
    }

    pub fn authorise(&mut self, tap_id: &TapId, credential: &Credential, amount: Cents, now: ShopTime) {
        let say = |answer: Answer| Observation::Authorised(Authorised { tap_id: tap_id.clone(), answer });
        let mut words = self.taps.split(' ');
        let (mode, late_ms) = (words.next().unwrap_or_default(), words.next().and_then(|ms| ms.parse().ok()));
        if let Some(known) = self.holds.get(tap_id) {
            if known.amount != amount || known.token != credential.token {
                self.complaints.push(format!("tap {tap_id} was asked for twice with different bodies"));
            }
        } else if mode == "gone" || mode == "declines" {
            let answer = match mode {
                "gone" => Answer::Unreachable,
                _ => Answer::Declined { reason: "declined".into() },
            };
            return self.answers.push((now.plus_ms(20), say(answer)));
        }
        let held = self.holds.entry(tap_id.clone()).or_insert_with(|| Held {
            id: format!("auth-{tap_id}"),
            amount,
            state: HoldState::Held,
            token: credential.token.clone(),
        });
        let expires_us = now.0 + 3_600_000_000;
        let answer = say(Answer::Held { authorization_id: held.id.clone(), amount: held.amount, expires_us });
        match mode {
            // Our side gives up after 5 s and says so.
            "silent" => self.answers.push((now.plus_ms(5_000), say(Answer::Unreachable))),
            "twice" => self.answers.extend([20, 700].map(|ms| (now.plus_ms(ms), answer.clone()))),
            _ => self.answers.push((now.plus_ms(late_ms.unwrap_or(20)), answer)),
        }
    }

    pub fn charge(&mut self, charge: &Charge, now: ShopTime) {
        if let Some(known) = self.demands.get(&charge.charge_id) {
            return self.complaints.push(format!("charge {} came twice: {}", charge.charge_id, known.charge.total));
        }
        if let Some(id) = &charge.authorization_id {
            match self.holds.values_mut().find(|held| held.id == *id) {
                Some(held) if held.state == HoldState::Held => held.state = HoldState::Used,
                Some(held) => {
                    let state = held.state;
                    self.complaints.push(format!("charge {} uses hold {id}, which is {state:?}", charge.charge_id));
                }
                None => self.complaints.push(format!("charge {} uses hold {id}, which nobody made", charge.charge_id)),
            }
        }
        let next = now.plus_ms(CHARGE_MS);
        let demand = Demand { charge: charge.clone(), state: ChargeState::Queued, declines: 0, next, moved: false };
        self.demands.insert(charge.charge_id, demand);
    }

    pub fn refund(&mut self, refund: &Refund, now: ShopTime) {
        if self.given_back.contains_key(&refund.refund_id) {
            return self.complaints.push(format!("refund {} came twice", refund.refund_id));
        }
        let done = self.refunds != "refused";
        self.given_back.insert(refund.refund_id, (refund.clone(), false));
        let answer = Observation::Refunded { refund: refund.refund_id, done };
        let times = if self.refunds == "twice" { 2 } else { 1 };
        let ms = if self.refunds == "silent" { 15_000 } else { CHARGE_MS };
        self.answers.extend((1..=times).map(|n| (now.plus_ms(n * ms), answer.clone())));
    }

    /// Refunds that were asked for and never answered: asked again.
    fn ask_refunds_again(&mut self, now: ShopTime) {
        let asked = |refund: RefundId, answers: &[(ShopTime, Observation)]| {
            answers.iter().any(|(_, o)| matches!(o, Observation::Refunded { refund: r, .. } if *r == refund))
        };
        for (id, (_, told)) in &self.given_back {
            if !told && !asked(*id, &self.answers) {
                let done = self.refunds != "refused";
                self.answers.push((now.plus_ms(RETRY_MS), Observation::Refunded { refund: *id, done }));
            }
        }
    }

    /// The books know what was said of a refund.
    pub fn refund_is_known(&mut self, id: RefundId) {
        if let Some((_, told)) = self.given_back.get_mut(&id) {
            *told = true;
        }
    }

    pub fn release(&mut self, authorization_or_tap: &str) {
        let named =
            |(tap, held): &(&TapId, &mut Held)| tap.as_str() == authorization_or_tap || held.id == authorization_or_tap;
        // A tap that was asked about and never heard of here: nothing is held.
        let Some((tap, held)) = self.holds.iter_mut().find(named) else { return };
        match held.state {
            HoldState::Held => held.state = HoldState::Released,
            HoldState::Used => self.complaints.push(format!("the hold of {tap} is given back after it was used")),
            HoldState::Released => {} // may be repeated, says wire.md
        }
    }

    /// What it has to say by now.
    pub fn says(&mut self, now: ShopTime) -> Vec<Observation> {
        self.ask_refunds_again(now);
        let mode = self.charges.clone();
        for demand in self.demands.values_mut() {
            let over = matches!(demand.state, ChargeState::Captured | ChargeState::WrittenOff);
            if over || demand.next > now || mode == "silent" {
                continue;
            }
            let say = |state| {
                let charge = demand.charge.charge_id;
                (now, Observation::Charged(ChargeAnswer { charge, state, reason: None }))
            };
            demand.next = now.plus_ms(RETRY_MS);
            if demand.state == ChargeState::Declined {
                demand.state = match demand.declines {
                    DECLINES.. => ChargeState::WrittenOff,
                    _ => ChargeState::Queued,
                };
                self.answers.push(say(demand.state));
                continue;
            }
            demand.state = match mode.as_str() {
                _ if demand.moved => ChargeState::Captured,
                "declined" => ChargeState::Declined,
                "unknown" => ChargeState::Unknown,
                _ => ChargeState::Captured,
            };
            demand.moved |= demand.state == ChargeState::Captured;
            demand.declines += u32::from(demand.state == ChargeState::Declined);
            self.answers.push(say(demand.state));
            if mode == "twice" {
                self.answers.push(say(demand.state));
            }
        }
        let (due, later) = std::mem::take(&mut self.answers).into_iter().partition(|(at, _)| *at <= now);
        self.answers = later;
        let mut due: Vec<(ShopTime, Observation)> = due;
        due.sort_by_key(|(at, _)| *at);
        due.into_iter().map(|(_, observation)| observation).collect()
    }

    /// The daemon that was told has died and its books do not know: it asks again.
    pub fn recall_answers(&mut self, known: impl Fn(ChargeId) -> Option<ChargeState>) {
        for demand in self.demands.values_mut() {
            if let Some(state) = known(demand.charge.charge_id) {
                demand.state = state;
            }
        }
    }
}
