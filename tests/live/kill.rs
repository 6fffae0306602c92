//! The power goes with three shoppers inside.

use crate::shop::LiveShop;
use serde_json::json;

/// Ann takes a cola while the daemon is dead, bob a bread after it is back, kim nothing. Weights and pictures of the
/// time between are lost; the shelf itself remembers.
#[tokio::test(flavor = "multi_thread")]
async fn killed_with_three_shoppers_inside() {
    let Some(mut shop) = LiveShop::open().await else { return };
    for who in ["ann", "bob", "kim"] {
        shop.comes_in(who).await;
        match who {
            "ann" => shop.act("ann", &["goes", "3.05", "2.9"]).await,
            "bob" => shop.act("bob", &["goes", "6.35", "2.9"]).await,
            _ => shop.act("kim", &["goes", "5", "1"]).await,
        }
    }
    for who in ["ann", "bob", "kim"] {
        shop.stands(who).await;
    }
    // The journal knows where they stand.
    shop.seconds_pass(1.2).await;

    shop.kill();
    shop.act("ann", &["takes", "cola"]).await;
    shop.seconds_pass(3.0).await;
    shop.start(&[]).await;

    shop.takes("bob", "bread").await;
    for who in ["ann", "bob", "kim"] {
        shop.act(who, &["leaves"]).await;
    }
    for who in ["ann", "bob", "kim"] {
        shop.is_out(who).await;
    }

    let bob = shop.receipt("bob").await;
    assert_eq!((&bob["status"], &bob["total"]), (&json!("final"), &json!(300)), "{bob}");
    assert_eq!(bob["lines"].as_array().map(Vec::len), Some(1), "bob has taken one bread: {bob}");
    let ann = shop.receipt("ann").await;
    let what =
        |key: &str| ann["lines"].as_array().into_iter().flatten().map(|line| line[key].clone()).collect::<Vec<_>>();
    assert_eq!((what("product"), what("quantity")), (vec![json!("cola")], vec![json!(1)]), "ann has a cola: {ann}");
    let ann_is_billed = ann["status"] == "final";
    assert!(ann_is_billed || ann["status"] == "being_checked", "billed or looked at: {ann}");

    let charges = 1 + usize::from(ann_is_billed);
    let captured = |records: &carryout::sim::upstream::Records| records.charges.iter().map(|c| c.captured).sum::<u32>();
    shop.upstream_has("the charges are captured", |records| captured(records) as usize == charges).await;
    shop.upstream_has("every event has come", |records| {
        let closed = records.events.iter().filter(|event| event["type"] == "visit.closed").count();
        closed == 3 && records.events.iter().any(|event| event["type"] == "charge.captured")
    })
    .await;
    assert!(shop.stop().await.success());
    let records = shop.upstream.records();
    let totals: Vec<(i64, Option<&str>)> = records.charges.iter().map(|c| (c.total, c.token.as_deref())).collect();
    assert!(totals.contains(&(300, Some("tok_bob"))), "{totals:?}");
    assert!(!totals.iter().any(|(_, token)| *token == Some("tok_kim")), "kim took nothing: {totals:?}");
    assert_eq!(records.charges.len(), charges, "{totals:?}");
    assert!(records.not_once().is_empty(), "{:?}", records.not_once());
    let kept: Vec<&str> =
        records.authorizations.iter().filter(|hold| !hold.used && !hold.released).map(|h| &*h.token).collect();
    assert!(kept.iter().all(|token| *token == "tok_ann" && !ann_is_billed), "holds that nobody needs: {kept:?}");
    shop.verify().await;
}
