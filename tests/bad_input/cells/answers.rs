//! What upstream answers to charges, look-ups, refunds and events, after it has done what it was asked.
//!
//! Only `ok` is believed. All else leaves the row where it is: `unknown` is asked for again, `refused` stands on the page
//! and is asked for again in an hour, `declined` is tried again by its schedule. In the end everybody was charged once.

use super::*;
use crate::kinds::{Badness::*, CARD, Kind::*};

const CHARGED: &str = r#"{"state":"captured","charge_id":"@charge","total":250,"note":"tok_secret_7391"}"#;
const REFUNDED: &str =
    r#"{"state":"done","refund_id":"@refund","charge_id":"@charge","amount":100,"note":"tok_secret_7391"}"#;
const TOLD: &str = r#"{"events":1,"note":"tok_secret_7391"}"#;

const NO_TIME: &str = "it holds no time";

pub fn rows() -> Vec<Row> {
    vec![
        Row { kind: ChargeAnswer, good: CHARGED, cells: sums("\"captured\"", "250", "@charge") },
        Row { kind: LookUpAnswer, good: CHARGED, cells: sums("\"captured\"", "250", "@charge") },
        Row { kind: RefundAnswer, good: REFUNDED, cells: sums("\"done\"", "100", "@refund") },
        events(),
    ]
}

/// An answer about a sum of money: its state, its amount, its id.
fn sums(state: &'static str, amount: &'static str, id: &'static str) -> Vec<(Badness, Cell)> {
    let twice = format!("\"state\":\"tok_secret_7391\",\"state\":{state}");
    let once = if state == "\"done\"" { "\"state\":\"done\"" } else { "\"state\":\"captured\"" };
    vec![
        (Empty, whole("", "unknown")),
        (Noise, noise("unknown")),
        (Truncated, cut("unknown")),
        (WrongType, swap(state, "true", "unknown")),
        (MissingKey, swap("state", "elsewhere", "unknown")),
        (Null, swap(state, "null", "unknown")),
        (UnknownId, swap(id, "5d0c8f1e-3b6a-5c47-9e21-7a44c0deca27", "refused")),
        (Oversized, swap(SECRET, "x".repeat(5 << 20), "unknown")),
        (OutOfRange, swap(amount, format!("-{amount}"), "refused")),
        (NoNumber, swap(amount, "1e999", "unknown")),
        (DeepNesting, deep(amount, "unknown")),
        // Upstream is ours and authenticated: the last of two counts.
        (DuplicateKey, swap(once, twice, "ok")),
        (CardNumber, swap(state, format!("\"{CARD}\""), "unknown")),
        (NotUtf8, swap(SECRET, "tok_secret_7391@utf8", "unknown")),
        (Retained, na(NO_BROKER)),
        (Future, na(NO_TIME)),
        (Before2000, na(NO_TIME)),
        (ExtraKey, swap("\"note\"", "\"mood\":[1],\"note\"", "ok")),
    ]
}

/// 2xx means all of them, and the body is nobody's.
fn events() -> Row {
    let cells = vec![
        (Empty, whole("", "ok")),
        (Noise, noise("ok")),
        (Truncated, cut("ok")),
        (WrongType, swap("1", "\"tok_secret_7391\"", "ok")),
        (MissingKey, swap("events", "elsewhere", "ok")),
        (Null, swap("1", "null", "ok")),
        (UnknownId, na("it names no event")),
        (Oversized, swap(SECRET, "x".repeat(5 << 20), "ok")),
        (OutOfRange, swap("1", "-1", "ok")),
        (NoNumber, swap("1", "1e999", "ok")),
        (DeepNesting, deep("1", "ok")),
        (DuplicateKey, swap("\"events\"", "\"events\":2,\"events\"", "ok")),
        (CardNumber, swap(SECRET, CARD, "ok")),
        (NotUtf8, swap(SECRET, "tok_secret_7391@utf8", "ok")),
        (Retained, na(NO_BROKER)),
        (Future, na(NO_TIME)),
        (Before2000, na(NO_TIME)),
        (ExtraKey, swap("\"note\"", "\"mood\":[1],\"note\"", "ok")),
    ];
    Row { kind: EventsAnswer, good: TOLD, cells }
}
