//! Stories of a small shop, played through the real floor: who came, what they took, what they paid.

use crate::common::Stage;
use carryout::base::{Cents, ProductId, ShelfId, ShopTime, VisitId};
use carryout::carts::policy::{Join, PolicyOptions};
use carryout::carts::{ReceiptStatus, RefundState};
use carryout::events::{Entry, Fact, Observation, PlateSamples, Reason, Stamped, Weights};
use carryout::floor::{Books, DeviceClocks, Floor, FloorOptions};

/// Plays a story and compares what became of it, visit by visit in the order they began.
fn check(name: &str, story: &str, wanted: &[&str]) -> Stage {
    let mut stage = Stage::new();
    stage.play(story);
    assert_eq!(stage.outcomes(), wanted, "{name}\n{story}");
    stage
}

/// Bob wavers over the gate's line, and its beam counts Ann alone.
const AT_THE_LINE: &str = "0 ann taps in
     1 ann enters
     1.4 ann passes in
     3 bob comes
     5 bob goes 1.4 1.0
     8 bob goes -0.8 1.0
     9 ann leaves
     12.3 ann passes out
     14 all waits";

#[test]
fn takes_and_puts() {
    check(
        "take",
        "0 ann taps in
         1 ann enters
         4 ann takes cola
         9 ann leaves
         20 all waits",
        &["charged; 1 cola: 2.50; captured 2.50"],
    );
    check(
        "take and put back",
        "0 ann taps in
         1 ann enters
         4 ann takes cola
         9 ann puts cola
         14 ann takes chips
         19 ann leaves
         30 all waits",
        &["charged; 1 chips: 1.50; captured 1.50"],
    );
    check(
        "put back elsewhere, and somebody else buys it there",
        "0 ann taps in
         1 ann enters
         4 ann takes cola
         9 ann puts cola on b/3
         14 ann leaves
         20 bob taps in
         21 bob enters
         25 bob takes gum
         30 bob leaves
         40 all waits",
        &["empty", "charged; 1 gum: 0.90; captured 0.90"],
    );
    check(
        "several at once",
        "0 ann taps in
         1 ann enters
         4 ann takes 3 cola
         9 ann leaves
         20 all waits",
        &["charged; 3 cola: 7.50; captured 7.50"],
    );
}

#[test]
fn a_misplaced_item_is_still_that_item() {
    let stage = check(
        "cola put between wine and gum is bought there as cola",
        "0 ann taps in
         1 ann enters
         4 ann takes cola
         9 ann puts cola on b/2
         14 ann leaves
         22 bob taps in
         23 bob enters
         27 bob takes cola from b/2
         36 bob leaves
         46 all waits",
        &["empty", "charged; 1 cola: 2.50; captured 2.50"],
    );
    let misplaced: Vec<_> = stage.events.iter().filter(|event| event.kind == "shelf.misplaced").collect();
    assert_eq!(misplaced.len(), 1, "staff hear of it once");
    assert_eq!((&misplaced[0].data["product"], &misplaced[0].data["shelf"]), (&"cola".into(), &"b".into()));
}

#[test]
fn a_silent_device_is_told_once() {
    let stage = check(
        "a shelf goes off the network",
        "0 a offline
 20 all waits",
        &[],
    );
    let unhealthy: Vec<_> = stage.events.iter().filter(|event| event.kind == "device.unhealthy").collect();
    assert_eq!(unhealthy.len(), 1, "{unhealthy:?}");
    assert_eq!(unhealthy[0].subject.as_deref(), Some("shelf a"));
}

#[test]
fn two_at_one_shelf() {
    check(
        "a second apart",
        "0 ann taps in
         1 ann enters
         4 bob taps in
         5 bob enters
         9 ann goes 3.05 2.9
         9 bob goes 3.35 2.9
         12 ann takes cola
         13.3 bob takes chips
         16 ann leaves
         18 bob leaves
         30 all waits",
        &["charged; 1 cola: 2.50; captured 2.50", "charged; 1 chips: 1.50; captured 1.50"],
    );
    check(
        "at once",
        "0 ann taps in
         1 ann enters
         4 bob taps in
         5 bob enters
         9 ann goes 3.05 2.9
         9 bob goes 3.35 2.9
         12 ann takes cola
         12 bob takes chips
         16 ann leaves
         18 bob leaves
         30 all waits",
        &["charged; 1 cola: 2.50; captured 2.50", "charged; 1 chips: 1.50; captured 1.50"],
    );
}

