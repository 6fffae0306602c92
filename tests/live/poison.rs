//! A tap that kills the daemon comes again after every start, because nobody acknowledged it. The third start sets it aside,
//! whether the floor died of it or the ledger refused what came of it.

use crate::shop::LiveShop;
use carryout::base::{GateId, ShopTime, TapId};
use carryout::commands::run::taster::Taster;
use carryout::events::{Credential, Direction, Observation, Stamped, Tap};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_tap_that_kills_twice_is_set_aside_and_the_shop_goes_on() {
    let Some(mut shop) = LiveShop::build().await else { return };
    let state = shop.home.state();
    std::fs::create_dir_all(&state).expect("a state directory");
    let tap = deadly(&shop);
    // No tap we know of kills the floor. This is all that is left of a daemon that died of one, twice.
    for _ in 0..2 {
        let mut taster = Taster::open(&state).expect("a private file");
        let stamped = Stamped { arrival: ShopTime(shop.now_us()), observation: Observation::Tap(tap.clone()) };
        drop(taster.taste(&stamped).expect("written").expect("served"));
    }

    shop.start(&[]).await;
    shop.say(&Observation::Tap(tap.clone())).await;
    goes_on_without_it(&mut shop).await;

    // A technician has looked, and lets it try again.
    std::fs::remove_file(state.join("quarantine/tap-deadly.cbor")).expect("it is there");
    shop.start(&[]).await;
    shop.say(&Observation::Tap(Tap { t_us: shop.now_us(), ..tap })).await;
    let decision = shop.decision("deadly").await;
    assert_eq!(decision["open"], json!(true), "{decision}");
    assert!(shop.stop().await.success());
    shop.verify().await;
}

/// No tap we know of breaks a rule of the books: this ledger has one more rule.
#[tokio::test(flavor = "multi_thread")]
async fn a_tap_that_the_ledger_refuses_twice_is_set_aside_and_the_shop_goes_on() {
    let Some(mut shop) = LiveShop::open().await else { return };
    assert!(shop.stop().await.success());
    let ledger = rusqlite::Connection::open(carryout::ledger::file_in(&shop.home.state())).expect("the ledger");
    let rule = "CREATE TRIGGER deadly BEFORE INSERT ON taps WHEN NEW.tap_id = 'deadly'
                BEGIN SELECT RAISE(ABORT, 'no such tap'); END";
    ledger.execute_batch(rule).expect("one more rule");
    shop.start(&[]).await;
    shop.say(&Observation::Tap(deadly(&shop))).await;
    assert!(!shop.has_ended().await.success(), "once");
    // Nobody acknowledged it: the broker says it again to the next start.
    assert!(!shop.ends_by_itself().await.success(), "twice");
    shop.start(&[]).await;
    goes_on_without_it(&mut shop).await;
    ledger.execute_batch("DROP TRIGGER deadly").expect("the rule goes");
    shop.verify().await;
}

/// The tap is set aside, the page says so, somebody else shops and pays; then the shop stops in order.
async fn goes_on_without_it(shop: &mut LiveShop) {
    shop.until("the page says what is set aside", async |shop| {
        let health = shop.get("/api/v1/health").await.1;
        let said = health["reasons"].to_string();
        (said.contains("tap-deadly") && health["state"] == "degraded").then_some(())
    })
    .await;
    assert!(shop.home.state().join("quarantine/tap-deadly.cbor").exists());
    shop.comes_in("ann").await;
    shop.takes("ann", "cola").await;
    shop.leaves("ann").await;
    shop.upstream_has("ann pays", |records| records.charges.iter().any(|charge| charge.captured == 1)).await;
    assert!(shop.decisions("deadly").is_empty(), "nobody was let in by it");
    assert!(shop.stop().await.success());
}

fn deadly(shop: &LiveShop) -> Tap {
    let credential = Credential { kind: "card".into(), token: "tok_deadly".into(), brand: None, last4: None };
    Tap {
        gate: GateId::new("gate-1"),
        tap_id: TapId::new("deadly"),
        t_us: shop.now_us(),
        direction: Direction::In,
        credential,
        group_size: 1,
    }
}
