//! The bad-input matrix: every kind of payload from outside, times every way in which it can be bad.
//!
//! A cell says what is handed in and what must come of it: the counter, the HTTP status with its counter or problem, a part
//! of the sentence, `ok`, or why there is nothing to hand in. No refusal is without a name, and none quotes a token that
//! stood in the payload or a card number, neither in its detail nor in the log. `kinds` are the rows and columns, `cells`
//! the table, `doors` the ways in. `cargo test --test bad_input -- --nocapture` prints it all.

mod answers;
mod cells;
#[path = "../web/daemon.rs"]
#[allow(dead_code)]
mod daemon;
mod doors;
mod kinds;
#[path = "../web/sample.rs"]
#[allow(dead_code)]
mod sample;
#[path = "../common/small_shop.rs"]
mod small_shop;
mod statuses;
#[path = "../web/stubs.rs"]
#[allow(dead_code)]
mod stubs;
#[path = "../ledger/support.rs"]
#[allow(dead_code)]
mod support;
#[path = "../ledger/synced.rs"]
#[allow(dead_code)]
mod synced;

use carryout::events::Answer;
use cells::Cell;
use doors::Doors;
use kinds::{BADNESS, Badness, CARD, KINDS, SECRET};
use serde_json::json;

#[tokio::test]
async fn every_payload_times_every_badness_is_answered_by_name() {
    let rows = cells::rows();
    let listed: Vec<_> = rows.iter().map(|row| row.kind).collect();
    assert_eq!(listed, KINDS, "one row a kind");
    let doors = Doors::open();
    let (mut wrong, mut table) = (Vec::new(), Vec::new());
    let (mut tested, mut spared, mut marked) = (0, 0, 0);
    for row in &rows {
        let what = format!("{:?}", row.kind);
        let came = doors.hand_in(row.kind, &row.payload(&Cell::good())).await;
        if came.name != "ok" {
            wrong.push(format!("{what}: a good one is not accepted: {came:?}"));
        }
        for badness in BADNESS {
            let place = format!("{what}, {badness:?}");
            let mut found = row.cells.iter().filter(|(of, _)| *of == badness).map(|(_, cell)| cell);
            let (Some(cell), None) = (found.next(), found.next()) else {
                wrong.push(format!("{place}: there must be one cell"));
                continue;
            };
            if let Some(why) = cell.spared {
                if why.split(' ').count() < 3 {
                    wrong.push(format!("{place}: n/a needs its reason in words, not {why:?}"));
                }
                spared += 1;
                table.push((what.clone(), badness, format!("n/a: {why}")));
                continue;
            }
            tested += 1;
            let payload = row.payload(cell);
            marked += usize::from(payload.holds(SECRET) || payload.holds(CARD));
            if cell.changes() && payload == row.payload(&Cell::good()) {
                wrong.push(format!("{place}: what is handed in is the good payload, unchanged"));
            }
            let came = doors.hand_in(row.kind, &payload).await;
            // A file's refusal is a sentence, everything else's a name.
            let as_wanted = came.name == cell.wanted || row.kind.is_file() && came.name.contains(cell.wanted);
            if !as_wanted || (came.name == "ok") != (cell.wanted == "ok") {
                wrong.push(format!("{place}: wanted {:?}, came {came:?}", cell.wanted));
            }
            if came.name.trim().is_empty() || (came.name != "ok" && came.detail.trim().is_empty()) {
                wrong.push(format!("{place}: refused without a word: {came:?}"));
            }
            for private in [SECRET, CARD, &CARD.replace(' ', "")] {
                if came.detail.contains(private) || came.log.contains(private) {
                    wrong.push(format!("{place}: quotes the payload ({private}): {came:?}"));
                }
            }
            if came.detail.chars().count() > 2_000 {
                wrong.push(format!("{place}: a detail of {} characters", came.detail.chars().count()));
            }
            table.push((what.clone(), badness, cell.wanted.to_owned()));
        }
    }
    print(&table);
    println!("{} kinds x {} badnesses: {tested} tested, {spared} n/a", KINDS.len(), BADNESS.len());
    println!("{marked} payloads held a token or a card number, and none was quoted");
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
}

/// A reason is kept and shown; what upstream puts there is not ours to choose.
#[tokio::test]
async fn the_reason_of_a_decline_is_short_and_no_card_number() {
    for (story, body, wanted) in [
        ("a reason", r#"{"reason":"expired_card"}"#.to_owned(), "expired_card".to_owned()),
        ("none", "{}".to_owned(), "no reason given".to_owned()),
        ("not even JSON", SECRET.to_owned(), "no reason given".to_owned()),
        ("a number", r#"{"reason":4111111111111111}"#.to_owned(), "no reason given".to_owned()),
        (
            "the card",
            json!({"reason": format!("no {CARD}")}).to_string(),
            "(hidden: it looks like a card number)".to_owned(),
        ),
        ("a novel", json!({"reason": "x".repeat(100_000)}).to_string(), format!("{}…", "x".repeat(199))),
    ] {
        let answer = doors::asked_for_a_hold("402 Payment Required", body.into_bytes()).await;
        assert_eq!(answer, Answer::Declined { reason: wanted }, "{story}");
    }
}

/// One block a kind, one line a badness: the rows are too long to stand side by side.
fn print(table: &[(String, Badness, String)]) {
    let mut of = "";
    for (what, badness, came) in table {
        if of != what {
            println!("\n{what}");
            of = what;
        }
        println!("  {:<14} {came}", format!("{badness:?}"));
    }
    println!();
}
