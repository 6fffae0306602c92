//! One row's way upstream and what came of it. No database, no floor: the worker sees to those.

use super::answer::{self, Verdict};
use super::client::Client;
use crate::base::{ChargeId, RefundId};
use crate::ledger::RowState;
use serde_json::Value;

/// What is to be sent, complete.
#[derive(Debug)]
pub(super) enum Call {
    Charge {
        id: ChargeId,
        body: Value,
        /// `None`: upstream cannot have seen it. Otherwise how the row stood: it is asked for before it is sent.
        ask_as: Option<RowState>,
    },
    Refund {
        id: RefundId,
        body: Value,
    },
    Release {
        authorization_or_tap: String,
    },
    Events {
        batch: Value,
    },
}

pub(super) async fn carry(client: &Client, call: &Call) -> Verdict {
    match call {
        Call::Charge { id, body, ask_as } => charge(client, &id.to_string(), body, *ask_as).await,
        Call::Refund { id, body } => answer::refunded(client.send_refund(&id.to_string(), body).await, body),
        Call::Release { authorization_or_tap } => answer::released(client.release(authorization_or_tap).await),
        Call::Events { batch } => answer::delivered(client.send_events(batch).await),
    }
}

async fn charge(client: &Client, id: &str, body: &Value, ask_as: Option<RowState>) -> Verdict {
    if let Some(state) = ask_as {
        match answer::found(client.find_charge(id).await, body) {
            None => {}
            // We know of that decline and it is time to try again; in any other state it is the answer we missed.
            Some(Verdict::Declined(_)) if state == RowState::Declined => {}
            Some(verdict) => return verdict,
        }
    }
    answer::charged(client.send_charge(id, body).await, body)
}
