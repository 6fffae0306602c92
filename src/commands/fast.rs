//! A synthetic day straight into the core, as fast as it goes: no broker, no ledger, no upstream, no clock. The floor's
//! questions are answered on the spot, the way model worker, ledger and a friendly upstream would.
//!
//! This is how thousands of carts are scored; the real way through MQTT, SQLite and HTTP is `carryout demo`'s.

use super::score::{ClaimedEvent, TokenReceipt};
use crate::base::{Counters, VisitId};
use crate::carts::{ChargeState, PolicyOptions};
use crate::events::{
    Answer, Authorised, ChargeAnswer, Effect, Effects, Fact, Observation, Outgoing, Stamped, WeighRequest,
};
use crate::floor::{Books, Floor, FloorOptions};
use crate::fusion::{DetectorKind, NearestAttributor};
use crate::shop::Shop;
use std::collections::VecDeque;
use std::sync::Arc;

/// How carts are made of what devices say.
#[derive(Clone, Debug)]
pub struct Method {
    pub detector: DetectorKind,
    pub rule: NearestAttributor,
    /// Whether what was put back is known to stand there. Off only to measure what that is worth.
    pub stock_follows: bool,
    /// Whether what cameras say is heard. Off only to measure what they are worth: shelves, taps and beams are left.
    pub cameras: bool,
}

impl Default for Method {
    /// As the shop runs.
    fn default() -> Method {
        Method {
            detector: DetectorKind::Steps,
            rule: NearestAttributor::published(),
            stock_follows: true,
            cameras: true,
        }
    }
}

impl Method {
    /// The yardstick: detector and rule of the best public competition entry, as coded.
    pub fn published() -> Method {
        Method { detector: DetectorKind::Published, rule: NearestAttributor::as_coded(), ..Method::default() }
    }
}

/// What the core made of a day.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Of everybody who is charged or looked at, with the token of who pays.
    pub receipts: Vec<TokenReceipt>,
    /// Every claim, in the order they were settled.
    pub events: Vec<ClaimedEvent>,
}

/// The floor's outcome of `arrivals`. `told` is the shop as the system knows it, `policy` the retailer's rules in it.
pub fn run(
    told: Arc<Shop>,
    policy: PolicyOptions,
    arrivals: impl Iterator<Item = Stamped>,
    method: &Method,
) -> Outcome {
    watched(told, policy, arrivals, method, &mut |_, _| {})
}

/// The same; `asks` is shown the floor and what it asks its model, before it is answered.
pub fn watched(
    told: Arc<Shop>,
    policy: PolicyOptions,
    arrivals: impl Iterator<Item = Stamped>,
    method: &Method,
    asks: &mut dyn FnMut(&Floor, &WeighRequest),
) -> Outcome {
    let options = FloorOptions { policy, detector: method.detector, ..FloorOptions::default() };
    let mut floor = Floor::new(told.clone(), options, Books::new(told.clone()), Counters::default());
    let mut claimed = Vec::new();
    let mut seq = 0;
    let is_heard = |stamped: &Stamped| method.cameras || !matches!(stamped.observation, Observation::People(_));
    for stamped in arrivals.filter(is_heard) {
        let mut waiting = VecDeque::from([stamped]);
        while let Some(stamped) = waiting.pop_front() {
            let arrival = stamped.arrival;
            let Effects { now, entries, outbox, then } = floor.apply(stamped);
            let mut answers = Vec::new();
            if !entries.is_empty() {
                seq += entries.len() as u64;
                answers.push(Observation::Durable { seq });
                claimed.extend(
                    entries.into_iter().map(|entry| entry.fact).filter(|fact| matches!(fact, Fact::Claimed { .. })),
                );
            }
            for row in outbox {
                if let Outgoing::Charge { charge_id, .. } = row {
                    let captured = ChargeAnswer { charge: charge_id, state: ChargeState::Captured, reason: None };
                    answers.push(Observation::Charged(captured));
                }
            }
            for effect in now.into_iter().chain(then) {
                match effect {
                    Effect::Weigh(mut request) => {
                        asks(&floor, &request);
                        if !method.stock_follows {
                            for asked in &mut request.interactions {
                                let stock = told.planogram.on_shelf(&asked.shelf);
                                asked.stock = stock.map(|(plate, product)| (plate, product.clone())).collect();
                            }
                        }
                        answers.push(Observation::Weighed(method.rule.weigh(&request, &told.catalogue)));
                    }
                    Effect::Authorise { tap_id, credential, amount } => {
                        let answer = if credential.token.starts_with("tok_declined") {
                            Answer::Declined { reason: "declined".into() }
                        } else {
                            let expires_us = arrival.0 + 3_600_000_000;
                            Answer::Held { authorization_id: format!("hold-{tap_id}"), amount, expires_us }
                        };
                        answers.push(Observation::Authorised(Authorised { tap_id, answer }));
                    }
                    Effect::Decide { .. } | Effect::Look { .. } | Effect::PublishCart(_) | Effect::PublishEvent(_) => {}
                }
            }
            waiting.extend(answers.into_iter().map(|observation| Stamped { arrival, observation }));
        }
    }
    let visits = &floor.books().visits;
    let token_of = |id: &VisitId| visits.get(id)?.payer.as_ref().map(|payer| payer.token.clone());
    let receipts = visits
        .values()
        .filter_map(|visit| Some(TokenReceipt { token: token_of(&visit.id)?, receipt: visit.receipt.clone()? }));
    let events = claimed.iter().flat_map(|fact| ClaimedEvent::of(fact, token_of));
    Outcome { receipts: receipts.collect(), events: events.collect() }
}
