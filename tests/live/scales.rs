//! A shop whose scales publish plain numbers, one topic a plate, five a second, and whose daemon speaks MQTT 5: what is taken
//! is charged, what is put back is not.

use crate::doctor::found;
use crate::shop::LiveShop;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_of_esphome_and_tasmota_scales_sells() {
    let Some(mut shop) = LiveShop::build().await else { return };
    shop.plain_scales();
    shop.start(&[]).await;
    // Doctor hears them, too.
    let (_, found) = found(&shop.home.config(), &[]).await;
    let devices = found.iter().find(|[_, check, ..]| check == "devices").unwrap_or_else(|| panic!("{found:#?}"));
    assert_eq!(
        (devices[2].as_str(), found.iter().any(|[_, check, ..]| check == "scales")),
        ("ok", false),
        "{found:#?}"
    );
    shop.comes_in("ann").await;
    shop.takes("ann", "cola").await;
    shop.takes("ann", "bread").await;
    // She thinks better of the cola.
    shop.act("ann", &["puts", "cola"]).await;
    shop.until("the cola is out of ann's cart", async |shop| {
        let visit = shop.open_visit("ann").await?;
        let lines = visit["lines"].as_array()?;
        let settled = lines.iter().all(|line| line["product"] == "bread" && line["draft"] == false);
        (settled && lines.len() == 1).then_some(())
    })
    .await;
    shop.leaves("ann").await;
    shop.upstream_has("ann's charge", |records| records.charges.len() == 1).await;
    let receipt = shop.receipt("ann").await;
    assert_eq!((&receipt["total"], &receipt["status"]), (&json!(300), &json!("final")), "{receipt}");
    assert_eq!(shop.counter("weights.received").await, 0, "no shelf of this shop sends batches");
    assert_eq!(shop.counter("weights.missing").await + shop.counter("weights.dropped").await, 0);
    assert!(shop.stop().await.success());
    shop.verify().await;
}
