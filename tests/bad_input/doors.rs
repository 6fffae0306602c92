//! The ways in: each hands a payload to the code that meets it in the daemon and says what came of it.
//!
//! Devices' messages go through the parsers (`tests/mqtt/input.rs` sends many of them over a real broker), requests to a
//! daemon's web side with a fake floor, files to the readers of files, upstream's answers from a socket of ours to the real
//! client. Everything runs on one thread, so that the log of a call is what was logged meanwhile.

use crate::answers::{self, Call, Effect, Way};
use crate::cells::Payload;
use crate::cells::files_of_a_shop;
use crate::daemon::{CHECKED_VISIT, CLOSED_VISIT, Daemon, TOKEN, VISIT, client, visit};
use crate::kinds::Kind;
use crate::small_shop::small_shop;
use carryout::base::{Cents, ChargeId, Counters, ReceiptId, ShopId, ShopTime, TapId};
use carryout::config::Config;
use carryout::events::{Answer, Credential};
use carryout::perception::manifest::Manifest;
use carryout::sensors::scales::Scales;
use carryout::sensors::topic::{self, Topic};
use carryout::shop::{Problem, Shop};
use carryout::sim::upstream::{Upstream, UpstreamOptions};
use carryout::sim::{Script, World};
use carryout::sync::{Client, SyncOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// When messages arrive, us: a moment in October 2025.
const ARRIVAL: ShopTime = ShopTime(1_760_000_000_000_000);

/// 25 hours, us.
const TOMORROW_US: i64 = 25 * 3_600_000_000;

const SCALES: &str = "[[mqtt.scales]]\ntopic = \"esphome/{shelf}/plate-{plate}/state\"\nunit = \"g\"\n";

/// `ok`, or what it is refused as, in which words, and what the log says of it.
#[derive(Debug)]
pub struct Came {
    pub name: String,
    pub detail: String,
    pub log: String,
}

pub struct Doors {
    shop: Arc<Shop>,
    world: Arc<World>,
    scales: Config,
    dir: tempfile::TempDir,
    log: Log,
    upstream: Upstream,
    _logging: tracing::subscriber::DefaultGuard,
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("the log").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn take(&self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut *self.0.lock().expect("the log"))).into_owned()
    }
}

impl Doors {
    pub fn open() -> Doors {
        let log = Log::default();
        let writer = log.clone();
        let logging = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo-shop");
        let (demo, _) = Shop::read(demo).expect("the demo shop is in order");
        Doors {
            shop: Arc::new(small_shop()),
            world: Arc::new(World::new(Arc::new(demo)).expect("the demo shop has a door")),
            scales: Config::parse("carryout.toml", SCALES).expect("scales"),
            dir: tempfile::tempdir().expect("a directory"),
            log,
            upstream: Upstream::start(UpstreamOptions::default()).expect("an upstream"),
            _logging: tracing::subscriber::set_default(logging),
        }
    }

    pub async fn hand_in(&self, kind: Kind, payload: &Payload) -> Came {
        self.log.take();
        let (name, detail) = match kind {
            Kind::TapHttp | Kind::Payer | Kind::Contest | Kind::Review | Kind::Refund => request(kind, payload).await,
            Kind::HoldAnswer => hold_answer(bytes(kind, payload, ARRIVAL)).await,
            Kind::ChargeAnswer => self.answer(Call::Charge, payload).await,
            Kind::LookUpAnswer => self.answer(Call::LookUp, payload).await,
            Kind::RefundAnswer => self.answer(Call::Refund, payload).await,
            Kind::EventsAnswer => self.answer(Call::Events, payload).await,
            Kind::PlainScale => self.scale(payload),
            kind if kind.is_file() => self.file(kind, payload),
            kind => self.message(kind, payload),
        };
        let log = self.log.take();
        // Who only counts and logs says it in the log.
        Came { name, detail: detail.unwrap_or_else(|| log.clone()), log }
    }

    /// 201 and these bytes, after upstream did what it was asked. What comes of it in the end is looked at too.
    async fn answer(&self, call: Call, payload: &Payload) -> (String, Option<String>) {
        let who = answers::customer();
        let ids = answers::Ids::of(&who);
        let mut payload = payload.clone();
        payload.text = payload.text.replace("@charge", &ids.charge).replace("@refund", &ids.refund);
        let body = bytes(Kind::ChargeAnswer, &payload, ARRIVAL);
        let way = Way::says("201 Created", &body);
        let (name, detail) = answers::try_out(&self.upstream, &who, call, way, Effect::Had).await;
        (name, Some(detail))
    }

