//! What upstream answers. First line: the call and the status, `charge 402`. The rest: the body.
//!
//! Whatever it is becomes one of our own few words; what upstream says beside goes to books, log and page, and so is short,
//! printable and no card number.

use super::families::{ARRIVAL_US, into_a_floor, shop};
use super::sample::{CLOSED_VISIT, VISIT, visit};
use super::stubs::Wired;
use carryout::base::{ChargeId, GateId, TapId, card};
use carryout::carts::ChargeState;
use carryout::events::{Answer, Authorised, ChargeAnswer, Credential, Direction, Entry, Fact, Observation, Tap};
use carryout::sync::answer::{self, Verdict};
use carryout::web::Books;
use serde_json::json;
use std::sync::LazyLock;

/// Characters of what upstream said, with our own words around it.
const SAID_CHARS: usize = 300;

/// A visit that waits for upstream's answer to its charge.
static WAITING: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let entries = Wired::new(shop()).books.visit_entries(visit(CLOSED_VISIT)).expect("in memory");
    entries.into_iter().filter(|entry| !matches!(entry.fact, Fact::ChargeAnswered { .. })).collect()
});

/// The charge that is answered.
fn sent() -> serde_json::Value {
    json!({"charge_id": VISIT, "total": 250})
}

pub fn upstream(data: &[u8]) -> bool {
    let line = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let Some((call, status)) = std::str::from_utf8(&data[..line]).ok().and_then(|line| line.split_once(' ')) else {
        return false;
    };
    let Some(status) = status.parse().ok().filter(|status| (100..=999).contains(status)) else { return false };
    let answer = answer::read(status, data.get(line + 1..).unwrap_or_default());
    match call {
        "authorization" => authorised(answer::authorised(&TapId::new("tap-1"), answer)),
        "charge" => charged(answer::charged(answer, &sent())),
        "refund" => done(answer::refunded(answer, &json!({"refund_id": "r1", "amount": 250}))),
        "look-up" => answer::found(answer, &sent()).is_some_and(charged),
        "release" => done(answer::released(answer)),
        "events" => done(answer::delivered(answer)),
        _ => false,
    }
}

fn authorised(answer: Answer) -> bool {
    match &answer {
        Answer::Held { authorization_id: id, amount, .. } => {
            assert!((1..=256).contains(&id.chars().count()) && !id.chars().any(char::is_control) && amount.0 >= 0);
            assert!(!card::looks_like_card_number(id) || uuid::Uuid::try_parse(id).is_ok(), "held: a card number");
        }
        Answer::Declined { reason } => said(reason),
        Answer::Unreachable => {}
    }
    let held = matches!(answer, Answer::Held { .. });
    let credential = Credential { kind: "card".into(), token: "tok_1".into(), brand: None, last4: None };
    let tap = Tap {
        gate: GateId::new("gate-1"),
        tap_id: TapId::new("tap-1"),
        t_us: ARRIVAL_US,
        direction: Direction::In,
        credential,
        group_size: 1,
    };
    let answer = Observation::Authorised(Authorised { tap_id: tap.tap_id.clone(), answer });
    into_a_floor(shop(), &[Observation::Tap(tap)], answer);
    held
}

fn charged(verdict: Verdict) -> bool {
    let (state, reason) = match &verdict {
        Verdict::Captured => (ChargeState::Captured, None),
        Verdict::Declined(reason) => (ChargeState::Declined, Some(reason.clone())),
        Verdict::Unknown(why) => (ChargeState::Unknown, Some(why.clone())),
        _ => return done(verdict),
    };
    done(verdict);
    let visit = visit(CLOSED_VISIT);
    let recalled = Observation::Recalled { visit, entries: WAITING.clone() };
    let answer = ChargeAnswer { charge: ChargeId::of(visit, 0), state, reason };
    into_a_floor(shop(), &[recalled], Observation::Charged(answer));
    matches!(state, ChargeState::Captured | ChargeState::Declined)
}

fn done(verdict: Verdict) -> bool {
    match &verdict {
        Verdict::Declined(why) | Verdict::NotSent(why) | Verdict::Unknown(why) | Verdict::Refused { why, .. } => {
            said(why)
        }
        Verdict::Captured | Verdict::Done => {}
    }
    verdict == Verdict::Done
}

fn said(text: &str) {
    assert!((1..=SAID_CHARS).contains(&text.chars().count()), "{} characters: {text:.200}", text.chars().count());
    assert!(!text.chars().any(char::is_control), "not printable: {text:?}");
    assert!(!card::looks_like_card_number(text), "a card number: {text}");
}