#[test]
fn groups_cards_and_staff() {
    check(
        "a group with one payer",
        "0 ann taps in
         0.5 ann enters
         1 kid enters
         5 ann takes cola
         9 kid takes bread
         14 ann leaves
         15 kid leaves
         25 all waits",
        &["charged; 1 cola, 1 bread: 5.50; captured 5.50"],
    );
    let stage = check(
        "the same card twice",
        "0 ann taps in
         1 ann enters
         6 kid taps in tok_ann
         7 kid enters
         10 ann takes cola
         14 kid takes bread
         20 ann leaves
         21 kid leaves
         32 all waits",
        &["charged; 1 cola, 1 bread: 5.50; captured 5.50"],
    );
    assert_eq!(stage.asked.len(), 1, "one hold for one card");
    check(
        "staff restock and tidy",
        "0 joe taps in tok_staff_joe
         1 joe enters
         4 joe takes cola
         9 joe puts bread
         14 joe leaves
         24 all waits",
        &["staff"],
    );
    let mut stage = Stage::with(PolicyOptions { join: Join::Declared, ..PolicyOptions::default() });
    stage.play(
        "0 ann taps in
         0.5 ann enters
         1.5 tim enters
         6 tim takes bread
         12 tim leaves
         13 ann leaves
         24 all waits",
    );
    assert_eq!(
        stage.outcomes(),
        ["empty", "loss; 1 bread"],
        "declared groups: who follows uninvited is a visit of its own"
    );
}

#[test]
fn nobody_pays_or_pays_at_the_exit() {
    let stage = check(
        "no payer",
        "0 tim enters
         5 tim takes bread
         10 tim leaves
         20 all waits",
        &["loss; 1 bread"],
    );
    assert!(stage.entries.iter().any(|entry| entry.fact == Fact::Loss { total: Cents(300) }));
    let stage = check(
        "pay at exit",
        "0 tim enters
         5 tim takes bread
         10 tim goes 1.5 1.0
         15 tim taps out
         16 tim leaves
         26 all waits",
        &["charged; 1 bread: 3.00; captured 3.00"],
    );
    assert_eq!(stage.asked[0].1, Cents(300), "the exit asks for what is owed");
}

#[test]
fn beams_and_pictures_count_everybody_once() {
    check(
        "the beam says so before the picture",
        "0 ann taps in
         1 ann enters
         1.4 ann passes in
         4 ann takes cola
         9 ann leaves
         12.3 ann passes out
         14 all waits",
        &["charged; 1 cola: 2.50; captured 2.50"],
    );
    check(
        "ann leaves while bob comes in",
        "0 ann taps in
         1 ann enters
         1.5 ann passes in
         4 ann takes cola
         9 bob taps in
         10.2 bob enters
         10.7 bob passes in
         11.0 ann leaves
         14.2 ann passes out
         16 bob takes bread
         22 bob leaves
         27.3 bob passes out
         30 all waits",
        &["charged; 1 cola: 2.50; captured 2.50", "charged; 1 bread: 3.00; captured 3.00"],
    );
    check(
        "no eyes at all: the one who is in took it",
        "0 eyes close
         1 ann taps in
         2 ann enters
         2.4 ann passes in
         5 ann takes cola
         10 ann leaves
         14 ann passes out
         18 all waits",
        &["charged; 1 cola: 2.50; captured 2.50"],
    );
    let stage = check(
        "a beam cut twice is one body",
        "0 ann taps in
         1 ann enters
         1.4 ann passes in
         1.6 ann passes in
         4 ann leaves
         20 all waits",
        &["empty"],
    );
    assert!(stage.entries.iter().filter(|entry| matches!(entry.fact, Fact::Joined { .. })).count() == 1);
    check("who comes no further than the line, and no beam counts, has not come in", AT_THE_LINE, &["empty"]);
    check(
        "who walks on is there, counted or not",
        "0 ann taps in
         1 ann enters
         1.4 ann passes in
         6 bob comes
         7 bob enters
         9 bob takes cola
         14 bob leaves
         20 ann leaves
         23.3 ann passes out
         26 all waits",
        &["empty", "loss; 1 cola"],
    );
    check(
        "what no beam counted and no camera sees any more does not keep a visit open",
        "0 ann taps in
         1 ann enters
         1.4 ann passes in
         1.6 bob comes
         1.7 bob goes 2.6 1.0
         6 bob is hidden
         7 ann takes cola
         12 ann leaves
         15.3 ann passes out
         20 all waits",
        &["charged; 1 cola: 2.50; captured 2.50"],
    );
    check(
        "two whom a beam counted as one go one by one",
        "0 ann taps in
         1 ann enters
         1 bob comes
         1.1 bob enters
         1.4 ann passes in
         4 bob goes 4 2
         7 ann leaves
         10.3 ann passes out
         12 bob takes cola
         17 bob leaves
         25 all waits",
        &["charged; 1 cola: 2.50; captured 2.50"],
    );
}

