//! What staff see and do: the page, a tap over HTTP, receipts found again, contested, decided and given back; a broker
//! that goes away and comes back.

use crate::shop::LiveShop;
use carryout::sim::upstream::Records;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn staff_find_and_settle_a_receipt() {
    let Some(mut shop) = LiveShop::open().await else { return };
    let page = shop.text("/").await;
    assert!(page.contains("<title>") && page.contains("/app.js"), "{page:.300}");
    is_up(&shop).await;
    let refused = shop.text("/api/v1/visits").await;
    assert!(refused.contains("urn:carryout:problem:unauthorised"), "without a token: {refused}");

    // Ann taps at a reader that speaks HTTP.
    shop.act("ann", &["comes"]).await;
    let tap = json!({
        "tap_id": "http-tap-1", "t_us": shop.now_us(), "direction": "in",
        "credential": {"kind": "card", "token": "tok_ann", "brand": "visa", "last4": "1881"},
    });
    let (status, decision) = shop.post("/api/v1/gates/gate-1/taps", tap.to_string()).await;
    assert_eq!((status, &decision["open"], &decision["reason"]), (200, &json!(true), &json!("ok")), "{decision}");
    shop.visits.insert("ann".into(), decision["visit_id"].as_str().expect("a visit").to_owned());
    shop.walks_in("ann").await;
    shop.takes("ann", "cola").await;
    shop.takes("ann", "chips").await;
    shop.leaves("ann").await;
    shop.upstream_has("the charge", |records| records.charges.first().is_some_and(|charge| charge.captured == 1)).await;

    // She comes back with the receipt's figures, not its number.
    let receipt = shop.receipt("ann").await;
    let left_us = receipt["left_us"].as_i64().expect("a time");
    let date = &carryout::base::ShopTime(left_us).to_string()[..10];
    for (query, found) in [
        ("last4=1881", 1),
        ("last4=4242", 0),
        ("amount=400", 1),
        ("amount=401", 0),
        (&format!("date={date}"), 1),
        ("date=1999-12-31", 0),
        (&format!("last4=1881&date={date}&amount=400"), 1),
        (&format!("last4=1881&date={date}&amount=250"), 0),
    ] {
        let (status, listed) = shop.get(&format!("/api/v1/receipts?{query}")).await;
        let ids: Vec<&Value> =
            listed["receipts"].as_array().expect("a list").iter().map(|r| &r["receipt_id"]).collect();
        assert_eq!((status, ids), (200, vec![&receipt["receipt_id"]; found]), "{query}");
    }

    // She never had the chips; staff look and agree.
    let id = receipt["receipt_id"].as_str().expect("an id");
    let wish = json!({"lines": [{"product": "chips", "original": 1, "quantity": 0}]}).to_string();
    let (status, contested) = shop.post(&format!("/api/v1/receipts/{id}/contest"), wish.clone()).await;
    assert_eq!((status, &contested["status"]), (200, &json!("contested")), "{contested}");
    let waiting = shop.get("/api/v1/reviews").await.1;
    assert_eq!(waiting["reviews"].as_array().map(Vec::len), Some(1), "{waiting}");
    let (status, decided) = shop.post(&format!("/api/v1/reviews/{id}"), wish).await;
    assert_eq!((status, &decided["status"], &decided["total"]), (200, &json!("adjusted"), &json!(250)), "{decided}");
    given_back(&shop, &[150]).await;

    // The cola was warm: part of it back, by hand.
    let charge = receipt["charge_ids"][0].as_str().expect("a charge");
    let refund = |amount: i64| json!({"amount": amount, "reason": "warm cola"}).to_string();
    let (status, _) = shop.post(&format!("/api/v1/charges/{charge}/refunds"), refund(251)).await;
    assert_eq!(status, 409, "more than is left of the charge");
    let (status, view) = shop.post(&format!("/api/v1/charges/{charge}/refunds"), refund(100)).await;
    assert_eq!((status, &view["refunded"]), (200, &json!(250)), "{view}");
    let adjusted = shop.get(&format!("/api/v1/receipts/{id}")).await.1;
    assert_eq!((&adjusted["status"], &adjusted["total"]), (&json!("adjusted"), &json!(150)), "{adjusted}");
    given_back(&shop, &[150, 100]).await;

    // In the end she had nothing at all: the rest comes back, and no more than that.
    let nothing = json!({"lines": [{"product": "cola", "quantity": 0}]}).to_string();
    let (status, _) = shop.post(&format!("/api/v1/receipts/{id}/contest"), nothing.clone()).await;
    assert_eq!(status, 200);
    let (status, decided) = shop.post(&format!("/api/v1/reviews/{id}"), nothing).await;
    assert_eq!((status, &decided["status"], &decided["total"]), (200, &json!("adjusted"), &json!(0)), "{decided}");
    given_back(&shop, &[150, 100, 150]).await;

    // The broker dies. The page says what to look at, and forgets it when the broker is back.
    shop.broker.stop();
    shop.until("health names the broker", async |shop| {
        let health = shop.get("/api/v1/health").await.1;
        let named = health["reasons"].as_array()?.iter().any(|reason| reason.as_str().unwrap_or("").contains("broker"));
        (named && health["state"] == "degraded").then_some(())
    })
    .await;
    shop.broker.restart();
    is_up(&shop).await;
    shop.comes_in("bob").await;
    shop.takes("bob", "bread").await;
    shop.leaves("bob").await;
    shop.upstream_has("bob's charge", |records| records.charges.len() == 2).await;
    shop.until("nothing waits for upstream", async |shop| {
        (shop.get("/api/v1/health").await.1["queue_rows"] == 0).then_some(())
    })
    .await;
    assert!(shop.stop().await.success());
    let records = shop.upstream.records();
    assert!(records.not_once().is_empty() && records.refunds.iter().all(|refund| refund.given == 1), "{records:?}");
    shop.verify().await;
}

async fn is_up(shop: &LiveShop) {
    shop.until("health is well", async |shop| {
        let (status, health) = shop.get("/api/v1/health").await;
        (status == 200 && health["state"] == "up" && health["reasons"] == json!([])).then_some(())
    })
    .await;
}

async fn given_back(shop: &LiveShop, wanted: &[i64]) {
    let amounts = |records: &Records| records.refunds.iter().map(|refund| refund.amount).collect::<Vec<_>>();
    shop.upstream_has(&format!("refunds {wanted:?}"), |records| amounts(records) == wanted).await;
}
