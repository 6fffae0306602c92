//! Stories of carts and what they score; and carts by hand for the tests of the files beside this one.

use super::table::table;
use super::*;
use crate::sim::truth::{Taken, VisitTruth};

/// A cart by hand.
pub fn cart(exact: bool, probability: f64) -> VisitScore {
    VisitScore {
        visit: "s1".into(),
        token: None,
        exact,
        reviewed: false,
        probability,
        taken: vec![],
        charged: vec![],
        over: 0,
        under: 0,
        inside_most: 1,
        left_us: None,
        receipt_us: None,
        over_value: 0,
        under_value: 0,
        value: 0,
    }
}

pub fn case(case: &str, f1: f64, visits: Vec<VisitScore>) -> CaseScore {
    CaseScore { case: case.into(), f1, visits }
}

fn visit(case: &str, token: &str, cart: &[(&str, i64)]) -> VisitTruth {
    VisitTruth {
        case: case.into(),
        visit: token.into(),
        token: Some(token.into()),
        entered_us: 0,
        left_us: Some(1),
        cart: cart.iter().map(|(p, n)| Taken { product: (*p).into(), quantity: *n }).collect(),
        cart_receiver: None,
        payer: true,
        staff: false,
    }
}

fn receipt(token: &str, revision: u64, lines: &[(&str, i64)]) -> TokenReceipt {
    let lines: Vec<_> = lines
        .iter()
        .map(|(product, quantity)| {
            serde_json::json!({"line_id": product, "product": product, "name": product, "quantity": quantity,
                "unit_price": 100, "tax": 0, "deposit": 0, "total": 100 * quantity, "probability": 1.0,
                "draft": false})
        })
        .collect();
    let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, token.as_bytes());
    serde_json::from_value(serde_json::json!({
        "token": token, "visit_id": id, "payer": null, "state": "closed", "revision": revision,
        "currency": "EUR", "lines": lines, "total": 0, "tax_total": 0, "t_us": 0, "receipt_id": id, "number": 1,
        "status": "final", "charge_ids": [], "in_doubt": [], "entered_us": 0, "left_us": 1
    }))
    .expect("a receipt")
}

#[test]
fn carts_are_scored_by_unit() {
    for (story, truth, receipts, f1, exact, over, under) in [
        ("right", vec![visit("a", "t1", &[("cola", 2)])], vec![receipt("t1", 1, &[("cola", 2)])], 1.0, 1.0, 0, 0),
        ("nothing taken, no receipt", vec![visit("a", "t1", &[])], vec![], 1.0, 1.0, 0, 0),
        ("nothing taken, charged", vec![visit("a", "t1", &[])], vec![receipt("t1", 1, &[("cola", 1)])], 0.0, 0.0, 1, 0),
        ("taken, no receipt", vec![visit("a", "t1", &[("cola", 1)])], vec![], 0.0, 0.0, 0, 1),
        (
            "one too few of one, a wrong one besides",
            vec![visit("a", "t1", &[("cola", 2), ("gum", 1)])],
            vec![receipt("t1", 1, &[("cola", 1), ("gum", 1), ("bread", 1)])],
            2.0 / 3.0,
            0.0,
            1,
            1,
        ),
        (
            "the later revision stands",
            vec![visit("a", "t1", &[("cola", 1)])],
            vec![receipt("t1", 2, &[("cola", 1)]), receipt("t1", 1, &[("gum", 4)])],
            1.0,
            1.0,
            0,
            0,
        ),
        (
            "swapped between two visits of a case",
            vec![visit("a", "t1", &[("cola", 1)]), visit("a", "t2", &[])],
            vec![receipt("t2", 1, &[("cola", 1)])],
            0.0,
            0.0,
            1,
            1,
        ),
        (
            "the mean is over cases, exactness over visits",
            vec![visit("a", "t1", &[("cola", 1)]), visit("b", "t2", &[("gum", 1)]), visit("b", "t3", &[])],
            vec![receipt("t1", 1, &[("cola", 1)])],
            0.5,
            2.0 / 3.0,
            0,
            1,
        ),
    ] {
        let score = of(&truth, &receipts, Billed::Picker, &Prices::new());
        let figures = (score.units_over, score.units_under);
        assert_eq!(figures, (over, under), "{story}");
        assert!((score.f1_mean - f1).abs() < 1e-9, "{story}: F1 {} instead of {f1}", score.f1_mean);
        assert!((score.exact_share - exact).abs() < 1e-9, "{story}: exact {}", score.exact_share);
    }
}