#[test]
fn nobody_comes_out_of_nothing() {
    check(
        "whom a beam counted, and cameras see only further in",
        "0 ann comes
         0 ann is hidden
         1 ann taps in
         2 ann enters
         2.6 ann passes in
         4 ann goes 4.5 2.5
         7 ann is seen
         9 ann takes cola
         14 ann leaves
         18 ann passes out
         21 all waits",
        &["charged; 1 cola: 2.50; captured 2.50"],
    );
    check(
        "whom cameras saw come in before the beam said so",
        "0 ann taps in
         1 ann enters
         2.6 ann passes in
         3 bob taps in
         4 bob enters
         4.4 bob passes in
         6 ann takes cola
         10 ann leaves
         13.4 ann passes out
         16 bob leaves
         18.5 bob passes out
         22 all waits",
        &["charged; 1 cola: 2.50; captured 2.50", "empty"],
    );
    check(
        "who is lost from sight for longer than cameras remember is whoever is missing",
        "0 ann taps in
         1 ann enters
         1.4 ann passes in
         4 ann goes 4.5 2.5
         8 ann is hidden
         75 ann is seen
         78 ann takes cola
         84 ann leaves
         88 ann passes out
         91 all waits",
        &["charged; 1 cola: 2.50; captured 2.50"],
    );
    check(
        "a thing in the open gate is not who the beam counts",
        "0 thing comes
         0 thing is hidden
         0 thing goes 2.1 1.2
         3 ann taps in
         3.2 thing is seen
         4 ann enters
         4.5 ann passes in
         6 thing is hidden
         8 ann takes cola
         13 ann leaves
         16.5 ann passes out
         22 all waits",
        &["charged; 1 cola: 2.50; captured 2.50"],
    );
    let stage = check(
        "whom a beam counted twice and cameras saw once is one",
        "0 ann taps in
         1 ann enters
         1.4 ann passes in
         1.6 ann passes in
         15 ann takes cola
         20 ann leaves
         23.3 ann passes out
         26 all waits",
        &["charged; 1 cola: 2.50; captured 2.50"],
    );
    assert!(stage.entries.iter().filter(|entry| matches!(entry.fact, Fact::Joined { .. })).count() == 1);
}

#[test]
fn an_exit_line_in_a_gates_door_is_that_door() {
    let mut shop = crate::common::world::shop();
    let line = shop.layout.gates.values().next().expect("a gate").line;
    shop.layout.exit_lines.push(line);
    let mut stage = Stage::on(std::sync::Arc::new(shop), PolicyOptions::default());
    stage.play(AT_THE_LINE);
    assert_eq!(stage.outcomes(), ["empty"], "who came no further than the line, uncounted, is no visit");
}

#[test]
fn two_who_come_close_together_are_two_to_two_cameras() {
    for late in [2, 3, 4] {
        let mut stage = Stage::with_late_eyes(late);
        stage.play(
            "0 ann comes
             0 bob comes
             0 bob is hidden
             1 ann taps in
             2 ann enters
             2.7 bob enters
             6 bob is seen
             8 bob goes 4 2
             10 ann leaves
             15 bob leaves
             25 all waits",
        );
        let bodies = stage.floor.books().visits.values().map(|visit| visit.bodies.len());
        assert_eq!(bodies.collect::<Vec<_>>(), [2], "a camera {late} steps late: the beam counted two");
    }
}

#[test]
fn restricted_goods_wait_for_staff() {
    let mut stage = Stage::new();
    stage.play(
        "0 ann taps in
         1 ann enters
         5 ann takes wine
         10 ann leaves
         20 all waits",
    );
    assert_eq!(stage.outcomes(), ["review; 1 wine: 9.00"]);
    assert!(stage.events.iter().any(|event| event.kind == "receipt.review"));
    let visit = *stage.floor.books().visits.keys().next().unwrap();
    let mut monday = stage.floor.books().clone();
    monday.forget_before(stage.world.now.plus_ms(3 * 24 * 3_600_000));
    assert!(monday.visits.contains_key(&visit), "a decision waits over the weekend");
    stage.observe(Observation::Reviewed { visit, lines: vec![(ProductId::new("wine"), 1)] });
    stage.run_to(26.0);
    assert_eq!(stage.outcomes(), ["review; 1 wine: 9.00; captured 9.00"]);
    let mut monday = stage.floor.books().clone();
    monday.forget_before(stage.world.now.plus_ms(3 * 24 * 3_600_000));
    assert!(!monday.visits.contains_key(&visit), "what is decided and paid is in the ledger and nowhere else");
}

