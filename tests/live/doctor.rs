//! `carryout doctor` in households that are really broken, and in one that is well and open.

use crate::init::{CARRYOUT, Guarded};
use crate::mosquitto::Mosquitto;
use crate::shop::{LiveShop, PATIENCE};
use carryout::sim::daemon::Household;
use carryout::sim::upstream::{Faults, Upstream, UpstreamOptions};
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};

async fn doctor(config: &Path, more: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(CARRYOUT);
    command.arg("doctor").arg("--config").arg(config).args(more).stdin(Stdio::null()).kill_on_drop(true);
    tokio::time::timeout(PATIENCE, command.output()).await.expect("in time").expect("running carryout")
}

/// What doctor found: group, check, outcome, sentence.
pub type Found = Vec<[String; 4]>;

pub async fn found(config: &Path, more: &[&str]) -> (bool, Found) {
    let output = doctor(config, &[more, &["--json"]].concat()).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = |line: &str| {
        let found: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not one object a line: {line}"));
        ["group", "check", "outcome", "says"].map(|key| found[key].as_str().expect(key).to_owned())
    };
    let found: Found = text.lines().map(line).collect();
    assert!(!found.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.success(), found)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_shop_that_is_well_has_nothing_wrong_and_is_not_disturbed() {
    let Some(mut shop) = LiveShop::open().await else { return };
    let before = files(&shop.home.state());
    let heard_before = shop.everything_heard();
    let (well, found) = found(&shop.home.config(), &[]).await;
    // A machine that runs tests may have no one who keeps its clock, or little room: that is its own affair.
    let machines_own = ["synchronised", "free space", "file system", "writing", "open files"];
    for [group, check, outcome, says] in &found {
        let expected = match (group.as_str(), check.as_str()) {
            (_, own) if machines_own.contains(&own) => continue,
            // Its port is the system's choice, and no camera of this shop sends pictures.
            ("machine", "page") | ("cameras", "cameras") | ("models", "model") => "skipped",
            _ => "ok",
        };
        assert_eq!(outcome, expected, "{group} {check}: {says}");
    }
    assert!(well, "{found:#?}");
    for (check, says) in [
        ("connection", "lets us in"),
        ("round trip", "over carryout/v1/stage/doctor"),
        ("devices", "2 shelves and 1 people camera heard"),
        ("gate gate-1", "heard"),
        ("payment service", "knows our token"),
        ("latency", "the gate waits 400 ms"),
        ("daemon", "runs on this state directory, process "),
        ("ledger", "hang together"),
        ("page token", "is readable"),
        ("ballast", "64 MiB are held"),
    ] {
        let line = found.iter().find(|[_, name, ..]| name == check).unwrap_or_else(|| panic!("no {check}: {found:#?}"));
        assert!(line[3].contains(says), "{check}: {line:?}");
    }
    // Nothing is left behind, on disk or at the broker, and the daemon has not noticed.
    assert_eq!(files(&shop.home.state()), before);
    assert!(!shop.everything_heard().contains("String(\"offline\")"), "before: {heard_before}");
    assert_eq!(shop.counter("mqtt.lost").await, 0);
    // For a person: the same, and a last line.
    let told = doctor(&shop.home.config(), &[]).await;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("ok       broker    devices: 2 shelves"), "{told}");
    assert!(told.lines().last().is_some_and(|line| line.ends_with(" 0 failed, 3 skipped.")), "{told}");
    assert!(shop.stop().await.success());
    // A closed shop is left as it was, too, and its ledger is read all the same.
    let before = files(&shop.home.state());
    let (_, closed) = self::found(&shop.home.config(), &["--listen", "0.5s"]).await;
    let ledger = closed.iter().find(|[_, check, ..]| check == "ledger").expect("a line for the ledger");
    assert!(ledger[2] == "ok" && ledger[3].contains("hang together"), "{ledger:?}");
    assert_eq!(files(&shop.home.state()), before);
    shop.verify().await;
}