    fn message(&self, kind: Kind, payload: &Payload) -> (String, Option<String>) {
        let of = |known: &'static str| if payload.elsewhere { "back-9" } else { known };
        let topic = match kind {
            Kind::WeightsJson | Kind::WeightsCbor => Topic::Weights(of("1-1")),
            Kind::ShelfStatus => Topic::ShelfStatus(of("1-1")),
            Kind::TapMqtt => Topic::Tap(of("gate-1")),
            Kind::Passage => Topic::Passage(of("gate-1")),
            Kind::GateStatus => Topic::GateStatus(of("gate-1")),
            Kind::PeopleJson | Kind::PeopleCbor => Topic::People(of("cam-1")),
            other => unreachable!("{other:?} is no message"),
        };
        match topic::read(topic, payload.retained, &bytes(kind, payload, ARRIVAL), ARRIVAL, &self.shop) {
            Ok(_) => ("ok".into(), Some(String::new())),
            Err(refusal) => (refusal.kind(), Some(refusal.to_string())),
        }
    }

    fn scale(&self, payload: &Payload) -> (String, Option<String>) {
        let counters = Counters::default();
        let mut scales = Scales::new(&self.scales.mqtt.scales, self.shop.clone(), counters.clone(), ARRIVAL);
        let topic = if payload.elsewhere { "esphome/back-9/plate-1/state" } else { "esphome/1-1/plate-1/state" };
        scales.heard(topic, payload.retained, &bytes(Kind::PlainScale, payload, ARRIVAL), ARRIVAL);
        let counted = counters.all();
        let name = counted.keys().next().cloned().unwrap_or_default();
        (if name == "scale.received" { "ok".into() } else { name }, None)
    }

    fn file(&self, kind: Kind, payload: &Payload) -> (String, Option<String>) {
        let write = |name: &str, content: &[u8]| -> PathBuf {
            let path = self.dir.path().join(name);
            std::fs::write(&path, content).expect("a file");
            path
        };
        let content = bytes(kind, payload, ARRIVAL);
        let grown = |path: PathBuf| {
            if payload.grown {
                let file = std::fs::OpenOptions::new().write(true).open(&path).expect("the file");
                file.set_len(33 << 20).expect("a hole in the file");
            }
            path
        };
        let told = |problems: Vec<Problem>| problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n");
        let refused = match kind {
            Kind::Config => Config::read(grown(write("carryout.toml", &content))).err().map(told),
            Kind::Script => self.script(&write("script.csv", &content)).err(),
            Kind::Manifest => Manifest::read(&write("model.toml", &content)).err().map(|error| error.to_string()),
            _ => {
                for (of, name, text) in files_of_a_shop() {
                    if of == kind {
                        grown(write(name, &content));
                    } else {
                        write(name, text.as_bytes());
                    }
                }
                Shop::read(self.dir.path()).err().map(told)
            }
        };
        let said = refused.unwrap_or_else(|| "ok".into());
        (said.clone(), Some(said))
    }

