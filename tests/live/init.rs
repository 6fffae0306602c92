//! `carryout init` as a technician meets it: a real broker, the synthetic shop's devices on it, the real program; and a
//! terminal where answers are typed.

use crate::shop::PATIENCE;
use crate::simulator::broker;
use carryout::base::ShopTime;
use carryout::base::time::Clock;
use carryout::shop::Shop;
use carryout::sim::daemon::{Daemon, Household, last_words};
use carryout::sim::live::{Broker, Live};
use carryout::sim::{Gates, Playback, Setting, World};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

pub const CARRYOUT: &str = env!("CARGO_BIN_EXE_carryout");

/// The demo shop's shelves, gate and people camera, speaking until aborted.
pub async fn devices(port: u16) -> (Shop, JoinHandle<()>) {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/config/demo-shop");
    let mut shop = Shop::read(dir).expect("the demo shop is in order").0;
    let world = Arc::new(World::new(Arc::new(shop.clone())).expect("a world"));
    let mut live = Live::connect(&Broker { host: "127.0.0.1".into(), port }, &shop).await.expect("devices connect");
    let task = tokio::spawn(async move {
        let clock = Clock::anchored_after(ShopTime(0));
        let mut playback = Playback::new(world, Setting::new(1, clock.now().0, Gates::Asked));
        live.play(&mut playback, &clock, i64::MAX, |_, _| {}).await;
    });
    shop.layout.cameras.retain(|_, camera| camera.kind == carryout::shop::CameraKind::People);
    (shop, task)
}

pub async fn carryout(words: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(CARRYOUT);
    command.args(words).stdin(Stdio::null()).kill_on_drop(true);
    tokio::time::timeout(PATIENCE * 2, command.output()).await.expect("in time").expect("running carryout")
}

pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