fn files(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("the state directory");
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A household without a daemon, to be broken.
struct House {
    home: Household,
    upstream: Upstream,
    broker: Mosquitto,
    guarded: Guarded,
    _dir: tempfile::TempDir,
}

impl House {
    fn build() -> Option<House> {
        let broker = Mosquitto::start()?;
        let guarded = Guarded::start("till", "right")?;
        let token = "upstream-token-for-doctor".to_owned();
        let options = UpstreamOptions { token: Some(token.clone()), ..UpstreamOptions::default() };
        let upstream = Upstream::start(options).expect("the reference upstream");
        let dir = tempfile::tempdir().unwrap();
        let home = Household {
            dir: dir.path().to_owned(),
            mqtt_port: broker.port,
            web_port: free(),
            web_token: "a-token-for-doctor-tests".into(),
            upstream_url: upstream.url(),
            upstream_token: token,
            more: String::new(),
        };
        home.furnish(&crate::world::shop(), "a test").expect("a household");
        Some(House { home, upstream, broker, guarded, _dir: dir })
    }

    /// Changes a line of the config.
    fn config(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.home.config()).unwrap();
        assert!(text.contains(from), "{from} is not in\n{text}");
        fs::write(self.home.config(), text.replace(from, to)).unwrap();
    }

    fn host(&self) -> String {
        format!("port = {}", self.broker.port)
    }

    /// A ledger with a life behind it: begun and closed.
    fn ledger(&self) -> std::path::PathBuf {
        fs::create_dir_all(self.home.state()).unwrap();
        fs::set_permissions(self.home.state(), fs::Permissions::from_mode(0o700)).unwrap();
        let path = carryout::ledger::file_in(&self.home.state());
        drop(carryout::ledger::Ledger::open(&path).expect("a new ledger"));
        path
    }

    fn camera(&self, url: &str) {
        let path = self.home.dir.join("shop/shop.toml");
        let text = fs::read_to_string(&path).unwrap();
        let camera = format!(
            "\n[[cameras]]\nid = \"top\"\nkind = \"rtsp\"\nurl = \"{url}\"\ncovers = [[0, 0], [4, 0], [4, 4], [0, 4]]\n\
             size = [640, 480]\nprojection = [[400, 0, -320, 0], [0, -400, -240, 2400], [0, 0, -1, 5]]\n"
        );
        fs::write(path, text + &camera).unwrap();
    }
}

fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What is done to a household: what it is, what to do, and the line doctor says for it.
type Breakage = (&'static str, fn(&House), [&'static str; 3]);

