//! The shop's files change while people shop: what is right is taken, what is wrong is told and changes nothing.

use crate::shop::LiveShop;
use crate::world;
use carryout::base::{Cents, ProductId};
use carryout::shop::{Catalogue, Planogram, Product, Shop};
use serde_json::{Value, json};

/// A cola costs 3.00 from now on, and chips are sold no more.
fn changed() -> Shop {
    let old = world::shop();
    let (chips, cola) = (ProductId::new("chips"), ProductId::new("cola"));
    let mut catalogue = Catalogue::default();
    old.catalogue.tax_classes().for_each(|class| catalogue.insert_tax_class(class.clone()));
    for product in old.catalogue.iter().filter(|product| product.id != chips) {
        let price = if product.id == cola { Cents(300) } else { product.price };
        catalogue.insert(Product { price, ..product.clone() });
    }
    let mut planogram = Planogram::default();
    for (shelf, plate, product) in old.planogram.iter().filter(|(_, _, product)| **product != chips) {
        planogram.put(shelf.clone(), plate, product.clone());
    }
    Shop { planogram, catalogue, ..old }
}

async fn reasons(shop: &LiveShop) -> String {
    shop.get("/api/v1/health").await.1["reasons"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_change_while_people_shop_and_a_bad_file_changes_nothing() {
    let Some(mut shop) = LiveShop::open().await else { return };
    for (who, product) in [("ann", "cola"), ("bob", "chips")] {
        shop.comes_in(who).await;
        shop.takes(who, product).await;
    }
    let pid = shop.pid();
    let cookie = shop.log_in().await;
    let files = shop.home.dir.join("shop");
    changed().write(&files).expect("writing shop files");
    shop.reload().await;
    assert_eq!(shop.pid(), pid, "the same process");
    assert!(shop.is_logged_in(&cookie).await, "whoever looks at the page goes on looking");

    // Ann's first cola was taken at the old price, her second at the new one; nobody knows the tax of bob's chips now.
    shop.act("ann", &["takes", "cola"]).await;
    shop.until("ann has two", async |shop| {
        let lines = shop.open_visit("ann").await?["lines"].clone();
        let prices: Vec<Value> = lines.as_array()?.iter().map(|line| line["unit_price"].clone()).collect();
        (prices == [json!(250), json!(300)]).then_some(())
    })
    .await;
    for who in ["ann", "bob"] {
        shop.leaves(who).await;
    }
    let ann = shop.receipt("ann").await;
    assert_eq!((&ann["status"], &ann["total"]), (&json!("final"), &json!(550)), "{ann}");
    let bob = shop.receipt("bob").await;
    assert_eq!((&bob["status"], &bob["total"]), (&json!("being_checked"), &json!(150)), "{bob}");
    shop.upstream_has("ann pays once", |records| records.charges.iter().any(|charge| charge.captured == 1)).await;

    // A price nobody can read, then a shop that is not this one: told, and business goes on.
    let catalogue = std::fs::read_to_string(files.join("catalogue.csv")).expect("a catalogue");
    std::fs::write(files.join("catalogue.csv"), catalogue.replace("3.00", "three")).expect("a slip of the pen");
    shop.hang_up();
    shop.until("the page says what is wrong", async |shop| reasons(shop).await.contains("three").then_some(())).await;
    assert!(reasons(&shop).await.contains("goes on with what it had"), "{}", reasons(&shop).await);
    shop.comes_in("kim").await;
    shop.takes("kim", "cola").await;
    let another = Shop { id: carryout::base::ShopId::new("another"), ..changed() };
    another.write(&files).expect("writing shop files");
    shop.hang_up();
    shop.until("nor a shop of another name", async |shop| reasons(shop).await.contains("another").then_some(())).await;

    changed().write(&files).expect("writing shop files");
    shop.reload().await;
    assert!(!reasons(&shop).await.contains("not taken"), "{}", reasons(&shop).await);
    shop.leaves("kim").await;
    assert_eq!(shop.receipt("kim").await["total"], json!(300));
    let (taken, refused) = (shop.counter("reload.taken").await, shop.counter("reload.refused").await);
    assert_eq!((taken, refused), (2, 2));
    assert!(shop.stop().await.success());
    assert!(shop.upstream.records().not_once().is_empty(), "{:?}", shop.upstream.records().not_once());
    shop.verify().await;
}