#[test]
fn declined_and_offline() {
    let stage = check(
        "declined: the gate stays shut, and who walks in all the same has no payer",
        "0 upstream declines
         0 ann taps in
         2 ann enters
         6 ann leaves
         18 all waits",
        &["empty"],
    );
    assert_eq!(stage.decisions[0].reason, Reason::Declined);
    assert!(!stage.decisions[0].open);
    let stage = check(
        "upstream gone at the tap: the offline rule lets them in",
        "0 upstream is gone
         0 ann taps in
         1 ann enters
         4 ann takes cola
         9 ann leaves
         20 all waits",
        &["charged; 1 cola: 2.50; captured 2.50"],
    );
    assert!(stage.decisions[0].open);
    let stage = check(
        "late answer: the offline rule opens, the hold is adopted",
        "0 upstream is late 900
         0 ann taps in
         1 ann enters
         4 ann takes cola
         9 ann leaves
         20 all waits",
        &["charged; 1 cola: 2.50; captured 2.50"],
    );
    assert!(stage.entries.iter().any(|entry| matches!(entry.fact, Fact::HoldAdopted { .. })));
    let took = stage.decisions[0].t_us.secs_since(crate::common::START) - 5.0;
    assert!((0.4..=0.5).contains(&took), "the gate answered after {took} s");
    let stage = check(
        "late answer after the offline limit: the hold is released",
        "0 upstream is late 5000
         0 ann taps in
         1 ann enters
         4 ann leaves
         20 all waits",
        &["empty"],
    );
    assert_eq!(stage.released(), 1);
    let mut stage = Stage::with(PolicyOptions { offline_credential_cap: Cents(1000), ..PolicyOptions::default() });
    stage.play("0 upstream is gone\n 0 ann taps in\n 2 all waits");
    assert_eq!(stage.decisions[0].reason, Reason::OfflineLimit);
}

#[test]
fn an_empty_visit_gives_its_hold_back_at_once() {
    let stage = check(
        "in and out",
        "0 ann taps in
         1 ann enters
         4 ann leaves
         14 all waits",
        &["empty"],
    );
    assert_eq!(stage.released(), 1);
    let stage = check("tapped and never came", "0 ann taps in\n 1 ann goes -0.8 1.0\n 10 all waits", &["empty"]);
    assert_eq!(stage.released(), 1);
}

#[test]
fn what_arrives_after_closing_is_a_supplement() {
    check(
        "the shelf was off the network while ann shopped and left",
        "0 ann taps in
         1 ann enters
         4 a offline
         5 ann takes cola
         9 ann takes bread
         14 ann leaves
         22 a online
         32 all waits",
        &["charged; 1 bread, 1 cola: 5.50; captured 3.00 + 2.50"],
    );
}

#[test]
fn an_exit_while_a_shelf_rings_waits_for_it() {
    let stage = check(
        "takes at the last moment and runs",
        "0 ann taps in
         1 ann enters
         4 ann takes cola
         6.1 ann leaves
         18 all waits",
        &["charged; 1 cola: 2.50; captured 2.50"],
    );
    assert_eq!(stage.floor.books().visits.values().next().unwrap().charges.len(), 1, "one charge, no supplement");
}

/// Ann has paid for a cola and a bread.
fn cola_and_bread() -> (Stage, VisitId) {
    let mut stage = Stage::new();
    stage.play(
        "0 ann taps in
         1 ann enters
         4 ann takes cola
         9 ann takes bread
         14 ann leaves
         24 all waits",
    );
    let visit = *stage.floor.books().visits.keys().next().unwrap();
    (stage, visit)
}

