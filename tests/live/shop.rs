//! A tiny shop in real time around a real daemon: broker, upstream, people and plates, a service manager's ears.
//!
//! Nothing here waits for a time to pass; everything waits for something to be so ([`LiveShop::until`]), and what does not
//! become so within [`PATIENCE`] fails with the daemon's last words. Dropped, everything stops.

use crate::mosquitto::Mosquitto;
use crate::world::{self, STEP_US, World};
use carryout::base::{GateId, ShopTime};
use carryout::events::{Observation, Weights};
use carryout::sim::daemon::{Daemon, Household, last_words};
use carryout::sim::upstream::{Upstream, UpstreamOptions};
use carryout::sim::wire::on_the_wire;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::{Command, ExitStatus, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::net::UnixDatagram;
use tokio::task::JoinSet;

/// Long enough for a busy machine; what waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// An ordered stop takes a second at most; a busy machine may need more.
const STOPS: Duration = Duration::from_secs(8);
/// What is waited for is looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub const BASE: &str = "carryout/v1/stage/";
pub const TOKEN: &str = "a-token-for-live-tests-only";
const CARRYOUT: &str = env!("CARGO_BIN_EXE_carryout");

/// Shelf `a` is an ESPHome with a topic a plate, shelf `b` a Tasmota with all plates in one object; 5 Hz.
const PLAIN_SCALES: &str = r#"
[[mqtt.scales]]
topic = "esphome/{shelf}/plate-{plate}/state"
unit = "g"
interval_ms = 200
availability = "esphome/{shelf}/status"
[[mqtt.scales]]
topic = "tele/shelf-b/SENSOR"
shelf = "b"
plate = 1
unit = "kg"
value = "/Plate1/Weight"
interval_ms = 200
[[mqtt.scales]]
topic = "tele/shelf-b/SENSOR"
shelf = "b"
plate = 3
unit = "kg"
value = "/Plate3/Weight"
interval_ms = 200
[[mqtt.scales]]
topic = "tele/shelf-b/SENSOR"
shelf = "b"
plate = 4
unit = "kg"
value = "/Plate4/Weight"
interval_ms = 200
"#;

/// One message of the daemon: topic below the base, payload.
pub type Message = (String, Value);

pub struct LiveShop {
    pub upstream: Upstream,
    pub home: Household,
    pub broker: Mosquitto,
    daemon: Option<Daemon>,
    /// `CARRYOUT_LOG` of the daemons to come.
    pub log_level: &'static str,
    /// `http://127.0.0.1:port` of the daemon that runs now.
    page: String,
    world: Arc<Mutex<World>>,
    /// Shelves publish plain numbers, as ESPHome and Tasmota do.
    plain: Arc<AtomicBool>,
    /// Who has tapped: the visit it opened.
    pub visits: BTreeMap<String, String>,
    /// Every tap made, by its id.
    taps: Mutex<BTreeMap<String, Observation>>,
    devices: AsyncClient,
    heard: Arc<Mutex<Vec<Message>>>,
    /// What the daemon told its service manager.
    pub told_manager: Arc<Mutex<Vec<String>>>,
    http: reqwest::Client,
    /// Everything the daemon ever answered over HTTP.
    pub answers: Mutex<Vec<u8>>,
    _tasks: JoinSet<()>,
    // Last: everybody above writes into it.
    dir: tempfile::TempDir,
}

impl LiveShop {
    /// Shop, broker, upstream, devices; the daemon comes with [`LiveShop::start`]. `None`: no mosquitto.
    pub async fn build() -> Option<LiveShop> {
        LiveShop::build_around(Mosquitto::start()?).await
    }

    /// The same around a broker with settings of its own; devices speak to its first listener.
    pub async fn build_around(broker: Mosquitto) -> Option<LiveShop> {
        carryout::sync::install_tls_provider();
        let upstream_token = "upstream-token-for-live-tests".to_owned();
        let options = UpstreamOptions { token: Some(upstream_token.clone()), ..UpstreamOptions::default() };
        let upstream = Upstream::start(options).expect("the reference upstream");
        let dir = tempfile::tempdir().expect("a temporary directory");
        let home = Household {
            dir: dir.path().to_owned(),
            mqtt_port: broker.port,
            web_port: 0,
            web_token: TOKEN.to_owned(),
            upstream_url: upstream.url(),
            upstream_token,
            more: String::new(),
        };
        let shop = Arc::new(world::shop());
        home.furnish(&shop, "a test").expect("writing config and shop files");
        let mut world = World::new(shop, now());
        world.beams = true;
        world.pace_m = 0.2; // briskly: a second in here is a second
        let world = Arc::new(Mutex::new(world));

        let mut tasks = JoinSet::new();
        let manager = UnixDatagram::bind(dir.path().join("manager")).expect("a service manager's socket");
        let told_manager = Arc::<Mutex<Vec<String>>>::default();
        tasks.spawn(listen(manager, told_manager.clone()));
        let heard = Arc::<Mutex<Vec<Message>>>::default();
        tasks.spawn(hear(broker.port, heard.clone()));
        let (devices, mut eventloop) = AsyncClient::new(client("devices", broker.port), 256);
        eventloop.network_options.set_tcp_nodelay(true);
        let connected = Arc::<AtomicBool>::default();
        tasks.spawn({
            let connected = connected.clone();
            async move {
                loop {
                    match eventloop.poll().await {
                        Ok(Event::Incoming(Packet::ConnAck(_))) => connected.store(true, Ordering::Release),
                        Ok(_) => {}
                        Err(_) => {
                            connected.store(false, Ordering::Release);
                            tokio::time::sleep(LOOK_EVERY).await;
                        }
                    }
                }
            }
        });
        let plain = Arc::<AtomicBool>::default();
        tasks.spawn(play(world.clone(), devices.clone(), connected, plain.clone()));
        let http =
            reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(PATIENCE).build().expect("an HTTP client");
        Some(LiveShop {
            upstream,
            home,
            broker,
            daemon: None,
            log_level: "debug",
            page: String::new(),
            world,
            plain,
            visits: BTreeMap::new(),
            taps: Mutex::default(),
            devices,
            heard,
            told_manager,
            http,
            answers: Mutex::default(),
            _tasks: tasks,
            dir,
        })
    }

    /// A shop whose daemon runs and knows its shelves, its gate's clock and its camera.
    pub async fn open() -> Option<LiveShop> {
        let mut shop = LiveShop::build().await?;
        shop.start(&[]).await;
        Some(shop)
    }

    /// Starts the daemon and waits until it is open for business: every device has been heard.
    pub async fn start(&mut self, more: &[&str]) {
        self.start_as(Command::new(CARRYOUT), more).await;
    }

    /// The same of a command of one's own that ends in `carryout`.
    pub async fn start_as(&mut self, command: Command, more: &[&str]) {
        let said = self.heard.lock().unwrap().len();
        self.launch(command, more).await;
        self.until("the daemon speaks on its status topic", async |shop| {
            let heard = shop.heard.lock().unwrap();
            let alive = |(topic, status): &&Message| topic == "status" && status["state"] != "offline";
            heard[said..].iter().find(alive).map(drop)
        })
        .await;
        self.every_device_is_heard().await;
    }

    async fn every_device_is_heard(&self) {
        self.until("every device has been heard", async |shop| {
            let metrics = shop.text("/metrics").await;
            let counted = |name: &str| metrics.contains(&format!("carryout_events_total{{name=\"{name}\"}}"));
            let level = |shelf: &str| metrics.contains(&format!("carryout_shelf_level_grams{{shelf=\"{shelf}\"}}"));
            let weighed = counted("weights.received") || counted("scale.received");
            let heard = counted("people.received") && weighed && counted("gate_status.received");
            (heard && level("a") && level("b")).then_some(())
        })
        .await;
    }

    /// Scales from here on publish plain numbers, and the daemons to come are told how to read them, and speak MQTT 5.
    pub fn plain_scales(&mut self) {
        let mut config = std::fs::read_to_string(self.home.config()).expect("the daemon's config");
        config = config.replace("[mqtt]\n", "[mqtt]\nversion = \"5\"\n") + PLAIN_SCALES;
        std::fs::write(self.home.config(), config).expect("writing the daemon's config");
        self.plain.store(true, Ordering::Release);
    }

    /// Starts the daemon and waits only until it says `READY=1`: for what must be answered at once.
    pub async fn start_at_once(&mut self) {
        self.launch(Command::new(CARRYOUT), &[]).await;
    }

    pub async fn launch(&mut self, command: Command, more: &[&str]) {
        self.set_off(command, more);
        self.is_ready().await;
    }

    /// Starts the daemon and waits for nothing.
    pub fn set_off(&mut self, mut command: Command, more: &[&str]) {
        assert!(self.daemon.is_none(), "one daemon at a time");
        self.told_manager.lock().unwrap().clear();
        command.env("NOTIFY_SOCKET", self.dir.path().join("manager")).env("CARRYOUT_LOG", self.log_level);
        self.daemon = Some(Daemon::start(command, &self.home, more).expect("starting the daemon"));
    }

    /// Starts the daemon, which is going to end by itself; how it did.
    pub async fn ends_by_itself(&mut self) -> ExitStatus {
        self.set_off(Command::new(CARRYOUT), &[]);
        self.has_ended().await
    }

    /// How the daemon ended by itself; that it does not is a failure.
    pub async fn has_ended(&mut self) -> ExitStatus {
        let since = Instant::now();
        loop {
            let daemon = self.daemon.as_mut().expect("a daemon");
            if let Some(status) = daemon.ended().expect("asking after the daemon") {
                self.daemon = None;
                return status;
            }
            assert!(since.elapsed() < PATIENCE, "it goes on and on; {}", last_words(&self.home.log()));
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until the daemon says `READY=1`.
    pub async fn is_ready(&mut self) {
        self.page = self
            .until("the daemon is ready", async |shop| {
                let told = shop.told_manager.lock().unwrap();
                let ready = told.iter().find(|state| state.contains("READY=1"))?;
                let (_, rest) = ready.split_once("page on ").expect("its status names the page");
                Some(rest.lines().next().unwrap_or_default().trim_end_matches('/').to_owned())
            })
            .await;
    }

    /// SIGHUP, as `systemctl reload` sends it.
    pub fn hang_up(&mut self) {
        let pid = self.pid().expect("a daemon") as libc::pid_t;
        // SAFETY: a plain system call; the child is ours and alive, so its id is not another's.
        assert_eq!(unsafe { libc::kill(pid, libc::SIGHUP) }, 0);
    }

    /// The same, and the daemon has opened anew.
    pub async fn reload(&mut self) {
        let ready = |told: &Vec<String>| told.iter().filter(|state| state.contains("READY=1")).count();
        let before = ready(&self.told_manager.lock().unwrap());
        self.hang_up();
        self.until("the daemon is ready again", async |shop| {
            (ready(&shop.told_manager.lock().unwrap()) > before).then_some(())
        })
        .await;
        self.every_device_is_heard().await;
    }

    /// The daemon's process, as long as it lives.
    pub fn pid(&mut self) -> Option<u32> {
        let daemon = self.daemon.as_mut()?;
        daemon.ended().expect("asking after the daemon").is_none().then(|| daemon.pid())
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.daemon.take().expect("a daemon to kill").kill();
    }

    /// SIGTERM, and how it ended; later than a few seconds is a failure.
    pub async fn stop(&mut self) -> ExitStatus {
        let daemon = self.daemon.take().expect("a daemon to stop");
        let stopped = tokio::task::spawn_blocking(move || daemon.stop(STOPS)).await.expect("waiting for it");
        stopped.unwrap_or_else(|error| panic!("{error}; {}", last_words(&self.home.log())))
    }

    /// `carryout` with other words than `run`.
    pub async fn carryout(&self, words: &[&str]) -> Output {
        let mut command = tokio::process::Command::new(CARRYOUT);
        command.args(words).kill_on_drop(true);
        command.output().await.expect("running carryout")
    }

    /// The auditor finds nothing.
    pub async fn verify(&self) {
        let state = self.home.state();
        let output = self.carryout(&["verify", "--state", state.to_str().expect("a plain path")]).await;
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && told.contains("everything adds up"), "{told}");
    }

    /// Waits until `probe` finds what it looks for.
    pub async fn until<T>(&self, what: &str, probe: impl AsyncFn(&LiveShop) -> Option<T>) -> T {
        let since = Instant::now();
        loop {
            if let Some(found) = probe(self).await {
                return found;
            }
            if since.elapsed() > PATIENCE {
                let heard = self.heard.lock().unwrap();
                let last: Vec<String> = heard.iter().rev().take(12).map(|(t, m)| format!("{t} {m:.400}")).collect();
                let log = last_words(&self.home.log());
                panic!("not within {} s: {what}\nheard last: {last:#?}\n{log}", PATIENCE.as_secs());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    // --- People ---

    /// Somebody does something, as in the stories of `Stage`; devices say so at once.
    pub async fn act(&self, who: &str, what: &[&str]) {
        let said = self.world.lock().unwrap().act(who, what);
        for observation in said {
            self.say(&observation).await;
        }
    }

    /// A device says something.
    pub async fn say(&self, observation: &Observation) {
        let message = on_the_wire(observation).expect("a device message");
        if let Observation::Tap(tap) = observation {
            self.taps.lock().unwrap().insert(tap.tap_id.to_string(), observation.clone());
        }
        self.publish(&message.topic_suffix, message.payload).await;
    }

    /// A reader that has heard no answer says the same once more.
    pub async fn tap_again(&self, tap_id: &str) {
        let tap = self.taps.lock().unwrap()[tap_id].clone();
        self.say(&tap).await;
    }

    /// QoS 1, under the shop's base.
    pub async fn publish(&self, below: &str, payload: impl Into<Vec<u8>>) {
        self.devices.publish(format!("{BASE}{below}"), QoS::AtLeastOnce, false, payload).await.expect("publishing");
    }

    /// As a device that has not read docs/wire.md.
    pub async fn publish_retained(&self, below: &str, payload: impl Into<Vec<u8>>) {
        self.devices.publish(format!("{BASE}{below}"), QoS::AtLeastOnce, true, payload).await.expect("publishing");
    }

    pub fn now_us(&self) -> i64 {
        self.world.lock().unwrap().now.0
    }

    /// Shop time passes, and everything in the shop goes its way.
    pub async fn seconds_pass(&self, seconds: f64) {
        let until_us = self.now_us() + (seconds * 1e6) as i64;
        self.until("time passes", async |shop| (shop.now_us() >= until_us).then_some(())).await;
    }

    /// The daemon's answer to a tap.
    pub async fn decision(&self, tap_id: &str) -> Value {
        let what = format!("a decision on {tap_id}");
        self.until(&what, async |shop| shop.decisions(tap_id).into_iter().next()).await
    }

    pub fn decisions(&self, tap_id: &str) -> Vec<Value> {
        let heard = self.heard.lock().unwrap();
        let about = |(topic, decision): &&Message| topic.ends_with("/decision") && decision["tap_id"] == tap_id;
        heard.iter().filter(about).map(|(_, decision)| decision.clone()).collect()
    }

    /// Taps, waits for the gate, walks in, and is seen to be in.
    pub async fn comes_in(&mut self, who: &str) {
        let said = self.world.lock().unwrap().act(who, &["taps", "in"]);
        let tap_id = said.iter().find_map(|observation| match observation {
            Observation::Tap(tap) => Some(tap.tap_id.to_string()),
            _ => None,
        });
        for observation in said {
            self.say(&observation).await;
        }
        let decision = self.decision(&tap_id.expect("a tap was made")).await;
        assert_eq!((&decision["open"], &decision["reason"]), (&json!(true), &json!("ok")), "{who}: {decision}");
        let visit = decision["visit_id"].as_str().expect("a visit was opened").to_owned();
        self.visits.insert(who.to_owned(), visit.clone());
        self.walks_in(who).await;
    }

    /// Through the open gate, into the visit of `who`.
    pub async fn walks_in(&self, who: &str) {
        self.act(who, &["enters"]).await;
        self.until(&format!("{who} is in"), async |shop| {
            let visit = shop.open_visit(who).await?;
            let inside = visit["bodies"].as_array().is_some_and(|bodies| !bodies.is_empty());
            (inside && shop.world.lock().unwrap().humans[who].at.x > 1.6).then_some(())
        })
        .await;
    }

    pub async fn open_visit(&self, who: &str) -> Option<Value> {
        let visits = self.get("/api/v1/visits?open").await.1;
        let mine = |visit: &&Value| visit["visit_id"].as_str() == self.visits.get(who).map(String::as_str);
        visits["visits"].as_array()?.iter().find(mine).cloned()
    }

    /// Whatever `who` was walking to is reached.
    pub async fn stands(&self, who: &str) {
        self.until(&format!("{who} arrives"), async |shop| {
            shop.world.lock().unwrap().humans[who].arrived().then_some(())
        })
        .await;
    }

    /// Takes one and sees it settled in the cart.
    pub async fn takes(&self, who: &str, product: &str) {
        self.act(who, &["takes", product]).await;
        self.until(&format!("{product} is in {who}'s cart"), async |shop| {
            let visit = shop.open_visit(who).await?;
            let settled = |line: &Value| line["product"] == product && line["draft"] == false;
            visit["lines"].as_array()?.iter().any(settled).then_some(())
        })
        .await;
    }

    /// Walks out, and their visit closes.
    pub async fn leaves(&self, who: &str) {
        self.act(who, &["leaves"]).await;
        self.is_out(who).await;
    }

    pub async fn is_out(&self, who: &str) {
        let visit = &self.visits[who];
        self.until(&format!("{who}'s visit closes"), async |shop| {
            shop.event("visit.closed", visit)?;
            shop.world.lock().unwrap().humans[who].arrived().then_some(())
        })
        .await;
        self.act(who, &["is", "away"]).await;
    }

    /// An event about a visit, as heard on the broker: its data.
    pub fn event(&self, kind: &str, visit: &str) -> Option<Value> {
        let heard = self.heard.lock().unwrap();
        let about = |(topic, event): &&Message| topic == "events" && event["type"] == kind && event["subject"] == visit;
        heard.iter().rev().find(about).map(|(_, event)| event["data"].clone())
    }

    /// Everything the daemon said on the broker, as one text.
    pub fn everything_heard(&self) -> String {
        format!("{:?}", self.heard.lock().unwrap())
    }

    /// The receipt of somebody who has left.
    pub async fn receipt(&self, who: &str) -> Value {
        let visit = &self.visits[who];
        self.until(&format!("a receipt of {who}"), async |shop| {
            let receipts = shop.get("/api/v1/receipts").await.1;
            receipts["receipts"].as_array()?.iter().find(|receipt| receipt["visit_id"] == *visit).cloned()
        })
        .await
    }

    /// Waits until upstream's records are as wanted.
    pub async fn upstream_has(&self, what: &str, wanted: impl Fn(&carryout::sim::upstream::Records) -> bool) {
        if let Err(records) = self.upstream.until(PATIENCE, wanted).await {
            panic!("upstream: not within {} s: {what}\n{records:#?}", PATIENCE.as_secs());
        }
    }

    // --- HTTP ---

    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.call(self.http.get(format!("{}{path}", self.page))).await
    }

    pub async fn post(&self, path: &str, body: impl Into<Vec<u8>>) -> (u16, Value) {
        let request = self.http.post(format!("{}{path}", self.page));
        self.call(request.header("content-type", "application/json").body(body.into())).await
    }

    /// What a page sees first of the live stream.
    pub async fn stream(&self) -> String {
        let request = self.http.get(format!("{}/api/v1/stream", self.page)).bearer_auth(TOKEN);
        let mut response = request.send().await.expect("the live stream");
        let mut text = String::new();
        while !text.contains("\n\n") {
            let chunk = response.chunk().await.expect("a piece of the stream").expect("it goes on");
            self.answers.lock().unwrap().extend(&chunk);
            text += &String::from_utf8_lossy(&chunk);
        }
        text
    }

    /// Logs in as the page does: the session's cookie.
    pub async fn log_in(&self) -> String {
        let request = self.http.post(format!("{}/api/v1/session", self.page)).json(&json!({ "token": TOKEN }));
        let answer = request.send().await.expect("an answer");
        let cookie = answer.headers()["set-cookie"].to_str().expect("plain text");
        cookie.split(';').next().expect("a pair").to_owned()
    }

    pub async fn is_logged_in(&self, cookie: &str) -> bool {
        let request = self.http.get(format!("{}/api/v1/visits", self.page)).header("cookie", cookie);
        self.answer(request).await.0 == 200
    }

    async fn call(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let (status, bytes) = self.answer(request.bearer_auth(TOKEN)).await;
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// A page anybody may look at; empty while nothing answers.
    pub async fn text(&self, path: &str) -> String {
        let (_, bytes) = self.answer(self.http.get(format!("{}{path}", self.page))).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> (u16, Vec<u8>) {
        let Ok(response) = request.send().await else { return (0, Vec::new()) };
        let status = response.status().as_u16();
        let bytes = response.bytes().await.map(|bytes| bytes.to_vec()).unwrap_or_default();
        self.answers.lock().unwrap().extend(&bytes);
        (status, bytes)
    }

    /// A counter of `/metrics`.
    pub async fn counter(&self, name: &str) -> u64 {
        let metrics = self.text("/metrics").await;
        let line = format!("carryout_events_total{{name=\"{name}\"}} ");
        metrics.lines().find_map(|text| text.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
    }

    /// Everything the daemons of this shop have logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.home.log()).expect("the daemon's log")).into_owned()
    }

    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().expect("a plain path").to_owned()
    }
}

pub fn now() -> ShopTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    ShopTime(since.as_micros() as i64)
}

fn client(name: &str, port: u16) -> MqttOptions {
    let mut options = MqttOptions::new(name, "127.0.0.1", port);
    options.set_max_packet_size(32 << 20, 32 << 20);
    options
}

/// Devices speak: ten looks and five batches a second, the gate's clock twice a second. Measurements made while the
/// broker is away are lost; taps and passages wait.
async fn play(world: Arc<Mutex<World>>, devices: AsyncClient, connected: Arc<AtomicBool>, plain: Arc<AtomicBool>) {
    let mut steps = 0_u64;
    loop {
        let (due_us, said) = {
            let mut world = world.lock().unwrap();
            let due_us = world.now.0 + STEP_US - now().0;
            (due_us, if due_us <= 0 { world.step() } else { Vec::new() })
        };
        if due_us > 0 {
            tokio::time::sleep(Duration::from_micros(due_us as u64)).await;
            continue;
        }
        steps += 1;
        let clock = Observation::GateClock { gate: GateId::new("gate-1"), t_us: world.lock().unwrap().now.0 };
        for observation in said.iter().chain(steps.is_multiple_of(5).then_some(&clock)) {
            if let (Observation::Weights(weights), true) = (observation, plain.load(Ordering::Acquire)) {
                if connected.load(Ordering::Acquire) {
                    for (topic, payload) in plain_numbers(weights) {
                        let _ = devices.try_publish(topic, QoS::AtMostOnce, false, payload);
                    }
                }
                continue;
            }
            let message = on_the_wire(observation).expect("a device message");
            let topic = format!("{BASE}{}", message.topic_suffix);
            if message.qos == 1 {
                let _ = devices.publish(topic, QoS::AtLeastOnce, false, message.payload).await;
            } else if connected.load(Ordering::Acquire) {
                let _ = devices.try_publish(topic, QoS::AtMostOnce, false, message.payload);
            }
        }
    }
}

/// A batch as the last reading of each plate, one topic a plate or all in one object.
fn plain_numbers(weights: &Weights) -> Vec<(String, String)> {
    let last = weights.plates.iter().filter_map(|row| Some((row.plate, row.grams.iter().rev().flatten().next()?)));
    if weights.shelf.as_str() == "a" {
        return last.map(|(plate, grams)| (format!("esphome/a/plate-{plate}/state"), format!("{grams:.1}"))).collect();
    }
    let plates = last.map(|(plate, grams)| (format!("Plate{plate}"), json!({ "Weight": f64::from(*grams) / 1e3 })));
    vec![("tele/shelf-b/SENSOR".to_owned(), Value::Object(plates.collect()).to_string())]
}

/// Keeps everything the daemon says on the broker.
async fn hear(port: u16, heard: Arc<Mutex<Vec<Message>>>) {
    let (ears, mut eventloop) = AsyncClient::new(client("ears", port), 16);
    loop {
        match eventloop.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                for below in ["gate/+/decision", "visit/+/cart", "events", "status"] {
                    let _ = ears.try_subscribe(format!("{BASE}{below}"), QoS::AtLeastOnce);
                }
            }
            Ok(Event::Incoming(Packet::Publish(message))) => {
                let below = message.topic.strip_prefix(BASE).unwrap_or_default().to_owned();
                let payload = serde_json::from_slice(&message.payload).expect("the daemon speaks JSON");
                heard.lock().unwrap().push((below, payload));
            }
            Ok(_) => {}
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// Keeps what the daemon tells its service manager.
async fn listen(manager: UnixDatagram, told: Arc<Mutex<Vec<String>>>) {
    let mut bytes = vec![0; 4096];
    while let Ok(n) = manager.recv(&mut bytes).await {
        told.lock().unwrap().push(String::from_utf8_lossy(&bytes[..n]).into_owned());
    }
}