#[test]
fn a_hand_off_is_billed_as_asked_and_strangers_are_named() {
    let mut giver = visit("a", "t1", &[("cola", 1)]);
    giver.cart_receiver = Some(vec![]);
    let receipts = [receipt("t1", 1, &[("cola", 1)]), receipt("t9", 1, &[("gum", 2)])];
    let by = |billed| of(std::slice::from_ref(&giver), &receipts, billed, &Prices::new());
    assert_eq!(by(Billed::Picker).exact_share, 1.0);
    assert_eq!(by(Billed::Receiver).exact_share, 0.0);
    assert_eq!(by(Billed::Picker).receipts_of_nobody, ["t9"]);
    assert_eq!(by(Billed::Picker).units_over, 2);
    assert!(table(&by(Billed::Picker)).contains("no visit in the truth has that token"));
}

/// Four carts of 2.00: right and sure, right and under review, wrong and under review, wrong and sure of itself.
#[test]
fn a_human_puts_right_what_is_looked_at_and_money_counts_the_rest() {
    let truth: Vec<VisitTruth> = (1..=4).map(|n| visit(&format!("c{n}"), &format!("t{n}"), &[("cola", 2)])).collect();
    let made = |token: &str, units: i64, status: &str, probability: f64| {
        let mut receipt = receipt(token, 1, &[("cola", units)]);
        receipt.receipt.status = serde_json::from_value(status.into()).expect("a status");
        receipt.receipt.cart.lines[0].probability = crate::base::Probability::from_f64(probability);
        receipt
    };
    let receipts = [
        made("t1", 2, "final", 0.95),
        made("t2", 2, "being_checked", 0.45),
        made("t3", 5, "being_checked", 0.45),
        made("t4", 3, "final", 0.95),
    ];
    let score = of(&truth, &receipts, Billed::Picker, &Prices::new());
    assert_eq!((score.exact_share, score.review_rate, score.unreviewed_exact), (0.5, 0.5, 0.5));
    assert_eq!((score.overcharge, score.undercharge), (100.0 / 800.0, 0.0));
    // Two bins: sure 0.45, right 1 of 2; sure 0.95, right 1 of 2.
    assert!((score.calibration_error - (0.05 + 0.45) / 2.0).abs() < 1e-3, "{}", score.calibration_error);
    assert!(score.f1_interval.low < score.f1_mean && score.f1_mean < score.f1_interval.high);
    assert!(table(&score).contains("50.0 % of carts for a human"), "{}", table(&score));
}

#[test]
fn what_has_no_price_is_named_and_the_shops_prices_are_used() {
    let truth = [visit("a", "t1", &[("cola", 1), ("gum", 1)])];
    let receipts = [receipt("t1", 1, &[("cola", 1)])];
    let nothing_told = of(&truth, &receipts, Billed::Picker, &Prices::new());
    assert_eq!((nothing_told.without_price.as_slice(), nothing_told.undercharge), (&["gum".to_owned()][..], 0.0));
    let told = of(&truth, &receipts, Billed::Picker, &Prices::from([("gum".into(), 300)]));
    assert_eq!((told.without_price.len(), told.undercharge), (0, 0.75));
}

#[test]
fn who_came_in_behind_others_is_told_and_not_scored() {
    let mut follower = visit("a", "t2", &[("cola", 3)]);
    (follower.token, follower.payer) = (None, false);
    let truth = [visit("a", "t1", &[("cola", 1)]), follower.clone(), follower];
    let score = of(&truth, &[receipt("t1", 1, &[("cola", 1)])], Billed::Picker, &Prices::new());
    assert_eq!((score.visits, score.without_payer, score.exact_share, score.units_under), (1, 2, 1.0, 0));
    assert_eq!(score.cases[0].visits[0].inside_most, 3, "who does not pay is in the way all the same");
    assert!(table(&score).contains("2 visits had nobody to pay and are not scored"), "{}", table(&score));
    let nobody_charged = of(&truth[..2], &[], Billed::Picker, &Prices::new());
    assert!(table(&nobody_charged).contains("no receipt at all: nobody was charged"));
    assert!(table(&nobody_charged).contains("1 visit had nobody to pay and is not scored"));
}

#[test]
fn a_receipt_was_there_with_its_first_revision() {
    let at = |receipt_id: &str, revision, t_us| {
        let mut made = receipt("t1", revision, &[]);
        made.receipt.receipt_id = serde_json::from_value(receipt_id.into()).expect("an id");
        made.receipt.cart.t_us = crate::base::ShopTime(t_us);
        made
    };
    let (one, two) = ("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002");
    for (story, receipts, wanted) in [
        ("none", vec![], None),
        ("one", vec![at(one, 1, 7)], Some(7)),
        ("looked at later", vec![at(one, 2, 90), at(one, 1, 7)], Some(7)),
        ("two receipts: the payer waits for the second", vec![at(two, 1, 20), at(one, 1, 7), at(two, 2, 90)], Some(20)),
    ] {
        let score = of(&[visit("a", "t1", &[])], &receipts, Billed::Picker, &Prices::new());
        assert_eq!(score.cases[0].visits[0].receipt_us, wanted, "{story}");
    }
}