#[test]
fn staff_bind_contest_and_refund() {
    let (mut stage, visit) = cola_and_bread();
    stage.observe(Observation::Contested { visit, lines: vec![(ProductId::new("cola"), 1)] });
    stage.observe(Observation::Reviewed { visit, lines: vec![(ProductId::new("cola"), 1)] });
    assert_eq!(stage.outcomes(), ["charged; 1 cola: 2.50; captured 5.50; refunded 3.00"]);
    let charge = stage.floor.books().visits[&visit].charges[0].0.charge_id;
    let ask = |amount| Observation::RefundAsked { charge, amount, reason: "warm cola".into(), refund: None };
    stage.observe(ask(Cents(10_000)));
    // Asked for twice under one name it is given once, and no answer can have been meant for another.
    let named = carryout::base::RefundId::keyed(charge, "note-7");
    let again = || Observation::RefundAsked { charge, amount: Cents(50), reason: "warm".into(), refund: Some(named) };
    stage.observe(again());
    stage.observe(again());
    assert_eq!(stage.outcomes(), ["charged; 1 cola, 1 refund: 2.00; captured 5.50; refunded 3.00 + 0.50"]);
    // The rest of it: what staff gave back by hand is not given back a second time.
    stage.observe(Observation::Contested { visit, lines: vec![] });
    stage.observe(Observation::Reviewed { visit, lines: vec![] });
    assert_eq!(stage.outcomes(), ["charged; : 0.00; captured 5.50; refunded 3.00 + 0.50 + 2.00"]);
}

#[test]
fn who_comes_as_another_leaves_gets_their_own_visit() {
    for late in [2, 3, 4] {
        for tap in 100..130 {
            let tap_s = f64::from(tap) / 10.0;
            let mut stage = Stage::with_late_eyes(late);
            stage.play(&format!(
                "0 ann taps in
                 1 ann enters
                 4 ann takes cola
                 9 ann leaves
                 {tap_s} bob taps in
                 {} bob enters
                 18 bob takes gum
                 23 bob leaves
                 35 all waits",
                tap_s + 0.6
            ));
            let wanted = ["charged; 1 cola: 2.50; captured 2.50", "charged; 1 gum: 0.90; captured 0.90"];
            assert_eq!(stage.outcomes(), wanted, "a camera {late} steps late, a tap at {tap_s} s");
            let bodies = stage.floor.books().visits.values().map(|visit| visit.bodies.len());
            assert_eq!(
                bodies.max(),
                Some(1),
                "a camera {late} steps late, a tap at {tap_s} s: one is in the other's visit"
            );
        }
    }
}

#[test]
fn a_restock_beside_a_shopper_takes_nothing_out_of_their_cart() {
    let mut stage = Stage::new();
    stage.play(
        "0 sam taps in tok_staff
         1 sam enters
         2 ann taps in
         3 ann enters
         6 ann takes cola
         10 ann goes 3.9 2.6
         13 sam puts cola
         19 ann leaves
         30 all waits",
    );
    assert_eq!(stage.outcome("ann"), "charged; 1 cola: 2.50; captured 2.50");
}

#[test]
fn what_upstream_refuses_to_give_back_comes_before_a_human() {
    let (mut stage, visit) = cola_and_bread();
    let charge = stage.floor.books().visits[&visit].charges[0].0.charge_id;
    let status = |stage: &Stage| stage.floor.books().visits[&visit].receipt.as_ref().unwrap().status;
    let refunds = |stage: &Stage| -> Vec<_> {
        stage.floor.books().visits[&visit].refunds.iter().map(|(refund, state)| (refund.refund_id, *state)).collect()
    };
    stage.observe(Observation::RefundAsked { charge, amount: Cents(50), reason: "warm cola".into(), refund: None });
    assert_eq!(stage.outcomes(), ["charged; 1 cola, 1 bread, 1 refund: 5.00; captured 5.50; refunded 0.50"]);
    let given = refunds(&stage);
    let [(refund, RefundState::Queued)] = given[..] else { panic!("{given:?}") };
    stage.observe(Observation::Refunded { refund, done: false });
    stage.observe(Observation::Refunded { refund, done: true }); // an answer stands
    assert_eq!((refunds(&stage), status(&stage)), (vec![(refund, RefundState::Refused)], ReceiptStatus::Contested));
    assert_eq!(stage.outcomes(), ["charged; 1 cola, 1 bread: 5.50; captured 5.50"]);
    // The cola is given back after all, and all of it: what was refused does not count.
    stage.observe(Observation::Reviewed { visit, lines: vec![(ProductId::new("bread"), 1)] });
    assert_eq!(status(&stage), ReceiptStatus::Adjusted);
    assert_eq!(stage.outcomes(), ["charged; 1 bread: 3.00; captured 5.50; refunded 2.50"]);
}

