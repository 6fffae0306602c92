//! What comes over HTTP: bodies from the page and other programs, and what upstream answers to a tap.

use super::*;
use crate::kinds::{Badness::*, CARD, Kind::*};

const PAYER: &str = r#"{"credential":{"kind":"card","token":"tok_secret_7391","last4":"1881"}}"#;
const CONTEST: &str = r#"{"note":"tok_secret_7391","lines":[{"line_id":"l1","original":2,"claimed":1}],"revision":7}"#;
const REVIEW: &str = r#"{"note":"tok_secret_7391","lines":[{"line_id":"l2","quantity":1}],"revision":7}"#;
const REFUND: &str = r#"{"amount":100,"reason":"tok_secret_7391"}"#;
const HELD: &str = r#"{"authorization_id":"tok_secret_7391","amount":500,"expires_us":@tomorrow}"#;

const NO_TIME: &str = "it holds no time";

pub fn rows() -> Vec<Row> {
    vec![payer(), lines(Contest, CONTEST, "\"l1\""), lines(Review, REVIEW, "\"l2\""), refund(), hold_answer()]
}

fn payer() -> Row {
    let cells = vec![
        (Empty, whole("", "400 payer.malformed")),
        (Noise, noise("400 payer.malformed")),
        (Truncated, cut("400 payer.malformed")),
        (WrongType, swap("\"tok_secret_7391\"", "[\"tok_secret_7391\"]", "400 payer.malformed")),
        (MissingKey, swap("token", "elsewhere", "400 payer.malformed")),
        (Null, swap("\"tok_secret_7391\"", "null", "400 payer.malformed")),
        (UnknownId, elsewhere("404 unknown")),
        (Oversized, long(SECRET, "413 payer.oversized")),
        (OutOfRange, na("it holds no number")),
        (NoNumber, swap("\"1881\"", "NaN", "400 payer.malformed")),
        (DeepNesting, deep("\"tok_secret_7391\"", "400 payer.malformed")),
        (DuplicateKey, swap("\"token\"", "\"token\":\"tok_other\",\"token\"", "400 payer.malformed")),
        (CardNumber, swap(SECRET, CARD, "400 payer.card_number")),
        (NotUtf8, swap(SECRET, "tok_secret_7391@utf8", "400 payer.malformed")),
        (Retained, na(NO_BROKER)),
        (Future, na(NO_TIME)),
        (Before2000, na(NO_TIME)),
        (ExtraKey, swap("\"last4\"", "\"mood\":[1],\"last4\"", "ok")),
    ];
    Row { kind: Payer, good: PAYER, cells }
}

/// Contest and review: lines that somebody wants otherwise. `line` is the one the good payload names.
fn lines(kind: Kind, good: &'static str, line: &'static str) -> Row {
    let quantity = if kind == Contest { "\"claimed\":1" } else { "\"quantity\":1" };
    let instead = |text: &str| format!("\"quantity\":{text}");
    let cells = vec![
        (Empty, whole("", "400 http.malformed")),
        (Noise, noise("400 http.malformed")),
        (Truncated, cut("400 http.malformed")),
        (WrongType, swap(quantity, instead("\"tok_secret_7391\""), "400 http.malformed")),
        (MissingKey, swap("\"lines\"", "\"elsewhere\"", "400 http.malformed")),
        (Null, swap(quantity, instead("null"), "400 http.malformed")),
        (UnknownId, elsewhere("404 unknown")),
        (Oversized, long(SECRET, "413 http.oversized")),
        (OutOfRange, swap(quantity, instead("1000"), "400 malformed")),
        (NoNumber, swap(quantity, instead("1e999"), "400 http.malformed")),
        (DeepNesting, deep(line, "400 http.malformed")),
        (DuplicateKey, swap("\"revision\"", "\"revision\":6,\"revision\"", "400 http.malformed")),
        (CardNumber, swap(SECRET, CARD, "400 http.card_number")),
        (NotUtf8, swap(SECRET, "tok_secret_7391@utf8", "400 http.malformed")),
        (Retained, na(NO_BROKER)),
        (Future, na(NO_TIME)),
        (Before2000, na(NO_TIME)),
        (ExtraKey, swap("\"revision\"", "\"mood\":{\"v\":[1]},\"revision\"", "ok")),
    ];
    Row { kind, good, cells }
}

fn refund() -> Row {
    let cells = vec![
        (Empty, whole("", "400 http.malformed")),
        (Noise, noise("400 http.malformed")),
        (Truncated, cut("400 http.malformed")),
        (WrongType, swap("100", "\"tok_secret_7391\"", "400 http.malformed")),
        (MissingKey, swap("amount", "elsewhere", "400 http.malformed")),
        (Null, swap("100", "null", "400 http.malformed")),
        (UnknownId, elsewhere("404 unknown")),
        (Oversized, long(SECRET, "413 http.oversized")),
        (OutOfRange, swap("100", "-100", "400 malformed")),
        (NoNumber, swap("100", "1e999", "400 http.malformed")),
        (DeepNesting, deep("100", "400 http.malformed")),
        (DuplicateKey, swap("\"amount\"", "\"amount\":1,\"amount\"", "400 http.malformed")),
        (CardNumber, swap(SECRET, CARD, "400 http.card_number")),
        (NotUtf8, swap(SECRET, "tok_secret_7391@utf8", "400 http.malformed")),
        (Retained, na(NO_BROKER)),
        (Future, na(NO_TIME)),
        (Before2000, na(NO_TIME)),
        (ExtraKey, swap("\"reason\"", "\"mood\":[1],\"reason\"", "ok")),
    ];
    Row { kind: Refund, good: REFUND, cells }
}

/// 201 with what is held. Whatever it is not, the offline rule decides as if nobody had answered.
fn hold_answer() -> Row {
    let cells = vec![
        (Empty, whole("", "unreachable")),
        (Noise, noise("unreachable")),
        (Truncated, cut("unreachable")),
        (WrongType, swap("500", "\"tok_secret_7391\"", "unreachable")),
        (MissingKey, swap("authorization_id", "elsewhere", "unreachable")),
        (Null, swap("\"tok_secret_7391\"", "null", "unreachable")),
        (UnknownId, na("the id of a hold is upstream's own, and new to us each time")),
        (Oversized, long(SECRET, "unreachable")),
        (OutOfRange, swap("500", "-500", "unreachable")),
        (NoNumber, swap("500", "1e999", "unreachable")),
        (DeepNesting, deep("500", "unreachable")),
        (DuplicateKey, na("upstream is ours and authenticated: the last of two counts")),
        (CardNumber, swap(SECRET, CARD, "unreachable")),
        (NotUtf8, swap(SECRET, "tok_secret_7391@utf8", "unreachable")),
        (Retained, na(NO_BROKER)),
        (Future, na("a hold ends in the future; its good payload does")),
        (Before2000, swap("@tomorrow", "946684799000000", "ok")),
        (ExtraKey, swap("\"amount\"", "\"mood\":[1],\"amount\"", "ok")),
    ];
    Row { kind: HoldAnswer, good: HELD, cells }
}
