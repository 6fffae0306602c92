//! A synthetic day straight into the core, as fast as it goes: no broker, no ledger, no upstream, no clock. The floor's
//! questions are answered on the spot, the way model worker, ledger and a friendly upstream would.
//!
//! This is how thousands of carts are scored; the real way through MQTT, SQLite and HTTP is `carryout demo`'s.

use super::score::TokenReceipt;
use crate::base::Counters;
use crate::carts::ChargeState;
use crate::events::{Answer, Authorised, ChargeAnswer, Effect, Effects, Observation, Outgoing, Stamped};
use crate::floor::{Books, Floor, FloorOptions};
use crate::fusion::NearestAttributor;
use crate::shop::Shop;
use std::collections::VecDeque;
use std::sync::Arc;

/// Everything the floor charges (or wants looked at), with the token of who pays. `told` is the shop as the system
/// knows it.
pub fn run(told: Arc<Shop>, arrivals: impl Iterator<Item = Stamped>) -> Vec<TokenReceipt> {
    let books = Books::new(told.clone());
    let mut floor = Floor::new(told.clone(), FloorOptions::default(), books, Counters::default());
    let rule = NearestAttributor::published();
    let mut seq = 0;
    for stamped in arrivals {
        let mut waiting = VecDeque::from([stamped]);
        while let Some(stamped) = waiting.pop_front() {
            let arrival = stamped.arrival;
            let Effects { now, entries, outbox, then } = floor.apply(stamped);
            let mut answers = Vec::new();
            if !entries.is_empty() {
                seq += entries.len() as u64;
                answers.push(Observation::Durable { seq });
            }
            for row in outbox {
                if let Outgoing::Charge { charge_id, .. } = row {
                    let captured = ChargeAnswer { charge: charge_id, state: ChargeState::Captured, reason: None };
                    answers.push(Observation::Charged(captured));
                }
            }
            for effect in now.into_iter().chain(then) {
                match effect {
                    Effect::Weigh(request) => answers.push(Observation::Weighed(rule.weigh(&request, &told.catalogue))),
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
    let visits = floor.books().visits.values();
    visits
        .filter_map(|visit| {
            let token = visit.payer.as_ref()?.token.clone();
            Some(TokenReceipt { token, receipt: visit.receipt.clone()? })
        })
        .collect()
}
