//! Card numbers and tokens: the first are refused wherever they stand, the second go no further than the ledger's
//! encrypted parts. What is searched: the log at its most talkative, every byte of the state directory, every answer over
//! HTTP, every word on the broker.

use crate::shop::{BASE, LiveShop, TOKEN};
use serde_json::json;
use std::collections::BTreeMap;

/// Test numbers of the networks, one a place, so that a leak names where it came from.
const CARDS: [&str; 12] = [
    "4111111111111111",
    "5500000000000004",
    "5555555555554444",
    "4012888888881881",
    "378282246310005",
    "371449635398431",
    "6011111111111117",
    "3530111333300000",
    "5105105105105100",
    "6304000000000000000",
    "2223003122003222",
    "6011000990139424",
];

const SECRET: &str = "tok_9f3kq7Lw2ZsecretOfAnn";

#[tokio::test(flavor = "multi_thread")]
async fn card_numbers_and_tokens_stay_where_they_belong() {
    let Some(mut shop) = LiveShop::build().await else { return };
    shop.log_level = "trace";
    shop.start(&[]).await;
    let [a, b, c, d, e, f, g, h, i, j, k, l] = CARDS;
    let now_us = shop.now_us();

    // Over the broker: (topic, payload, counter).
    let tap = |id: &str, token: &str, more: &str| {
        format!(
            r#"{{"tap_id":"{id}","t_us":{now_us},"direction":"in",{more}"credential":{{"kind":"card","token":"{token}"}}}}"#
        )
    };
    let grouped = |card: &str| format!("{} {} {} {}", &card[..4], &card[4..8], &card[8..12], &card[12..]);
    let sent = [
        ("gate/gate-1/tap".to_owned(), tap("card-1", a, ""), "tap.card_number"),
        ("gate/gate-1/tap".to_owned(), tap("card-2", "tok_x", &format!(r#""pan":{b},"#)), "tap.card_number"),
        ("gate/gate-1/tap".to_owned(), tap(c, "tok_x", ""), "tap.card_number"),
        ("gate/gate-1/tap".to_owned(), format!(r#"{{"tap_id":"cut-off","track2":"{d}="#), "tap.malformed"),
        (format!("gate/{e}/tap"), tap("card-3", "tok_x", ""), "tap.unknown_id"),
        (
            "gate/gate-1/passage".to_owned(),
            format!(r#"{{"passage_id":"{f}","t_us":{now_us},"direction":"in"}}"#),
            "passage.card_number",
        ),
        (
            "gate/gate-1/status".to_owned(),
            format!(r#"{{"t_us":{now_us},"note":"{}"}}"#, grouped(g)),
            "gate_status.card_number",
        ),
        (
            "camera/eyes/people".to_owned(),
            format!(
                r#"{{"boot":"x","seq":1,"t_us":{now_us},"people":[{{"track":"{h}","confidence":0.9,"floor":[4,2]}}]}}"#
            ),
            "people.card_number",
        ),
        (
            "shelf/a/weights".to_owned(),
            format!(r#"{{"boot":"{i}","seq":1,"t0_us":{now_us},"dt_us":16667,"plates":{{"1":[1.0]}}}}"#),
            "weights.card_number",
        ),
        ("shelf/a/status".to_owned(), j.to_owned(), "shelf_status.card_number"),
    ];
    let mut wanted = BTreeMap::<&str, u64>::new();
    for (topic, payload, counter) in sent {
        shop.publish(&topic, payload).await;
        *wanted.entry(counter).or_default() += 1;
    }
    for tap_id in ["card-1", "card-2"] {
        let decision = shop.decision(tap_id).await;
        assert_eq!((&decision["open"], &decision["reason"]), (&json!(false), &json!("malformed")), "{decision}");
    }

    // Over HTTP: (path, body, counter); every one is refused.
    let id = "00000000-0000-5000-8000-000000000000";
    for (path, body, counter) in [
        ("/api/v1/gates/gate-1/taps".to_owned(), tap("card-4", k, ""), "tap.card_number"),
        (format!("/api/v1/gates/{k}/taps"), tap("card-5", "tok_x", ""), "tap.unknown_id"),
        ("/api/v1/session".to_owned(), json!({ "token": l }).to_string(), "http.card_number"),
        (format!("/api/v1/receipts/{id}/contest"), format!(r#"{{"lines":[{{"product":"{l}","#), "http.card_number"),
        (
            format!("/api/v1/charges/{id}/refunds"),
            json!({"amount": 1, "reason": grouped(l)}).to_string(),
            "http.card_number",
        ),
        (
            format!("/api/v1/visits/{id}/payer"),
            json!({"credential": {"kind": "card", "token": l}}).to_string(),
            "payer.card_number",
        ),
    ] {
        let (status, answer) = shop.post(&path, body).await;
        assert!((400..500).contains(&status), "{path}: {status} {answer}");
        *wanted.entry(counter).or_default() += 1;
    }
    for path in [format!("/api/v1/visits/{k}"), format!("/api/v1/receipts?last4={l}"), format!("/{k}")] {
        let (status, answer) = shop.get(&path).await;
        assert!((400..500).contains(&status), "{path}: {status} {answer}");
    }
    for (counter, n) in &wanted {
        shop.until(&format!("{counter} counts {n}"), async |shop| (shop.counter(counter).await == *n).then_some(()))
            .await;
    }

    // Somebody shops with a proper token, and everything there is to see is looked at.
    shop.act("ann", &["comes"]).await;
    let (_, decision) = shop.post("/api/v1/gates/gate-1/taps", tap("proper", SECRET, "")).await;
    assert_eq!(decision["open"], true, "{decision}");
    shop.visits.insert("ann".into(), decision["visit_id"].as_str().expect("a visit").to_owned());
    shop.walks_in("ann").await;
    shop.takes("ann", "cola").await;
    assert!(shop.stream().await.contains("cola"), "her cart is on the live stream");
    shop.leaves("ann").await;
    shop.upstream_has("the charge", |records| records.charges.len() == 1).await;
    assert_eq!(shop.upstream.records().charges[0].token.as_deref(), Some(SECRET), "upstream gets the token");
    let receipt = shop.receipt("ann").await;
    let visit = &shop.visits["ann"];
    for path in ["/", "/app.js", "/decide.js", "/style.css", "/favicon.svg", "/metrics", "/api/v1/health"] {
        assert!(!shop.text(path).await.is_empty(), "{path}");
    }
    for path in [
        "/api/v1/shop",
        "/api/v1/visits",
        &format!("/api/v1/visits/{visit}"),
        "/api/v1/receipts",
        &format!("/api/v1/receipts/{}", receipt["receipt_id"].as_str().expect("an id")),
        "/api/v1/reviews",
    ] {
        assert_eq!(shop.get(path).await.0, 200, "{path}");
    }

    let answers = std::mem::take(&mut *shop.answers.lock().unwrap());
    let heard = shop.everything_heard().into_bytes();
    let mut places = vec![("an answer over HTTP".to_owned(), answers), (format!("what was said under {BASE}"), heard)];
    places.extend(files(&shop, "while it runs"));
    assert!(shop.stop().await.success());
    places.extend(files(&shop, "at the end"));
    places.push(("the log".to_owned(), shop.log().into_bytes()));
    // The search finds what is there.
    for (part, known) in
        [("HTTP", "COLA"), ("said", "visit.closed"), ("-wal", "cola"), ("the log", "TRACE"), ("the log", "card_number")]
    {
        let found = places.iter().any(|(place, bytes)| place.contains(part) && holds(bytes, known));
        assert!(found, "no {known} in {part}: the search is blind");
    }
    for (place, bytes) in &places {
        assert!(!bytes.is_empty(), "{place}: nothing to look through");
        for secret in CARDS.into_iter().chain([SECRET, TOKEN, &shop.home.upstream_token]) {
            let spelt = [secret.to_owned(), if secret.len() == 16 { grouped(secret) } else { secret.to_owned() }];
            assert!(!spelt.iter().any(|text| holds(bytes, text)), "{place} holds {secret}");
        }
        if !place.starts_with("state") {
            assert!(!holds(bytes, "tok_"), "{place} holds a token");
        }
    }
    shop.verify().await;
}

/// Every file of the state directory, raw.
fn files(shop: &LiveShop, when: &str) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(shop.home.state()).expect("the state directory");
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.expect("a file").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // The lock is empty, and so is a write-ahead log that was folded in.
        let bytes = std::fs::read(&path).unwrap_or_default();
        // And the ballast is 64 MiB of nothing, which need not be searched letter by letter.
        (bytes != vec![0; bytes.len()]).then(|| (format!("state/{name} {when}"), bytes))
    };
    entries.filter_map(read).collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
