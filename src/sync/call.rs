//! One row's way upstream and what came of it. No database, no floor: the worker sees to those.

use super::client::{Client, Failed, reason};
use crate::base::card::holds_card_number;
use crate::base::{ChargeId, RefundId};
use crate::ledger::RowState;
use crate::shop::problems::shown;
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

/// What came of it, as far as the row is concerned.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    Captured,
    Declined(String),
    /// The refund was made; the release or the events arrived.
    Done,
    /// Upstream never had it, for want of a connection. Nothing of the row changes.
    NotSent(String),
    /// Upstream may have it or not.
    Unknown(String),
    /// Upstream is well and will not have this: a person must look.
    Refused {
        status: u16,
        why: String,
    },
}

impl Verdict {
    /// Whether upstream as a whole is in trouble, so that others need not try.
    pub fn is_trouble(&self) -> bool {
        matches!(self, Verdict::NotSent(_) | Verdict::Unknown(_) | Verdict::Refused { status: 401 | 403, .. })
    }
}

impl From<Failed> for Verdict {
    fn from(failed: Failed) -> Verdict {
        match failed {
            Failed::NotSent(why) => Verdict::NotSent(why),
            Failed::NoAnswer(why) | Failed::Ill(why) => Verdict::Unknown(why),
            Failed::Declined(reason) => Verdict::Declined(reason),
            Failed::Refused { status: status @ (401 | 403), why } => {
                Verdict::Refused { status, why: format!("{why}: check the token in upstream.token_file") }
            }
            Failed::Refused { status, why } => Verdict::Refused { status, why },
        }
    }
}

pub(super) async fn carry(client: &Client, call: &Call) -> Verdict {
    match call {
        Call::Charge { id, body, ask_as } => charge(client, &id.to_string(), body, *ask_as).await,
        Call::Refund { id, body } => match client.send_refund(&id.to_string(), body).await {
            Ok(answer) => given_back(&answer, body),
            // A refund knows no decline: whatever says no says no.
            Err(Failed::Declined(why)) => Verdict::Refused { status: 402, why },
            Err(failed) => failed.into(),
        },
        Call::Release { authorization_or_tap } => match client.release(authorization_or_tap).await {
            // An authorisation upstream does not know holds nothing.
            Ok(_) | Err(Failed::Refused { status: 404, .. }) => Verdict::Done,
            Err(failed) => failed.into(),
        },
        Call::Events { batch } => match client.send_events(batch).await {
            Ok(_) => Verdict::Done,
            Err(failed) => failed.into(),
        },
    }
}

async fn charge(client: &Client, id: &str, body: &Value, ask_as: Option<RowState>) -> Verdict {
    if let Some(state) = ask_as {
        match client.find_charge(id).await {
            // Nobody pays for a question: this no is not to the charge, and no reason to write it off.
            Err(Failed::Declined(why)) => return Verdict::Refused { status: 402, why },
            Err(failed) => return failed.into(),
            Ok(Some(known)) => match standing(&known, body) {
                // We know of that decline and it is time to try again; in any other state it is the answer we missed.
                Verdict::Declined(_) if state == RowState::Declined => {}
                verdict => return verdict,
            },
            Ok(None) => {}
        }
    }
    match client.send_charge(id, body).await {
        Ok(answer) => standing(&answer, body),
        Err(failed) => failed.into(),
    }
}

/// What `{state}` says of our charge.
fn standing(answer: &Value, body: &Value) -> Verdict {
    if let Some(verdict) = of_another(answer, body, &["charge_id", "total"]) {
        return verdict;
    }
    match answer["state"].as_str() {
        Some("captured") => Verdict::Captured,
        Some("declined") => Verdict::Declined(reason(answer)),
        _ => Verdict::Unknown(unheard_of(answer)),
    }
}

/// What `{state}` says of our refund. An answer that does not say is asked for again, under the same id.
fn given_back(answer: &Value, body: &Value) -> Verdict {
    if let Some(verdict) = of_another(answer, body, &["refund_id", "charge_id", "amount"]) {
        return verdict;
    }
    match answer["state"].as_str() {
        Some("done") => Verdict::Done,
        Some("refused") => Verdict::Refused { status: 402, why: reason(answer) },
        _ => Verdict::Unknown(unheard_of(answer)),
    }
}

/// Optional on the wire; where upstream says what it took, it must be what we asked.
fn of_another(answer: &Value, body: &Value, keys: &[&str]) -> Option<Verdict> {
    let key = keys.iter().find(|key| answer.get(key).is_some_and(|theirs| *theirs != body[key]))?;
    let why = format!("upstream answers with a {key} of {}, we have {}", quoted(&answer[key]), quoted(&body[key]));
    Some(Verdict::Refused { status: 409, why })
}

fn unheard_of(answer: &Value) -> String {
    match &answer["state"] {
        Value::Null => "upstream accepted it without saying how it stands (a `state`, as in wire.md)".into(),
        state => format!("upstream says {}", quoted(state)),
    }
}

/// A value of upstream's, short and fit for a page.
fn quoted(value: &Value) -> String {
    match value {
        _ if holds_card_number(value) => "what looks like a card number".into(),
        Value::String(text) => shown(text),
        other => shown(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_an_answer_says_of_a_charge() {
        let body = json!({"charge_id": "c1", "total": 250});
        for (story, answer, verdict) in [
            ("captured", json!({"state": "captured"}), Verdict::Captured),
            ("captured, with the sum", json!({"state": "captured", "total": 250}), Verdict::Captured),
            ("declined", json!({"state": "declined", "reason": "expired"}), Verdict::Declined("expired".into())),
            ("still at it", json!({"state": "pending"}), Verdict::Unknown("upstream says pending".into())),
            (
                "another sum under our id",
                json!({"state": "captured", "total": 9}),
                Verdict::Refused { status: 409, why: "upstream answers with a total of 9, we have 250".into() },
            ),
            (
                "another charge",
                json!({"state": "captured", "charge_id": "c2"}),
                Verdict::Refused { status: 409, why: "upstream answers with a charge_id of c2, we have c1".into() },
            ),
            (
                "the card for a reason",
                json!({"state": "declined", "reason": "no 4111 1111 1111 1111"}),
                Verdict::Declined("a reason that looks like a card number".into()),
            ),
        ] {
            assert_eq!(standing(&answer, &body), verdict, "{story}");
        }
    }
}
