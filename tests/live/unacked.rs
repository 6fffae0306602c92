//! Taps around a crash: whoever still waits at the gate is let in, once; for who has gone it stays shut.

use crate::shop::LiveShop;
use carryout::sim::upstream::Faults;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_tap_around_a_crash_is_answered_once_or_has_expired() {
    let Some(mut shop) = LiveShop::open().await else { return };
    // Upstream keeps money ready and its answer never comes: the daemon dies between tap and decision.
    let hang = || Faults { only: "POST /v1/authorizations".into(), hang_after: 1, ..Faults::default() };
    shop.upstream.set_faults(hang());
    shop.act("ann", &["taps", "in"]).await;
    shop.upstream_has("the hold for ann", |records| records.authorizations.len() == 1).await;
    shop.kill();
    shop.start_at_once().await;
    let ann = shop.decision("tap-1").await;
    assert_eq!((&ann["open"], &ann["reason"]), (&json!(true), &json!("ok")), "she waits at the gate: {ann}");
    shop.visits.insert("ann".into(), visit_of(&ann));
    shop.walks_in("ann").await;
    assert_eq!(shop.upstream.records().authorizations.len(), 1, "asked again under the same key, so held once");

    // The daemon is dead when bob taps; the broker keeps it for us.
    shop.kill();
    shop.act("bob", &["taps", "in"]).await;
    shop.start_at_once().await;
    let bob = shop.decision("tap-2").await;
    assert_eq!((&bob["open"], &bob["reason"]), (&json!(true), &json!("ok")), "he waits at the gate: {bob}");
    shop.visits.insert("bob".into(), visit_of(&bob));
    shop.walks_in("bob").await;

    // Readers that heard nothing tap again by themselves: the same answer, no second visit, no second hold.
    for (tap, decided) in [("tap-1", &ann), ("tap-2", &bob)] {
        let answers = shop.decisions(tap).len();
        shop.tap_again(tap).await;
        let again =
            shop.until("an answer to the repeated tap", async |shop| shop.decisions(tap).get(answers).cloned()).await;
        assert_eq!((&again["open"], &again["visit_id"]), (&decided["open"], &decided["visit_id"]), "{again}");
    }

    // Kim's tap is cut off, tim's finds nobody; both have given up and gone when the daemon is back.
    shop.upstream.set_faults(hang());
    shop.act("kim", &["taps", "in"]).await;
    shop.upstream_has("the hold for kim", |records| records.authorizations.len() == 3).await;
    shop.kill();
    shop.act("kim", &["is", "away"]).await;
    shop.act("tim", &["taps", "in"]).await;
    shop.act("tim", &["is", "away"]).await;
    shop.seconds_pass(5.5).await;
    shop.start_at_once().await;
    for (who, tap) in [("kim", "tap-3"), ("tim", "tap-4")] {
        let decision = shop.decision(tap).await;
        assert_eq!((&decision["open"], &decision["reason"]), (&json!(false), &json!("expired")), "{who}: {decision}");
    }
    shop.upstream_has("kim's money is hers again", |records| records.authorizations[2].released).await;

    for who in ["ann", "bob"] {
        shop.leaves(who).await;
    }
    shop.upstream_has("nothing is kept for nobody", |records| records.authorizations.iter().all(|hold| hold.released))
        .await;
    assert!(shop.stop().await.success());
    let records = shop.upstream.records();
    let started: Vec<&Value> =
        records.events.iter().filter(|e| e["type"] == "visit.started").map(|e| &e["subject"]).collect();
    assert_eq!(started, [&ann["visit_id"], &bob["visit_id"]], "one visit each, none for the other two");
    assert_eq!((records.authorizations.len(), records.charges.len()), (3, 0), "tim's tap was never asked about");
    shop.verify().await;
}

fn visit_of(decision: &Value) -> String {
    decision["visit_id"].as_str().expect("a visit was opened").to_owned()
}