/// Group, check and part of the sentence; every one of these fails.
const BROKEN: [Breakage; 16] = [
    (
        "no broker",
        |h| h.config(&h.host(), &format!("port = {}", free())),
        ["broker", "connection", "systemctl status mosquitto"],
    ),
    (
        "nobody may come in",
        |h| h.config(&h.host(), &format!("port = {}", h.guarded.port)),
        ["broker", "connection", "refuses a client without user and password"],
    ),
    (
        "a wrong password",
        |h| {
            fs::write(h.home.dir.join("mqtt.password"), "wrong\n").unwrap();
            let guarded = format!("port = {}\nuser = \"till\"\npassword_file = \"mqtt.password\"", h.guarded.port);
            h.config(&h.host(), &guarded);
        },
        ["broker", "connection", "refuses user `till`; put user and password as the broker knows them"],
    ),
    ("silent devices", |_| {}, ["broker", "shelf a", "check its power and network"]),
    (
        "a wrong upstream token",
        |h| fs::write(h.home.dir.join("upstream.token"), "another-token\n").unwrap(),
        ["upstream", "payment service", "answers 401: the token is wrong"],
    ),
    (
        "upstream is ill",
        |h| h.upstream.set_faults(Faults { fail_before: u32::MAX, ..Faults::default() }),
        ["upstream", "payment service", "answers 500: it is ill"],
    ),
    (
        "upstream hangs",
        |h| h.upstream.set_faults(Faults { delay_ms: 60_000, ..Faults::default() }),
        ["upstream", "payment service", "takes the connection and says nothing"],
    ),
    ("upstream is gone", |h| h.upstream.go_away(), ["upstream", "payment service", "no connection to http://127"]),
    (
        // Read-only for everybody, root too.
        "a disk that cannot be written",
        |h| h.config(&format!("{:?}", h.home.state().display().to_string()), "\"/sys/kernel\""),
        ["state", "writing", "cannot write into /sys/kernel"],
    ),
    (
        "a state directory that is a file",
        |h| fs::write(h.home.state(), "").unwrap(),
        ["state", "directory", "is no directory"],
    ),
    (
        "a damaged ledger",
        |h| {
            let path = h.ledger();
            fs::write(&path, vec![7; 8192]).unwrap();
        },
        ["state", "ledger", "restore the last good backup"],
    ),
    (
        "no page token",
        |h| fs::write(h.home.dir.join("web.token"), "short\n").unwrap(),
        ["files", "page token", "write at least 16"],
    ),
    (
        "a broken plan",
        |h| fs::write(h.home.dir.join("shop/planogram.csv"), "shelf,plate,product\nz,1,cola\n").unwrap(),
        ["files", "config", "planogram.csv line 2"],
    ),
    (
        "a wrong camera address",
        |h| h.camera(&format!("rtsp://user:hidden-in-here@127.0.0.1:{}/top", free())),
        ["cameras", "camera top", "nobody answers at 127.0.0.1:"],
    ),
    (
        "no model",
        |h| {
            h.camera("rtsp://127.0.0.1:1/top");
            h.config("[web]", "[vision]\nmodel = \"missing.toml\"\n\n[web]");
        },
        ["models", "model", "no model manifest"],
    ),
    (
        "somebody else on the page's port",
        |h| {
            // Held until the test program ends.
            let squatter = TcpListener::bind(("127.0.0.1", h.home.web_port)).expect("the page's port");
            std::mem::forget(squatter);
        },
        ["machine", "page", "`ss -ltnp` shows who has it"],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_broken_is_named_with_what_to_do() {
    for (what, breaks, [group, check, says]) in BROKEN {
        let Some(house) = House::build() else { return };
        breaks(&house);
        let (well, found) = found(&house.home.config(), &["--listen", "0.5s"]).await;
        let line = found.iter().find(|[g, c, outcome, _]| g == group && c == check && outcome == "failed");
        let line = line.unwrap_or_else(|| panic!("{what}: no failed {group} {check} in {found:#?}"));
        assert!(line[3].contains(says), "{what}: wanted `{says}`, got `{}`", line[3]);
        assert!(!well, "{what}: something failed, and the exit code says nothing");
        let all = format!("{found:?}");
        assert!(!all.contains("hidden-in-here") && !all.contains(&house.home.upstream_token), "{what}: a secret");
        let left: Vec<String> = fs::read_dir(house.home.state())
            .map(|files| files.map(|file| file.unwrap().file_name().to_string_lossy().into_owned()).collect())
            .unwrap_or_default();
        assert!(!left.iter().any(|name| name.contains("doctor")), "{what}: left behind {left:?}");
    }
}

#[test]
fn an_entry_that_was_changed_is_found_at_the_end_of_the_ledger() {
    use carryout::base::{GateId, ShopTime};
    use carryout::events::{Entry, Fact};
    use carryout::ledger::{Ledger, LedgerError, file_in, tail};
    let dir = tempfile::tempdir().unwrap();
    let path = file_in(dir.path());
    let mut ledger = Ledger::open(&path).unwrap();
    for n in 0..20 {
        let fact = Fact::GateClock { gate: GateId::new("gate-1"), offset_us: n };
        let entry = Entry { t: ShopTime(1_790_000_000_000_000 + n), visit: None, fact, subject: None };
        ledger.commit(&[entry], &[]).expect("an entry");
    }
    let well = tail(&path, 5).expect("a ledger that is well, and in use");
    assert_eq!((well.last_seq, well.looked_at, well.waiting_upstream), (20, 5, 0));
    drop(ledger);
    let db = rusqlite::Connection::open(&path).unwrap();
    let triggers: Vec<String> = db
        .prepare("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'entries'")
        .and_then(|mut query| query.query_map([], |row| row.get(0))?.collect())
        .unwrap();
    for trigger in triggers {
        db.execute_batch(&format!("DROP TRIGGER {trigger}")).unwrap();
    }
    for (seq, caught) in [(18, true), (3, false)] {
        db.execute("UPDATE entries SET t_us = t_us + 1 WHERE seq = ?1", [seq]).unwrap();
        let found = tail(&path, 5);
        match found {
            Err(LedgerError::Corrupt { seq: at, what }) => {
                assert!(caught && at == 18 && what.contains("changed"), "{at}: {what}");
            }
            Ok(_) => assert!(!caught, "entry {seq} was changed and not noticed"),
            Err(other) => panic!("{other}"),
        }
        db.execute("UPDATE entries SET t_us = t_us - 1 WHERE seq = 18", []).unwrap();
    }
}

#[cfg(all(feature = "cameras", feature = "onnx"))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_is_opened_until_a_picture_comes_and_the_model_looks() {
    use carryout::shop::Shop;
    use carryout::sim::eyes::SimCamera;
    let line = |found: &Found, group: &str| -> [String; 4] {
        found.iter().find(|[g, ..]| g == group).unwrap_or_else(|| panic!("no {group} in {found:#?}")).clone()
    };
    let Some(house) = House::build() else { return };
    house.camera("rtsp://127.0.0.1:1/eye");
    let (shop, _) = Shop::read(house.home.dir.join("shop")).expect("a shop with a camera");
    let camera = &shop.layout.cameras[&carryout::base::CameraId::new("top")];
    let sim = SimCamera::start(camera, &[], Vec::new, 0).expect("a simulated camera");
    let path = house.home.dir.join("shop/shop.toml");
    let text = fs::read_to_string(&path).unwrap();
    let point_to = |url: &str| fs::write(&path, text.replace("rtsp://127.0.0.1:1/eye", url)).unwrap();
    let (own, path_only) = (sim.url().to_owned(), sim.url().replace("/eye", "/nothing-here"));
    // Takes a connection and says nothing: no camera.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mute = format!("rtsp://viewer:hidden-in-here@{}/eye", listener.local_addr().unwrap());
    for (url, outcome, says) in [
        (own.as_str(), "ok", "a picture of 640 x 480 from 127.0.0.1:"),
        (&path_only, "failed", "no picture from 127.0.0.1:"),
        (&mute, "failed", "no picture from 127.0.0.1:"),
    ] {
        point_to(url);
        let (_, found) = found(&house.home.config(), &["--listen", "0.5s"]).await;
        let camera = line(&found, "cameras");
        assert_eq!(camera[2], outcome, "{url}: {camera:?}");
        assert!(camera[3].contains(says), "{url}: {camera:?}");
        assert!(!format!("{found:?}").contains("hidden-in-here"), "{found:#?}");
        assert_eq!(camera[3].contains(", decoded by "), outcome == "ok", "{url}: {camera:?}");
        let model = line(&found, "models");
        assert_eq!(model[2], "ok", "{model:?}");
        assert!(model[3].contains("looks at a picture in"), "{model:?}");
    }
    drop(listener);
    // A model whose library is no library.
    point_to(&own);
    house.config("[web]", "[vision]\nonnx_library = \"web.token\"\n\n[web]");
    let (well, found) = found(&house.home.config(), &["--listen", "0.5s"]).await;
    let model = line(&found, "models");
    assert!(!well && model[2] == "failed" && model[3].contains("loading the ONNX Runtime from"), "{model:?}");
}
