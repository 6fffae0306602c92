//! What upstream's answers mean: status and bytes in, our own few words out. No network, no clock.
//!
//! What matters about a failure is whether upstream can have acted on the request, so that is what [`Failed`] says. Its own
//! words go to books, log and page: they are cut, printable and never a card number.

use crate::base::card::holds_card_number;
use crate::base::{Cents, TapId};
use crate::events::Answer;
use crate::shop::problems::{shown, shown_within};
use serde_json::Value;

/// Characters of an authorisation's id, as of a token. More: not meant as one.
const AUTHORIZATION_ID_CHARS: usize = 256;

/// Characters of a reason. More: cut.
const REASON_CHARS: usize = 200;

/// Why a call did not end in 2xx.
#[derive(Debug)]
pub enum Failed {
    /// No connection: upstream has seen nothing.
    NotSent(String),
    /// The request may have arrived; timeout, broken connection.
    NoAnswer(String),
    /// 402 with its reason.
    Declined(String),
    /// 5xx, a redirect, "later": it may have had its effect.
    Ill(String),
    /// Another 4xx: refused without effect.
    Refused { status: u16, why: String },
}

/// What came of a call, as far as its row is concerned.
#[derive(Debug, PartialEq)]
pub enum Verdict {
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

/// The body of a 2xx, `Null` where it is no JSON; or what else the status says.
pub fn read(status: u16, bytes: &[u8]) -> Result<Value, Failed> {
    let body: Value = serde_json::from_slice(bytes).unwrap_or(Value::Null);
    match status {
        200..=299 => Ok(body),
        300..=399 => Err(Failed::Ill(format!(
            "upstream answered {status}, and no charge follows a redirect: set upstream.url to where it leads"
        ))),
        402 => Err(Failed::Declined(reason(&body))),
        // Neither says anything about the thing itself; both pass.
        408 | 425 | 429 => Err(Failed::Ill(format!("upstream answered {status}"))),
        400..=499 => Err(Failed::Refused { status, why: reason(&body) }),
        _ => Err(Failed::Ill(format!("upstream answered {status}"))),
    }
}

fn reason(body: &Value) -> String {
    let given = body["reason"].as_str().filter(|text| !text.is_empty());
    given.map_or_else(|| "no reason given".to_owned(), |text| shown_within(text, REASON_CHARS))
}

/// `POST /v1/authorizations`. An acceptance that cannot be meant is no answer, and so is every failure but a decline.
pub fn authorised(tap: &TapId, answer: Result<Value, Failed>) -> Answer {
    match answer {
        Ok(answer) => held(&answer).unwrap_or_else(|| {
            tracing::warn!(%tap, "upstream accepted an authorisation without saying what it holds");
            Answer::Unreachable
        }),
        Err(Failed::Declined(reason)) => Answer::Declined { reason },
        Err(failed) => {
            tracing::info!(%tap, ?failed, "no authorisation");
            Answer::Unreachable
        }
    }
}

/// What upstream holds; `None` for an answer that cannot be meant. The id goes into the ledger and into an address.
fn held(answer: &Value) -> Option<Answer> {
    let id = answer["authorization_id"].as_str()?;
    let plain = (1..=AUTHORIZATION_ID_CHARS).contains(&id.chars().count()) && !id.chars().any(char::is_control);
    let amount = answer["amount"].as_i64().filter(|amount| *amount >= 0)?;
    let expires_us = answer["expires_us"].as_i64()?;
    (plain && !holds_card_number(&answer["authorization_id"])).then(|| Answer::Held {
        authorization_id: id.to_owned(),
        amount: Cents(amount),
        expires_us,
    })
}

/// `POST /v1/charges`; `body` is the charge as we send it.
pub fn charged(answer: Result<Value, Failed>, body: &Value) -> Verdict {
    match answer {
        Ok(answer) => standing(&answer, body),
        Err(failed) => failed.into(),
    }
}

/// `GET /v1/charges/{id}`; `None` when upstream never saw it.
pub fn found(answer: Result<Value, Failed>, body: &Value) -> Option<Verdict> {
    match answer {
        Err(Failed::Refused { status: 404, .. }) => None,
        // Nobody pays for a question: this no is not to the charge, and no reason to write it off.
        Err(Failed::Declined(why)) => Some(Verdict::Refused { status: 402, why }),
        answer => Some(charged(answer, body)),
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

/// `POST /v1/refunds`; `body` is the refund as we send it. An answer that does not say how it stands is asked for again,
/// under the same id.
pub fn refunded(answer: Result<Value, Failed>, body: &Value) -> Verdict {
    let answer = match answer {
        Ok(answer) => answer,
        // A refund knows no decline: whatever says no says no.
        Err(Failed::Declined(why)) => return Verdict::Refused { status: 402, why },
        Err(failed) => return failed.into(),
    };
    if let Some(verdict) = of_another(&answer, body, &["refund_id", "charge_id", "amount"]) {
        return verdict;
    }
    match answer["state"].as_str() {
        Some("done") => Verdict::Done,
        Some("refused") => Verdict::Refused { status: 402, why: reason(&answer) },
        _ => Verdict::Unknown(unheard_of(&answer)),
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
        Value::String(text) => shown(text),
        other => shown(&other.to_string()),
    }
}

/// `POST /v1/authorizations/{id}/release`.
pub fn released(answer: Result<Value, Failed>) -> Verdict {
    match answer {
        // An authorisation upstream does not know holds nothing.
        Ok(_) | Err(Failed::Refused { status: 404, .. }) => Verdict::Done,
        Err(failed) => failed.into(),
    }
}

/// `POST /v1/events`.
pub fn delivered(answer: Result<Value, Failed>) -> Verdict {
    answer.map_or_else(Verdict::from, |_| Verdict::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_an_answer_says_of_a_charge() {
        let body = json!({"charge_id": "c1", "total": 250});
        let unsaid = "upstream accepted it without saying how it stands (a `state`, as in wire.md)";
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
            ("nonsense", json!([]), Verdict::Unknown(unsaid.into())),
        ] {
            assert_eq!(charged(Ok(answer), &body), verdict, "{story}");
        }
        assert_eq!(found(read(404, b""), &body), None, "never seen");
        let no = found(read(402, b"{\"reason\": \"no\"}"), &body);
        assert_eq!(no, Some(Verdict::Refused { status: 402, why: "no".into() }), "a no to the question");
    }

    #[test]
    fn its_words_are_cut_printable_and_never_a_card_number() {
        let hidden = "(hidden: it looks like a card number)";
        let long = "x".repeat(300);
        let cut = format!("{}…", "x".repeat(199));
        for (given, told) in [
            (json!("4111 1111 1111 1111 expired"), hidden),
            (json!("two\nlines"), "two?lines"),
            (json!(long), &cut),
            (json!(""), "no reason given"),
            (json!({"a": 1}), "no reason given"),
        ] {
            let answer = json!({"state": "declined", "reason": given});
            assert_eq!(charged(Ok(answer.clone()), &json!({})), Verdict::Declined(told.into()), "200 {given}");
            let refused = charged(read(422, answer.to_string().as_bytes()), &json!({}));
            assert_eq!(refused, Verdict::Refused { status: 422, why: told.into() }, "422 {given}");
        }
        let Verdict::Refused { why, .. } = charged(Ok(json!({"total": "4111111111111111"})), &json!({"total": 1}))
        else {
            panic!("another sum is taken for ours")
        };
        assert_eq!(why, format!("upstream answers with a total of {hidden}, we have 1"));
    }
}