#[test]
fn a_visit_long_forgotten_is_recalled_to_be_changed() {
    let mut stage = Stage::new();
    stage.play(
        "0 ann taps in
         1 ann enters
         4 ann takes cola
         9 ann leaves
         20 all waits",
    );
    let visit = *stage.floor.books().visits.keys().next().unwrap();
    let charge = stage.floor.books().visits[&visit].charges[0].0.charge_id;
    let before = stage.floor.books().visits[&visit].clone();
    let told: Vec<Entry> = stage.entries.iter().filter(|entry| entry.visit == Some(visit)).cloned().collect();
    stage.world.now = stage.world.now.plus_ms(25 * 3_600_000);
    stage.observe(Observation::Tick);
    assert!(stage.floor.books().visits.is_empty(), "forgotten after a day");
    let ask = Observation::RefundAsked { charge, amount: Cents(100), reason: "cracked".into(), refund: None };
    stage.observe(ask.clone());
    assert!(stage.floor.books().visits.is_empty());
    stage.observe(Observation::Recalled { visit, entries: told.clone() });
    let after = &stage.floor.books().visits[&visit];
    assert_eq!((&after.receipt, &after.charges, &after.payer), (&before.receipt, &before.charges, &before.payer));
    stage.observe(ask);
    assert_eq!(stage.floor.books().visits[&visit].refunds.len(), 1);
    // What is known stays: the older story does not take the refund back.
    stage.observe(Observation::Recalled { visit, entries: told });
    assert_eq!(stage.floor.books().visits[&visit].refunds.len(), 1);
}

#[test]
fn a_wrong_message_number_does_not_silence_a_shelf() {
    for (story, seq, ahead_s) in [
        ("far too high", 9_000_000, 0),
        ("the highest there is", u64::MAX, 0),
        ("high and dated ahead", 9_000_000, 3600),
    ] {
        let mut stage = Stage::new();
        let odd = Weights {
            shelf: ShelfId::new("a"),
            boot: "b1".into(),
            seq,
            t0_us: stage.world.now.0 + ahead_s * 1_000_000,
            dt_us: 16_667,
            plates: vec![PlateSamples { plate: 1, grams: vec![None] }],
        };
        stage.observe(Observation::Weights(odd.clone()));
        stage.play(
            "0 ann taps in
             1 ann enters
             4 ann takes cola",
        );
        stage.observe(Observation::Weights(odd));
        stage.play(
            "9 ann leaves
             20 all waits",
        );
        assert_eq!(stage.outcomes(), ["charged; 1 cola: 2.50; captured 2.50"], "{story}");
    }
}

#[test]
fn the_same_observations_give_the_same_entries() {
    let story = "0 ann taps in
         1 ann enters
         4 ann takes cola
         5.2 ann takes chips
         9 ann leaves
         20 all waits";
    let mut first = Stage::new();
    first.play(story);
    let books = Books::new(first.world.shop.clone());
    let mut floor = Floor::new(first.world.shop.clone(), Default::default(), books, Default::default());
    let again: Vec<_> = first.sent.iter().flat_map(|stamped| floor.apply(stamped.clone()).entries).collect();
    let bytes = |entries: &[carryout::events::Entry]| serde_json::to_vec(entries).unwrap();
    assert_eq!(bytes(&first.entries), bytes(&again));
    assert!(!again.is_empty());
}

/// A day played ten times too fast, with the senders' clocks: the same carts and charges as in real time.
#[test]
fn a_playback_faster_than_real_time_ends_the_same() {
    let mut first = Stage::new();
    first.play(
        "0 ann taps in
         1 ann enters
         4 ann takes cola
         9 ann leaves
         12 bob taps in
         13 bob enters
         17 bob takes bread
         22 bob puts bread
         27 bob leaves
         38 all waits",
    );
    let options = FloorOptions { device_clocks: DeviceClocks::Sender, ..FloorOptions::default() };
    let mut floor =
        Floor::new(first.world.shop.clone(), options, Books::new(first.world.shop.clone()), Default::default());
    for stamped in &first.sent {
        let since_us = stamped.arrival.since(crate::common::START) / 10;
        let stamped = Stamped { arrival: ShopTime(crate::common::START.0 + since_us), ..stamped.clone() };
        floor.apply(stamped);
        assert_eq!(floor.broken_invariants(), Vec::<String>::new());
    }
    let real_time = first.outcomes();
    first.floor = floor;
    assert_eq!(first.outcomes(), real_time);
    assert_eq!(real_time, ["charged; 1 cola: 2.50; captured 2.50", "empty"]);
}
