//! What is refused, and in which words; and that no damage to a file brings the scoring down.

use super::super::report::{About, page};
use super::super::table::table;
use super::super::{Billed, Prices};
use super::*;
use crate::sim::chance::Chance;
use serde_json::{Value, json};

fn visit(token: Value) -> Value {
    json!({"kind": "visit", "case": "a-1", "visit": "s1", "token": token, "entered_us": 5, "left_us": 9,
        "cart": [{"product": "cola", "quantity": 1}], "payer": !token.is_null()})
}

fn receipt() -> Value {
    let line = json!({"line_id": "1", "product": "cola", "name": "Cola", "quantity": 1, "unit_price": 100, "tax": 0,
        "deposit": 0, "total": 100, "probability": 1.0, "draft": false});
    json!({"token": "t1", "visit_id": uuid::Uuid::nil(), "payer": null, "state": "closed", "revision": 1,
        "currency": "EUR", "lines": [line], "total": 100, "tax_total": 0, "t_us": 7, "receipt_id": uuid::Uuid::nil(),
        "number": 1, "status": "final", "charge_ids": [], "in_doubt": [], "entered_us": 5, "left_us": 9})
}

/// The object with the value at a place replaced, or taken away for null.
fn with(mut object: Value, place: &str, value: Value) -> Value {
    let (parent, key) = place.rsplit_once('/').expect("a place begins with a slash");
    let parent = object.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
    match value {
        Value::Null => drop(parent.remove(key)),
        value => drop(parent.insert(key.to_owned(), value)),
    }
    object
}