pub fn mode(path: PathBuf) -> u32 {
    fs::metadata(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_is_found_written_checked_and_opens() {
    let Some((dir, broker)) = broker() else { return };
    let (shop, playing) = devices(broker.port).await;
    let home = dir.path().join("etc");
    let address = format!("127.0.0.1:{}", broker.port);
    let words = [
        ["init", "--yes", "--no-discovery"].as_slice(),
        &["--dir", text(&home), "--broker", &address, "--page", "127.0.0.1:0"],
        &["--name", "Corner shop", "--timezone", "Europe/Berlin", "--tax", "standard=19, reduced=7"],
    ]
    .concat();
    let output = carryout(&words).await;
    let told = said(&output);
    assert!(output.status.success(), "{told}");
    for (id, shelf) in &shop.layout.shelves {
        let line = format!("shelf {id}: {} plates, 60 Hz, reads ", shelf.plates.len());
        assert!(told.contains(&line), "{line}\n{told}");
    }
    for line in [
        "Shop `corner`:",
        "camera people-1: sends people",
        "gate gate-1: its clock",
        "Assumed, because nobody said:",
        "currency: EUR (--currency)",
        "products: placeholders that cost nothing",
        "3 bays, 9 shelves, ",
        "Next:",
        "carryout doctor --config ",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }

    // What was written is what was heard, and nobody else reads the secrets.
    let (written, warnings) = Shop::read(home.join("shop")).expect("a shop without faults");
    assert!(warnings.is_empty(), "{warnings:#?}");
    let plates = |shop: &Shop| -> Vec<_> {
        shop.layout.shelves.values().map(|shelf| (shelf.id.clone(), shelf.plates.len())).collect()
    };
    assert_eq!(plates(&written), plates(&shop));
    assert_eq!(written.name, "Corner shop");
    let ids = |shop: &Shop| -> Vec<String> {
        let gates = shop.layout.gates.keys().map(ToString::to_string);
        gates.chain(shop.layout.cameras.keys().map(ToString::to_string)).collect()
    };
    assert_eq!(ids(&written), ids(&shop));
    assert_eq!((mode(home.join("secrets")), mode(home.join("secrets/web-token"))), (0o700, 0o600));
    let token = fs::read_to_string(home.join("secrets/web-token")).unwrap();
    assert_eq!((token.trim().len(), token.trim().chars().all(|c| c.is_ascii_hexdigit())), (32, true), "128 bits");
    let config = home.join("carryout.toml");
    let checked = carryout(&["check", "--config", text(&config)]).await;
    assert!(checked.status.success(), "{}", said(&checked));

    // The daemon opens with it and hears every shelf.
    let household = Household {
        dir: home.clone(),
        mqtt_port: broker.port,
        web_port: 0,
        web_token: String::new(),
        upstream_url: String::new(),
        upstream_token: String::new(),
        more: String::new(),
    };
    let daemon = Daemon::start(Command::new(CARRYOUT), &household, &[]).expect("starting the daemon");
    let health = hears_everything(&household).await;
    assert_eq!(health["state"], "up", "{health}");
    assert_eq!(health["reasons"], serde_json::json!([]), "{health}");
    tokio::task::spawn_blocking(move || daemon.stop(Duration::from_secs(10))).await.unwrap().expect("it stops");

    // A second time only with --force, and then nothing is lost.
    let again = carryout(&words).await;
    assert!(!again.status.success() && said(&again).contains("--force"), "{}", said(&again));
    let forced = carryout(&[words.as_slice(), &["--force", "--currency", "CHF", "--listen", "2s"]].concat()).await;
    assert!(forced.status.success() && said(&forced).contains("what was there is now"), "{}", said(&forced));
    let before = fs::read_to_string(home.join("shop/shop.toml.bak")).expect("the first plan is kept");
    assert!(before.contains("\"EUR\""), "{before}");
    assert!(fs::read_to_string(home.join("shop/shop.toml")).unwrap().contains("\"CHF\""));
    assert_eq!(fs::read_to_string(home.join("secrets/web-token")).unwrap(), token, "staff's token stays");
    playing.abort();
}

/// The daemon's health once it has nothing to complain of; otherwise its last words.
async fn hears_everything(home: &Household) -> serde_json::Value {
    carryout::sync::install_tls_provider();
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let (since, mut last) = (Instant::now(), serde_json::Value::Null);
    while since.elapsed() < PATIENCE {
        let log = fs::read_to_string(home.log()).unwrap_or_default();
        let page = log.split("page=").nth(1).and_then(|rest| rest.split_whitespace().next());
        if let Some(page) = page.map(|page| page.trim_matches('"'))
            && let Ok(answer) = http.get(format!("{page}api/v1/health")).send().await
        {
            last = answer.json().await.unwrap_or_default();
            if last["state"] == "up" && last["reasons"].as_array().is_some_and(Vec::is_empty) {
                return last;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the shop is not well: {last}\n{}", last_words(&home.log()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_in_the_way_is_named_and_nothing_is_written() {
    let Some((dir, broker)) = broker() else { return };
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let locked = Guarded::start("till", "right");
    fs::write(dir.path().join("a-file"), "").unwrap();
    fs::write(dir.path().join("wrong"), "wrong\n").unwrap();
    let wrong = dir.path().join("wrong");
    let (open, gone, locked) =
        (format!("127.0.0.1:{}", broker.port), gone.to_string(), format!("127.0.0.1:{}", locked.port()));
    for (what, dir_name, words, says) in [
        ("no broker", "a", vec!["--broker", gone.as_str()], "no broker answers at 127.0.0.1:"),
        ("nobody may come in", "b", vec!["--broker", &locked], "refuses a client without user and password"),
        (
            "a wrong password",
            "c",
            vec!["--broker", &locked, "--user", "till", "--password-file", text(&wrong)],
            "refuses user `till`; give --user and --password-file",
        ),
        ("no device", "d", vec!["--broker", &open, "--listen", "1s"], "nothing was heard at 127.0.0.1:"),
        ("no folder", "a-file/sub", vec!["--broker", &open], "choose another --dir, or use sudo"),
        ("no address", "e", vec!["--broker", "broker:mqtt"], "--broker \"broker:mqtt\": `mqtt` is no port"),
    ] {
        let home = dir.path().join(dir_name);
        let output =
            carryout(&[["init", "--yes", "--no-discovery", "--dir", text(&home)].as_slice(), &words].concat()).await;
        let told = said(&output);
        assert!(!output.status.success(), "{what}: {told}");
        assert!(told.contains(says), "{what}: wanted `{says}`\n{told}");
        assert!(fs::read_dir(&home).map_or(true, |files| files.count() == 0), "{what}: something was written");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_shops_one_is_named_and_a_silent_shelf_gets_its_plates() {
    let Some((dir, broker)) = broker() else { return };
    // Left at the broker by shelves that said who they are and weigh nothing just now; one by a stranger.
    let (client, mut events) =
        rumqttc::AsyncClient::new(rumqttc::MqttOptions::new("left", "127.0.0.1", broker.port), 16);
    let left =
        [("north", "1-1", "online"), ("north", "1-2", "offline"), ("south", "9", "online"), ("south", "8", "on fire")];
    for (shop, shelf, status) in left {
        let topic = format!("carryout/v1/{shop}/shelf/{shelf}/status");
        client.publish(topic, rumqttc::QoS::AtLeastOnce, true, status).await.unwrap();
    }
    let mut kept = 0;
    while kept < left.len() {
        if let rumqttc::Event::Incoming(rumqttc::Packet::PubAck(_)) = events.poll().await.expect("the broker") {
            kept += 1;
        }
    }
    let address = format!("127.0.0.1:{}", broker.port);
    let init = async |name: &str, more: &[&str]| {
        let home = dir.path().join(name);
        let words = ["init", "--yes", "--no-discovery", "--listen", "1s", "--broker", &address, "--dir", text(&home)];
        (carryout(&[&words, more].concat()).await, home)
    };
    let (output, _) = init("a", &[]).await;
    let told = said(&output);
    assert!(!output.status.success() && told.contains("(heard: north, south)"), "{told}");
    assert!(told.contains("say it with --shop-id"), "{told}");
    let (output, _) = init("b", &["--shop-id", "east"]).await;
    assert!(said(&output).contains("no device speaks for shop `east`; heard were: north, south"), "{}", said(&output));

    let (output, home) = init("c", &["--shop-id", "north", "--plates", "8"]).await;
    let told = said(&output);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("shelf 1-1: says it is online, and sends no weights"), "{told}");
    assert!(told.contains("there is a gate `gate-1`, although none was heard"), "{told}");
    let (shop, _) = Shop::read(home.join("shop")).unwrap();
    let plates: Vec<usize> = shop.layout.shelves.values().map(|shelf| shelf.plates.len()).collect();
    assert_eq!(plates, [8, 8]);

    // What is not understood is named and costs nothing.
    let (output, _) = init("d", &["--shop-id", "south"]).await;
    let told = said(&output);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("not understood: 1 x shelf_status.malformed, for instance: shelf `8`"), "{told}");
    assert!(told.contains("plates of shelf 9: 12 (--plates)"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_technician_answers_questions_at_a_terminal() {
    let Some(locked) = Guarded::start("till", "s3cret") else { return };
    let devices = locked.shelves(&["1-1", "1-2"]).await;
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("etc");
    let address = format!("127.0.0.1:{}", locked.port);
    let words = ["init", "--no-discovery", "--dir", text(&home), "--listen", "60s", "--page", "127.0.0.1:0"];
    let told = tokio::task::spawn_blocking({
        let words = words.map(str::to_owned);
        move || {
            let mut terminal = Terminal::run(&words);
            terminal.answer("Message broker, HOST:PORT [127.0.0.1:1883]: ", "nowhere:port");
            terminal.answer("That does not do: `port` is no port", &address);
            // A slip in the password is asked for again.
            terminal.answer("User: ", "till");
            terminal.answer("Password (not shown): ", "wrong");
            terminal.answer("User: ", "till");
            terminal.answer("Password (not shown): ", "s3cret");
            // Enough was heard.
            terminal.answer("2 shelves, 6 plates", "");
            terminal.answer("Name of the shop [corner]: ", "Corner shop");
            terminal.answer("Currency [EUR]: ", "euros");
            terminal.answer("That does not do: a currency is three letters", "");
            terminal.answer("Time zone [", "Europe/Berlin");
            terminal.answer("Tax classes", "standard=19");
            terminal.answer("the door below [5 x 4]: ", "1 x 1");
            terminal.answer("That does not do: a door 1.2 m wide", "4.5 x 4");
            terminal.answer("a placeholder a plate): ", "");
            terminal.answer("(none: offline): ", "");
            terminal.answer("Write all this into ", "yes");
            terminal.ends()
        }
    })
    .await
    .expect("the interview");
    assert!(told.contains("ready to open") || told.contains("all is well"), "{told}");
    assert!(!told.contains("s3cret") && !told.contains("wrong"), "a password was shown:\n{told}");
    let password = home.join("secrets/mqtt-password");
    assert_eq!(fs::read_to_string(&password).unwrap(), "s3cret\n");
    assert_eq!(mode(password), 0o600);
    let config = fs::read_to_string(home.join("carryout.toml")).unwrap();
    assert!(config.contains("user = \"till\"") && !config.contains("s3cret"), "{config}");
    let (shop, _) = Shop::read(home.join("shop")).unwrap();
    assert_eq!((shop.name.as_str(), shop.layout.shelves.len()), ("Corner shop", 2));
    assert_eq!(shop.layout.outline[2], carryout::base::Point2::new(4.5, 4.0));
    devices.abort();
}

/// A broker that wants a user and a password.
pub struct Guarded {
    child: std::process::Child,
    pub port: u16,
    user: String,
    password: String,
    _dir: tempfile::TempDir,
}

impl Guarded {
    /// `None` where mosquitto is not installed.
    pub fn start(user: &str, password: &str) -> Option<Guarded> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let places: Vec<PathBuf> =
            std::env::split_paths(&path).chain(["/usr/sbin", "/usr/bin"].map(PathBuf::from)).collect();
        let find = |name: &str| places.iter().map(|place| place.join(name)).find(|file| file.is_file());
        let (broker, keeper) = (find("mosquitto")?, find("mosquitto_passwd")?);
        let dir = tempfile::tempdir().unwrap();
        let passwords = dir.path().join("passwords");
        let made = Command::new(keeper).args(["-b", "-c"]).arg(&passwords).args([user, password]).status();
        assert!(made.expect("mosquitto_passwd").success());
        // Started as root, mosquitto gives its rights away before it reads the file.
        for (path, mode) in [(dir.path(), 0o755), (&passwords, 0o644)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        for _ in 0..5 {
            let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let config = dir.path().join("mosquitto.conf");
            let lines = format!(
                "listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {}\npersistence false\n",
                passwords.display()
            );
            fs::write(&config, lines).unwrap();
            let mut child =
                Command::new(&broker).arg("-c").arg(&config).stderr(Stdio::null()).spawn().expect("mosquitto");
            let since = Instant::now();
            while since.elapsed() < PATIENCE && child.try_wait().unwrap().is_none() {
                if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    let (user, password) = (user.to_owned(), password.to_owned());
                    return Some(Guarded { child, port, user, password, _dir: dir });
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        panic!("mosquitto does not start");
    }

    /// Shelves of shop `corner` with three plates each, five batches a second.
    pub async fn shelves(&self, ids: &'static [&'static str]) -> JoinHandle<()> {
        let mut options = rumqttc::MqttOptions::new("devices", "127.0.0.1", self.port);
        options.set_credentials(&self.user, &self.password);
        let (client, mut events) = rumqttc::AsyncClient::new(options, 64);
        tokio::spawn(async move {
            let mut every = tokio::time::interval(Duration::from_millis(200));
            let mut seq = 0;
            loop {
                tokio::select! {
                    event = events.poll() => if event.is_err() { return },
                    _ = every.tick() => {
                        seq += 1;
                        let t0_us = crate::shop::now().0 - 200_000;
                        let payload = format!(
                            r#"{{"boot":"b","seq":{seq},"t0_us":{t0_us},"dt_us":100000,"plates":{{"1":[500.1,500.2],"2":[0.4,0.3],"3":[20.0,20.1]}}}}"#
                        );
                        for id in ids {
                            let topic = format!("carryout/v1/corner/shelf/{id}/weights");
                            let _ = client.try_publish(topic, rumqttc::QoS::AtMostOnce, false, payload.clone());
                        }
                    }
                }
            }
        })
    }
}

/// So that a table may hold one that is not there.
trait Port {
    fn port(&self) -> u16;
}

impl Port for Option<Guarded> {
    fn port(&self) -> u16 {
        self.as_ref().map_or(1, |broker| broker.port)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program at a terminal of its own: what it prints, and keys pressed when it asks.
pub struct Terminal {
    child: std::process::Child,
    keys: fs::File,
    shown: std::sync::mpsc::Receiver<String>,
    /// All that was shown, and from where on the next question is looked for.
    screen: String,
    read: usize,
}

impl Terminal {
    pub fn run(words: &[String]) -> Terminal {
        use std::io::Read;
        use std::os::fd::{FromRawFd, OwnedFd};
        let (mut ours, mut theirs) = (0, 0);
        let none = std::ptr::null_mut;
        // SAFETY: openpty writes two descriptors into integers of ours; the other parameters may be null.
        let opened = unsafe { libc::openpty(&mut ours, &mut theirs, none(), std::ptr::null(), std::ptr::null()) };
        assert_eq!(opened, 0, "a pseudo-terminal");
        // SAFETY: both were just opened and belong to nobody else.
        let (ours, theirs) = unsafe { (fs::File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) };
        let copy = || Stdio::from(theirs.try_clone().unwrap());
        let child = Command::new(CARRYOUT)
            .args(words)
            .stdin(copy())
            .stdout(copy())
            .stderr(copy())
            .spawn()
            .expect("carryout at a terminal");
        drop(theirs);
        let (tell, shown) = std::sync::mpsc::channel();
        let mut screen = ours.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = screen.read(&mut bytes) {
                if tell.send(String::from_utf8_lossy(&bytes[..n]).into_owned()).is_err() {
                    return;
                }
            }
        });
        Terminal { child, keys: ours, shown, screen: String::new(), read: 0 }
    }

    /// Waits until `question` is shown, then types.
    pub fn answer(&mut self, question: &str, keys: &str) {
        use std::io::Write;
        let since = Instant::now();
        loop {
            if let Some(at) = self.screen[self.read..].find(question) {
                self.read += at + question.len();
                break;
            }
            let left = PATIENCE.saturating_sub(since.elapsed());
            match self.shown.recv_timeout(left) {
                Ok(more) => self.screen += &more,
                Err(_) => panic!("`{question}` was not asked:\n{}", self.screen),
            }
        }
        self.keys.write_all(format!("{keys}\n").as_bytes()).expect("typing");
    }

    /// Everything shown, once the program has ended well.
    pub fn ends(mut self) -> String {
        while let Ok(more) = self.shown.recv_timeout(PATIENCE) {
            self.screen += &more;
        }
        let status = self.child.wait().expect("its end");
        assert!(status.success(), "{}", self.screen);
        std::mem::take(&mut self.screen)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