    /// A script is refused while it is read, or before anything is played.
    fn script(&self, path: &Path) -> Result<(), String> {
        let script = Script::read(path).map_err(|error| error.to_string())?;
        for case in &script.cases {
            case.plan(&self.world, 1, ARRIVAL.0).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// The payload as it travels.
fn bytes(kind: Kind, payload: &Payload, now: ShopTime) -> Vec<u8> {
    let tomorrow = (now.0 + TOMORROW_US).to_string();
    let text = payload.text.replace("@tomorrow", &tomorrow).replace("@now", &now.0.to_string());
    let mut bytes = match &payload.bytes {
        Some(bytes) => bytes.clone(),
        None if kind.is_cbor() => {
            let json: serde_json::Value = serde_json::from_str(&text).expect("JSON to be told in CBOR");
            let mut bytes = Vec::new();
            ciborium::into_writer(&in_cbor(&json), &mut bytes).expect("CBOR");
            bytes
        }
        None => text.replace("\"@", "\"").into_bytes(),
    };
    if let Some(at) = bytes.windows(5).position(|window| window == b"@utf8") {
        bytes[at..at + 5].fill(0xff);
    }
    if payload.cut {
        bytes.truncate(bytes.len() * 2 / 3);
    }
    bytes
}

/// `"@NaN"` becomes what JSON cannot say, `"@seq"` a second `"seq"`.
fn in_cbor(json: &serde_json::Value) -> ciborium::Value {
    use ciborium::Value as C;
    use serde_json::Value as J;
    match json {
        J::Null => C::Null,
        J::Bool(truth) => C::Bool(*truth),
        J::Number(number) => {
            number.as_i64().map_or_else(|| C::Float(number.as_f64().expect("a number")), |n| C::Integer(n.into()))
        }
        J::String(text) if text == "@NaN" => C::Float(f64::NAN),
        J::String(text) => C::Text(text.clone()),
        J::Array(items) => C::Array(items.iter().map(in_cbor).collect()),
        J::Object(map) => C::Map(
            map.iter().map(|(key, value)| (C::Text(key.trim_start_matches('@').into()), in_cbor(value))).collect(),
        ),
    }
}

/// The status, and what counted it, or else the problem's name. What is refused never reaches the floor.
async fn request(kind: Kind, payload: &Payload) -> (String, Option<String>) {
    let daemon = Daemon::start().await;
    let nobody = "00000000-0000-5000-8000-00000000ffff".to_owned();
    let of = |known: String| if payload.elsewhere { nobody.clone() } else { known };
    let receipt = |of: &str| ReceiptId::of(visit(of)).to_string();
    let path = match kind {
        Kind::TapHttp => format!("gates/{}/taps", if payload.elsewhere { "back-door" } else { "entrance" }),
        Kind::Payer => format!("visits/{}/payer", of(VISIT.into())),
        Kind::Contest => format!("receipts/{}/contest", of(receipt(CLOSED_VISIT))),
        Kind::Review => format!("reviews/{}", of(receipt(CHECKED_VISIT))),
        Kind::Refund => format!("charges/{}/refunds", of(ChargeId::of(visit(CLOSED_VISIT), 0).to_string())),
        other => unreachable!("{other:?} is no request"),
    };
    let body = bytes(kind, payload, daemon.clock.now());
    let request = client().post(daemon.url(&format!("/api/v1/{path}"))).bearer_auth(TOKEN);
    let answer = request.header("content-type", "application/json").body(body).send().await.expect("an answer");
    let status = answer.status().as_u16();
    let said: serde_json::Value = answer.json().await.expect("a body of JSON");
    if status == 200 {
        return ("ok".into(), Some(String::new()));
    }
    let told = daemon.last_told();
    assert!(told.is_none(), "{kind:?}: {status}, and the floor was told {told:?}");
    let problem = said["type"].as_str().and_then(|name| name.strip_prefix("urn:carryout:problem:"));
    let problem = problem.unwrap_or("no problem at all").to_owned();
    let counted = daemon.counters.all().into_keys().find(|name| !name.starts_with("web."));
    (format!("{status} {}", counted.unwrap_or(problem)), said["detail"].as_str().map(str::to_owned))
}

/// 201 and these bytes are what upstream answers.
async fn hold_answer(answer: Vec<u8>) -> (String, Option<String>) {
    let name = match asked_for_a_hold("201 Created", answer).await {
        Answer::Held { .. } => "ok",
        Answer::Declined { .. } => "declined",
        Answer::Unreachable => "unreachable",
    };
    (name.into(), None)
}

/// The real client asks for a hold, and hears this.
pub async fn asked_for_a_hold(status: &'static str, answer: Vec<u8>) -> Answer {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let serving = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("the client");
        let (mut asked, mut part) = (Vec::new(), [0; 4096]);
        // The body is the last to come, and it ends with the last brace.
        while !asked.ends_with(b"}") {
            let n = socket.read(&mut part).await.expect("a request");
            assert!(n > 0, "the client hung up");
            asked.extend_from_slice(&part[..n]);
        }
        let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", answer.len());
        socket.write_all(&[head.as_bytes(), &answer].concat()).await.expect("an answer");
        socket.shutdown().await.expect("an end");
    });
    let options = SyncOptions { url: Some(url), ..SyncOptions::default() };
    let client = Client::new(&options, ShopId::new("corner"), "EUR").expect("a client").expect("an address");
    let credential = Credential { kind: "card".into(), token: "tok_1".into(), brand: None, last4: None };
    let answer = client.authorise(&TapId::new("t-1"), &credential, Cents(500)).await;
    serving.await.expect("served");
    answer
}
