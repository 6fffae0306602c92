//! A recording replays to the same entries, byte for byte; also one begun in the middle of a ledger's life.

use crate::shop::LiveShop;
use std::fs::OpenOptions;
use std::io::Write;
use std::time::{Duration, Instant};

/// An ordered stop with nobody in a hurry.
const STOPS: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_replays_to_the_same_entries() {
    let Some(mut shop) = LiveShop::build().await else { return };
    let (first, second) = (shop.path("first"), shop.path("second"));
    // Rules of its own, which a replay has to know: another hold shows in the entries, another patience in their times.
    let mut config = OpenOptions::new().append(true).open(shop.home.config()).expect("the config");
    config.write_all(b"\n[policy]\nhold_amount = 3300\n\n[steps]\ncalm_ms = 900\n").expect("writing it");

    // A new shop: ann buys, bob is still inside when it stops.
    shop.start(&["--record", &first]).await;
    shop.comes_in("ann").await;
    shop.act("ann", &["takes", "cola"]).await;
    shop.comes_in("bob").await;
    shop.takes("bob", "bread").await;
    shop.leaves("ann").await;
    shop.upstream_has("ann's charge", |records| records.charges.len() == 1).await;
    assert_eq!(shop.upstream.records().authorizations[0].amount, 3300, "the rules are in force");
    stops_in_order(&mut shop).await;
    replays(&shop, &first, "nobody has been here before").await;

    // The same ledger goes on: bob puts one thing back and takes another.
    shop.start(&["--record", &second]).await;
    shop.act("bob", &["puts", "bread"]).await;
    shop.until("the bread is out of bob's cart", async |shop| {
        let visit = shop.open_visit("bob").await?;
        visit["lines"].as_array()?.is_empty().then_some(())
    })
    .await;
    shop.takes("bob", "gum").await;
    shop.leaves("bob").await;
    shop.upstream_has("both charges", |records| records.charges.len() == 2).await;
    stops_in_order(&mut shop).await;
    replays(&shop, &second, "in the middle of a ledger").await;

    // A replay that starts otherwise is told apart: the comparison compares.
    let beginning = format!("{second}/recording.json");
    let text = std::fs::read_to_string(&beginning).expect("what the recording started with");
    let mut wrong: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    wrong["next_receipt"] = 17.into();
    std::fs::write(&beginning, wrong.to_string()).expect("writing it");
    let output = shop.carryout(&["replay", &second]).await;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success() && told.contains("different: entry"), "{told}");

    shop.verify().await;
}

async fn stops_in_order(shop: &mut LiveShop) {
    let since = Instant::now();
    let status = shop.stop().await;
    assert!(status.success() && since.elapsed() < STOPS, "{status} after {:?}: {}", since.elapsed(), shop.log());
}

async fn replays(shop: &LiveShop, dir: &str, story: &str) {
    let again = format!("{dir}.jsonl");
    let output = shop.carryout(&["replay", dir, "--again", "nearest", "--entries", &again]).await;
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("the same entries, byte for byte") && output.status.success(), "{story}: {told}");
    assert!(told.contains("asked again: 0 of ") && !told.contains("0 of 0 weighings"), "{story}: {told}");
    let read = |path: String| std::fs::read(path).expect("entries");
    let recorded = read(format!("{dir}/entries.jsonl"));
    assert!(recorded.len() > 1_000 && recorded == read(again), "{story}: one of them has more entries");
}