fn text(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_truth_that_does_not_fit_is_refused_by_line_and_key() {
    let fine = visit("t1".into());
    let staff = with(visit("t2".into()), "/staff", true.into());
    for (story, lines, wrong) in [
        ("nothing", "\n".to_owned(), "t.jsonl tells of no visit"),
        ("no JSON", "visit\n".to_owned(), "t.jsonl line 1: this is not JSON (column 1)"),
        ("cut off", format!("{fine}\n{{\"kind\":\"vis"), "line 2: the line ends too early; was the file cut off?"),
        ("a list", "[1]".to_owned(), "line 1: this is not a JSON object"),
        ("a receipt", text(&[receipt()]), "line 1: a receipt; are the two files swapped?"),
        ("no kind", text(&[json!({})]), "line 1: key \"kind\" has to be visit, event or body"),
        (
            "no cart",
            text(&[with(fine.clone(), "/cart", Value::Null)]),
            "line 1: key \"cart\" is missing; a visit line has case,",
        ),
        (
            "a text for a time",
            text(&[with(fine.clone(), "/entered_us", "noon".into())]),
            "key \"entered_us\" should be a whole number; a visit line",
        ),
        (
            "a unit without product",
            text(&[with(fine.clone(), "/cart/0/product", Value::Null)]).replace("/0", ""),
            "number 1 of \"cart\": key \"product\" is missing",
        ),
        (
            "less than nothing",
            text(&[with(fine.clone(), "/cart/0/quantity", (-1).into())]),
            "line 1: -1 units of cola; a quantity is from 0 to 10000",
        ),
        (
            "nanoseconds",
            text(&[with(fine.clone(), "/left_us", 1_760_000_000_000_000_000_i64.into())]),
            "line 1: a time is in Unix microseconds",
        ),
        ("leaves first", text(&[with(fine.clone(), "/left_us", 4.into())]), "line 1: visit s1 leaves before it enters"),
        (
            "a payer without token",
            text(&[with(fine.clone(), "/token", Value::Null)]),
            "line 1: key \"payer\" is true and key \"token\" is missing or null",
        ),
        (
            "one token twice",
            text(&[fine.clone(), staff.clone(), with(fine.clone(), "/visit", "s7".into())]),
            "visit s1 of case a-1 (line 1) and visit s7 of case a-1 (line 3) have the same token",
        ),
        (
            "nobody to score",
            text(&[staff.clone(), staff.clone(), visit(Value::Null)]),
            "t.jsonl tells of no visit that can be scored: 2 of staff, 1 with nobody to pay",
        ),
        (
            "a body without a place",
            text(&[fine, json!({"kind": "body", "t_us": 1, "body": "b1", "visit": "s1"})]),
            "line 2: key \"floor\" is missing; a body line has",
        ),
    ] {
        let refused = truth_of(&lines, "t.jsonl").expect_err(story);
        assert!(refused.contains(wrong), "{story}: {refused}");
    }
}

#[test]
fn receipts_that_do_not_fit_are_refused_by_line_and_key() {
    let wire = "a receipt line is the receipt of wire.md plus \"token\"";
    for (story, lines, wrong) in [
        (
            "no token",
            text(&[receipt(), with(receipt(), "/token", Value::Null)]),
            format!("r.jsonl line 2: key \"token\" is missing; {wire}"),
        ),
        (
            "a line without price",
            text(&[with(receipt(), "/lines/0/unit_price", Value::Null)]),
            format!("line 1: number 1 of \"lines\": key \"unit_price\" is missing; {wire}"),
        ),
        (
            "more than certain",
            text(&[with(receipt(), "/lines/0/probability", 1.5.into())]),
            format!("probability 1.5 is not within 0..=1; {wire}"),
        ),
        ("a status of its own", text(&[with(receipt(), "/status", "paid".into())]), "unknown variant `paid`".into()),
        (
            "forgotten",
            text(&[receipt()]).replace("\"t1\"", "null"),
            "line 1: key \"token\" is null, so nobody can say whose receipt it is".into(),
        ),
        ("truth", text(&[visit("t1".into())]), "line 1: a line of truth; are the two files swapped?".into()),
        (
            "two currencies",
            text(&[receipt(), with(receipt(), "/currency", "CHF".into())]),
            "line 2: key \"currency\" is CHF here and EUR in line 1; money in two currencies".into(),
        ),
        (
            "a price without end",
            text(&[with(receipt(), "/lines/0/unit_price", i64::MAX.into())]),
            "line 1: a unit of cola costs 9223372036854775807; a price is from 0".into(),
        ),
        (
            "too many",
            text(&[with(receipt(), "/lines/0/quantity", i64::MAX.into())]),
            "line 1: 9223372036854775807 units of cola; a quantity is from 0 to 10000".into(),
        ),
        ("before time", text(&[with(receipt(), "/t_us", (-1).into())]), "line 1: key \"t_us\" is in Unix".into()),
    ] {
        let refused = receipts_of(&lines, "r.jsonl").expect_err(story);
        assert!(refused.contains(&wrong), "{story}: {refused}");
    }
    assert_eq!(receipts_of("\u{feff}\n", "r.jsonl").expect("nobody charged").len(), 0);
}

#[test]
fn a_pair_of_files_of_two_runs_is_noticed() {
    let visits = |token: &str| truth_of(&text(&[visit(token.into())]), "t").expect("a visit");
    let receipts = receipts_of(&text(&[receipt()]), "r").expect("a receipt");
    assert_eq!(belong_together(&visits("t1"), &receipts), Ok(()));
    assert_eq!(belong_together(&visits("t2"), &[]), Ok(()));
    let wrong = belong_together(&visits("t2"), &receipts).expect_err("strangers");
    assert!(wrong.contains("of 1 receipts none has a token that any of 1 visits has"), "{wrong}");
}

/// Bytes changed, lost and doubled, numbers made huge: refused in a sentence, or scored and told on a page.
#[test]
fn damaged_files_are_refused_or_scored_and_never_bring_it_down() {
    let mut chance = Chance::new(7, "damage");
    let (truth, receipts) = (text(&[visit("t1".into()), visit("t2".into())]), text(&[receipt(), receipt()]));
    let numbers =
        ["-9223372036854775808", "9223372036854775807", "1e300", "0", "-0.0", "1000000000", "null", "\"\u{1}\""];
    let damaged = |text: &str, chance: &mut Chance| {
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..1 + chance.below(3) {
            let (at, other) = (chance.below(bytes.len()), chance.below(bytes.len()));
            match chance.below(4) {
                0 => bytes[at] = b"0123456789\"{}[]:,tn-.e"[chance.below(22)],
                1 => drop(bytes.remove(at)),
                2 => bytes.extend_from_within(at.min(other)..at.max(other)),
                _ => {
                    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                    let Some(from) = (at..bytes.len()).find(|from| digits(*from) > 0) else { continue };
                    let to = from + digits(from);
                    bytes.splice(from..to, numbers[chance.below(numbers.len())].bytes());
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (mut scored, mut refused) = (0, 0);
    for _ in 0..2_000 {
        let hit = chance.yes(0.5);
        let truth = if hit { damaged(&truth, &mut chance) } else { truth.clone() };
        let receipts = if hit { receipts.clone() } else { damaged(&receipts, &mut chance) };
        match (truth_of(&truth, "t"), receipts_of(&receipts, "r")) {
            (Ok(visits), Ok(made)) => {
                let score = super::super::of(&visits, &made, Billed::Picker, &Prices::new());
                let about = About { truth: "t".into(), receipts: "r".into(), names: BTreeMap::new() };
                let told = table(&score) + &page(&score, &about);
                assert!(!told.contains("NaN") && !told.contains("could not be drawn"), "{truth}\n{receipts}\n{told}");
                scored += 1;
            }
            (Err(what), _) | (_, Err(what)) => {
                assert!(what.starts_with("reading ") || what.contains(" tells of no visit"), "{what}");
                refused += 1;
            }
        }
    }
    assert!(scored > 50 && refused > 500, "{scored} scored, {refused} refused");
}
