//! What the service manager hears: ready, alive, stopping.

use crate::shop::LiveShop;
use std::process::Command;

/// The watchdog wants a word every second and hears one every third of it.
#[tokio::test(flavor = "multi_thread")]
async fn the_service_manager_hears_of_start_life_and_stop() {
    let Some(mut shop) = LiveShop::build().await else { return };
    // As a service manager does it: the daemon is told its own process id, so that no child of it takes the word.
    let mut command = Command::new("sh");
    command.args(["-c", "WATCHDOG_PID=$$ exec \"$@\"", "sh", env!("CARGO_BIN_EXE_carryout")]);
    command.env("WATCHDOG_USEC", "1000000");
    shop.launch(command, &[]).await;
    let told = |shop: &LiveShop, state: &str| {
        shop.told_manager.lock().unwrap().iter().filter(|told| told.lines().any(|line| line == state)).count()
    };
    shop.until("the watchdog has heard three times", async |shop| (told(shop, "WATCHDOG=1") >= 3).then_some(())).await;
    assert_eq!((told(&shop, "READY=1"), told(&shop, "STOPPING=1")), (1, 0), "{:?}", shop.told_manager);
    assert!(shop.stop().await.success());
    shop.until("the stop is announced", async |shop| (told(shop, "STOPPING=1") == 1).then_some(())).await;
    let first = shop.told_manager.lock().unwrap()[0].clone();
    assert!(first.starts_with("READY=1\nSTATUS=started; page on http://127.0.0.1:"), "{first}");
}
