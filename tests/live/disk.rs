//! The disk runs full under a working shop: a real one, of 200 MB, in a mount of the daemon's own.
//!
//! Nobody new comes in, who is inside pays and leaves, nothing is lost, nothing restarts; and when somebody has made room
//! the shop opens by itself. Also a ledger with a broken page, and one that can only be read. Where the system allows no
//! mount namespaces, the first and the last are skipped and say so.

use crate::shop::{LiveShop, PATIENCE};
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

const CARRYOUT: &str = env!("CARGO_BIN_EXE_carryout");

/// Whether a program may have mounts of its own here.
fn may_mount() -> bool {
    let mount = "mount -t tmpfs -o size=1m tmpfs /tmp";
    let tried = Command::new("unshare").args(["--mount", "--map-root-user", "sh", "-c", mount]).output();
    let may = tried.is_ok_and(|output| output.status.success());
    if !may {
        eprintln!("skipped: this system lets nobody mount (unshare --mount --map-root-user)");
    }
    may
}

/// `carryout` with its state on a disk of its own. `before` runs in there first.
fn on_a_small_disk(shop: &LiveShop, before: &str) -> Command {
    let state = shop.home.state();
    std::fs::create_dir_all(&state).expect("a state directory");
    let script = format!("mount -t tmpfs -o size=200m,mode=700 tmpfs \"$0\" && {before} exec {CARRYOUT} \"$@\"");
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", &script]).arg(state);
    command
}

/// The state directory as the daemon sees it.
fn state_of(shop: &mut LiveShop) -> PathBuf {
    let pid = shop.pid().expect("the daemon lives");
    PathBuf::from(format!("/proc/{pid}/root{}", shop.home.state().display()))
}

/// Writes until there is no room.
fn fill(file: &PathBuf) {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).expect("a file on the disk");
    for size in [1 << 20, 4096, 1] {
        while file.write_all(&vec![b'x'; size]).is_ok() {}
    }
}

async fn health(shop: &LiveShop) -> (u16, String) {
    let (status, health) = shop.get("/api/v1/health").await;
    let reasons = health["reasons"].as_array().cloned().unwrap_or_default();
    let said: Vec<&str> = reasons.iter().filter_map(Value::as_str).collect();
    (status, said.join(" "))
}

async fn is_open(shop: &LiveShop) {
    // On so small a disk not without a warning.
    shop.until("the shop is open", async |shop| {
        let (status, said) = health(shop).await;
        (status == 200 && said.starts_with("The disk of") && said.contains("is nearly full:")).then_some(())
    })
    .await;
    assert!(shop.text("/metrics").await.contains("carryout_disk_free_bytes "));
}

async fn taps_in(shop: &LiveShop, tap_id: &str) {
    let credential = json!({"kind": "card", "token": format!("tok_{tap_id}")});
    let tap = json!({"tap_id": tap_id, "t_us": shop.now_us(), "direction": "in", "credential": credential});
    shop.publish("gate/gate-1/tap", tap.to_string()).await;
}

/// Taps and hears why not.
async fn is_refused(shop: &LiveShop) -> Value {
    taps_in(shop, "refused").await;
    shop.decision("refused").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_closes_the_shop_and_loses_nothing() {
    if !may_mount() {
        return;
    }
    let Some(mut shop) = LiveShop::build().await else { return };
    let command = on_a_small_disk(&shop, "");
    shop.start_as(command, &[]).await;
    is_open(&shop).await;
    let (pid, state) = (shop.pid(), state_of(&mut shop));
    shop.comes_in("ann").await;
    shop.takes("ann", "cola").await;
    shop.comes_in("bob").await;

    fill(&state.join("somebody-elses-log"));
    // Where ann walks is written down, or would be.
    shop.act("ann", &["goes", "6", "1"]).await;
    shop.until("the page says what to do", async |shop| {
        let (status, said) = health(shop).await;
        let told = said.contains("is full: free at least") && said.contains("Who is inside pays and leaves as ever");
        (status == 503 && told).then_some(())
    })
    .await;
    assert!(!state.join("ballast").exists(), "the ballast was thrown off");
    let refused = is_refused(&shop).await;
    assert_eq!((&refused["open"], &refused["reason"]), (&json!(false), &json!("shop_closed")), "{refused}");
    shop.leaves("ann").await;
    shop.upstream_has("ann pays", |records| records.charges.iter().any(|charge| charge.captured == 1)).await;

    // Even that room is taken. The daemon waits for more, and nobody restarts it.
    fill(&state.join("somebody-elses-log"));
    let since = std::time::Instant::now();
    for place in ["2", "6"].iter().cycle() {
        shop.act("bob", &["goes", place, "1"]).await; // which is written down, or would be
        shop.seconds_pass(0.5).await;
        if health(&shop).await.1.contains("Nothing can be written until then") {
            break;
        }
        assert!(since.elapsed() < PATIENCE, "everything found room on a full disk");
        fill(&state.join("somebody-elses-log"));
    }
    std::fs::remove_file(state.join("somebody-elses-log")).expect("somebody makes room");
    is_open(&shop).await;
    assert!(state.join("ballast").exists(), "the ballast is back");
    shop.leaves("bob").await;
    shop.comes_in("kim").await;
    shop.leaves("kim").await;
    assert_eq!(shop.pid(), pid, "it is the same process as ever");

    let receipt = shop.receipt("ann").await;
    assert_eq!((&receipt["status"], &receipt["total"]), (&json!("final"), &json!(250)), "{receipt}");
    let mut inside = Command::new("nsenter");
    inside.args(["--mount", "--user", "--preserve-credentials", "--target", &pid.expect("it lives").to_string()]);
    let verified = inside.args([CARRYOUT, "verify", "--state"]).arg(shop.home.state()).output().expect("nsenter");
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    assert!(shop.stop().await.success());
    assert!(shop.upstream.records().not_once().is_empty(), "{:?}", shop.upstream.records());
}

/// A start on a full disk waits and says for what.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_full_disk_waits_for_room() {
    if !may_mount() {
        return;
    }
    let Some(mut shop) = LiveShop::build().await else { return };
    let command = on_a_small_disk(&shop, "! dd if=/dev/zero of=\"$0\"/full bs=64k 2>/dev/null;");
    shop.set_off(command, &[]);
    shop.until("the service manager hears for what it waits", async |shop| {
        let told = shop.told_manager.lock().unwrap();
        told.iter().any(|told| told.contains("is full: free at least") && told.contains("EXTEND_TIMEOUT")).then_some(())
    })
    .await;
    let state = state_of(&mut shop);
    std::fs::remove_file(state.join("full")).expect("somebody makes room");
    shop.is_ready().await;
    is_open(&shop).await;
    assert!(shop.stop().await.success());
}

