//! Devices gone mad: whatever they send is refused by name, and the next shopper shops as if nothing had been.

use crate::shop::LiveShop;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A topic below the base, what is sent there, and the counter that names the refusal.
type Row = (&'static str, Vec<u8>, &'static str);

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_stops_nothing() {
    let Some(mut shop) = LiveShop::build().await else { return };
    // The broker keeps this one and hands it out to who comes later; nobody knows since when.
    shop.publish_retained("gate/gate-1/tap", tap("kept", shop.now_us()).to_string()).await;
    shop.start(&[]).await;
    shop.until("the kept tap is refused", async |shop| (shop.counter("tap.retained").await > 0).then_some(())).await;
    let mut wanted = BTreeMap::<&str, u64>::new();
    for (topic, payload, counter) in rows(shop.now_us()) {
        shop.publish(topic, payload).await;
        *wanted.entry(counter).or_default() += 1;
    }
    // Once when the number leaps, once when the ordinary ones go on.
    wanted.insert("weights.recounted", 2);
    for (counter, n) in &wanted {
        shop.until(&format!("{counter} counts {n}"), async |shop| (shop.counter(counter).await == *n).then_some(()))
            .await;
    }
    // Readers that can be answered are.
    for tap_id in ["no-credential", "crowd", "tomorrow", "an-hour-ahead"] {
        let decision = shop.decision(tap_id).await;
        assert_eq!((&decision["open"], &decision["reason"]), (&json!(false), &json!("malformed")), "{decision}");
    }
    // A message that fits into no connection's buffer: hung up on, read with a larger one, refused, acknowledged.
    shop.publish("gate/gate-1/tap", vec![b' '; 17 << 20]).await;
    shop.until("the endless tap is refused", async |shop| (shop.counter("tap.oversized").await == 2).then_some(()))
        .await;
    assert!(shop.counter("mqtt.oversized").await >= 1);

    let oversized = format!(r#"{{"tap_id":"{}"}}"#, "x".repeat(300_000));
    for (path, body, wanted) in [
        ("/api/v1/gates/gate-1/taps", "{\"tap_id\":", 400),
        ("/api/v1/gates/gate-1/taps", oversized.as_str(), 413),
        ("/api/v1/gates/side-door/taps", &tap("h", shop.now_us()).to_string(), 404),
        ("/api/v1/receipts/7/contest", "{}", 400),
        ("/api/v1/reviews/00000000-0000-5000-8000-000000000000", "{\"lines\":[]}", 404),
        ("/api/v1/charges/00000000-0000-5000-8000-000000000000/refunds", "[]", 400),
    ] {
        let (status, problem) = shop.post(path, body).await;
        assert_eq!(status, wanted, "{path}: {problem}");
    }

    shop.comes_in("ann").await;
    // She pays for herself: who is bound beside her is not bound, and who is bound already is.
    let payer = format!("/api/v1/visits/{}/payer", shop.visits["ann"]);
    for (token, wanted) in [("tok_bob", 409), ("tok_ann", 200)] {
        let credential = json!({"credential": {"kind": "card", "token": token}});
        let (status, said) = shop.post(&payer, credential.to_string()).await;
        assert_eq!(status, wanted, "{token}: {said}");
    }
    shop.takes("ann", "cola").await;
    shop.leaves("ann").await;
    shop.upstream_has("the charge", |records| records.charges.len() == 1).await;
    let receipt = shop.receipt("ann").await;
    let lines: Vec<(&Value, &Value)> =
        receipt["lines"].as_array().expect("lines").iter().map(|line| (&line["product"], &line["quantity"])).collect();
    assert_eq!((&receipt["status"], lines), (&json!("final"), vec![(&json!("cola"), &json!(1))]), "{receipt}");
    assert!(shop.stop().await.success());
    let records = shop.upstream.records();
    assert!(records.not_once().is_empty() && records.charges[0].total == 250, "{records:?}");
    shop.verify().await;
}

fn tap(id: &str, t_us: i64) -> Value {
    json!({"tap_id": id, "t_us": t_us, "direction": "in", "credential": {"kind": "card", "token": "tok_mad"}})
}

fn rows(now_us: i64) -> Vec<Row> {
    const HOUR_US: i64 = 3_600_000_000;
    let weights = |boot: &str, seq: u64, t0_us: i64, plates: Value| json!({"boot": boot, "seq": seq, "t0_us": t0_us, "dt_us": 16667, "plates": plates});
    let people = |t_us: i64, people: Value| json!({"boot": "c", "seq": 1, "t_us": t_us, "people": people});
    let somebody = json!({"track": "x", "confidence": 0.9, "floor": [4.0, 2.0]});
    let with = |mut value: Value, key: &str, other: Value| {
        value[key] = other;
        value
    };
    let without = |mut value: Value, key: &str| {
        value.as_object_mut().expect("an object").remove(key);
        value
    };
    let mut rows: Vec<Row> = Vec::new();
    let mut row = |topic, payload: Value, counter| rows.push((topic, payload.to_string().into_bytes(), counter));

    let shelf = "shelf/a/weights";
    row(shelf, json!([1, 2]), "weights.malformed");
    row(shelf, weights("b1", 1, now_us, json!({"1": ["heavy"]})), "weights.malformed");
    row(shelf, weights("b1", 1, now_us, json!({"1": vec![1.0; 601]})), "weights.oversized");
    row(shelf, weights(&"b".repeat(300_000), 1, now_us, json!({"1": [1.0]})), "weights.oversized");
    row(shelf, weights("b1", 1, now_us, json!({"1": [1e7]})), "weights.out_of_range");
    row(shelf, with(weights("b1", 1, now_us, json!({"1": [1.0]})), "dt_us", json!(0)), "weights.out_of_range");
    row(shelf, weights("b1", 1, 1_000_000, json!({"1": [1.0]})), "weights.out_of_range");
    row(shelf, weights("b1", 1, now_us, json!({"9": [1.0]})), "weights.unknown_id");
    row("shelf/attic/weights", weights("b1", 1, now_us, json!({"1": [1.0]})), "weights.unknown_id");
    row(shelf, weights("b1", 1, now_us + 25 * HOUR_US, json!({"1": [1.0]})), "weights.future_dated");
    // Right in itself, an hour ahead of its own clock, and with a number that makes all later ones look old.
    row(shelf, weights("b1", 9_000_000_000, now_us + HOUR_US, json!({"1": [1.0]})), "clock.future_dated");
    row(shelf, weights("b1", u64::MAX, now_us, json!({"1": [null]})), "weights.recounted");
    row("shelf/a/status", json!("asleep"), "shelf_status.malformed");

    let camera = "camera/eyes/people";
    row(camera, people(now_us, json!("nobody")), "people.malformed");
    row(camera, people(now_us, json!([without(somebody.clone(), "floor")])), "people.malformed");
    row(camera, people(now_us, json!(vec![somebody.clone(); 201])), "people.oversized");
    row(camera, people(now_us, json!([with(somebody.clone(), "floor", json!([4e3, 2.0]))])), "people.out_of_range");
    row(camera, people(now_us, json!([with(somebody.clone(), "confidence", json!(7))])), "people.out_of_range");
    row(camera, people(now_us + 25 * HOUR_US, json!([somebody])), "people.future_dated");
    row(camera, people(now_us + HOUR_US, json!([somebody])), "clock.future_dated");
    row("camera/attic/people", people(now_us, json!([somebody])), "people.unknown_id");

    let gate = "gate/gate-1/tap";
    row(gate, without(tap("no-credential", now_us), "credential"), "tap.malformed");
    row(gate, with(tap("backwards", now_us), "direction", json!("sideways")), "tap.malformed");
    row(gate, with(tap("crowd", now_us), "group_size", json!(51)), "tap.out_of_range");
    row(gate, tap("last-century", 1_000_000), "tap.out_of_range");
    row(gate, with(tap("endless", now_us), "note", json!("x".repeat(300_000))), "tap.oversized");
    row(gate, tap("tomorrow", now_us + 25 * HOUR_US), "tap.future_dated");
    row(gate, tap("an-hour-ahead", now_us + HOUR_US), "clock.future_dated");
    row("gate/side-door/tap", tap("elsewhere", now_us), "tap.unknown_id");
    row("gate/gate-1/passage", json!({"passage_id": "p", "t_us": now_us}), "passage.malformed");
    row("gate/side-door/passage", json!({"passage_id": "p", "t_us": now_us, "direction": "in"}), "passage.unknown_id");
    row("gate/gate-1/status", json!({"t_us": "noon"}), "gate_status.malformed");

    for (topic, payload, counter) in [
        (shelf, b"{\"boot\":\"b1\",".to_vec(), "weights.malformed"),
        (shelf, Vec::new(), "weights.malformed"),
        (shelf, vec![0xff; 1000], "weights.malformed"),
        // CBOR that promises more than the machine holds, and nests deeper than a stack.
        (shelf, [&[0xa1, 0x61, b'b', 0x9b][..], &[0xff; 8]].concat(), "weights.malformed"),
        (camera, [&[0xa1, 0x66][..], b"people", &[0x81; 200_000]].concat(), "people.malformed"),
        (camera, "[".repeat(200_000).into_bytes(), "people.malformed"),
        (gate, "{\"a\":".repeat(50_000).into_bytes(), "tap.malformed"),
    ] {
        rows.push((topic, payload, counter));
    }
    rows
}