/// A page in the middle of the ledger is broken: nobody is sold anything on it, and the log says how to go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_ledger_is_not_sold_on() {
    let Some(mut shop) = LiveShop::open().await else { return };
    shop.comes_in("ann").await;
    shop.takes("ann", "cola").await;
    shop.leaves("ann").await;
    assert!(shop.stop().await.success());
    let file = carryout::ledger::file_in(&shop.home.state());
    let pages = std::fs::metadata(&file).expect("a ledger").len() / 4096;
    let sound = std::fs::read(&file).expect("a ledger");
    let damaged = std::fs::OpenOptions::new().write(true).open(&file).expect("a ledger");
    damaged.write_all_at(&[0xa5; 4096], pages / 2 * 4096).expect("writing into it");

    let ended = shop.ends_by_itself().await;
    assert!(!ended.success(), "{ended}");
    let log = std::fs::read_to_string(shop.home.log()).expect("its log");
    let last = log.lines().last().unwrap_or_default();
    assert!(last.contains("damaged") && last.contains("restore the last good backup"), "{last}");

    std::fs::write(&file, sound).expect("restoring the backup");
    shop.start(&[]).await;
    assert_eq!(shop.receipt("ann").await["total"], 250);
    assert!(shop.stop().await.success());
    shop.verify().await;
}

/// What a human would find in an audit, the daemon finds itself: an entry was changed behind its back.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_does_not_add_up_closes_the_shop() {
    let Some(mut shop) = LiveShop::open().await else { return };
    shop.comes_in("ann").await;
    shop.takes("ann", "cola").await;
    shop.leaves("ann").await;
    shop.receipt("ann").await;
    assert!(shop.stop().await.success());
    let db = rusqlite::Connection::open(carryout::ledger::file_in(&shop.home.state())).expect("the ledger");
    let changed = db.execute("UPDATE entries SET body = replace(body, '250', '150') WHERE kind = 'receipt'", []);
    assert!(changed.expect("an update") > 0);
    drop(db);

    shop.start(&[]).await;
    shop.until("the page says what to do", async |shop| {
        let (status, said) = health(shop).await;
        let told = said.contains("The ledger does not add up") && said.contains("restore the last good backup");
        (status == 503 && told).then_some(())
    })
    .await;
    let refused = is_refused(&shop).await;
    assert_eq!(refused["reason"], "shop_closed", "{refused}");
    assert!(shop.stop().await.success());
}

/// A failing disk is turned read-only by the system: the daemon ends, says so, and every start says so again.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_can_only_be_read_is_named() {
    if !may_mount() {
        return;
    }
    let Some(mut shop) = LiveShop::build().await else { return };
    let command = on_a_small_disk(&shop, "mount -o remount,ro \"$0\" &&");
    shop.set_off(command, &[]);
    let ended = shop.has_ended().await;
    assert!(!ended.success(), "{ended}");
    let log = std::fs::read_to_string(shop.home.log()).expect("its log");
    assert!(log.lines().last().unwrap_or_default().contains("Read-only file system"), "{log}");
}
