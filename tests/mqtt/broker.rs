//! Stories of a daemon, its gate and a real broker: crashes, outages, last words.

use crate::device::{Device, PATIENCE};
use crate::mosquitto::Mosquitto;
use carryout::base::time::Clock;
use carryout::base::{Counters, GateId, ShopTime, TapId};
use carryout::events::{CartEvent, Decision, Observation, Reason};
use carryout::floor::Snapshot;
use carryout::sensors::Incoming;
use carryout::sensors::mqtt::{self, MqttOptions, MqttVersion};
use carryout::sensors::publish::Publish;
use carryout::sync::SyncStatus;
use serde_json::Value;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

const BASE: &str = "carryout/v1/corner";

/// Each story is told in both versions of MQTT, and ends alike.
macro_rules! told_in_both_versions {
    ($($story:ident,)*) => {
        mod v3 {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                super::$story(super::MqttVersion::V3).await;
            })*
        }
        mod v5 {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                super::$story(super::MqttVersion::V5).await;
            })*
        }
    };
}

told_in_both_versions! {
    a_tap_whose_entry_was_not_on_disk_comes_again_after_a_crash,
    an_acknowledgement_does_not_outlive_its_connection,
    who_subscribes_late_learns_the_status_and_a_crash_is_told_by_the_broker,
    after_an_outage_the_status_is_said_again_and_late_decisions_are_not,
    large_batches_pass_and_an_enormous_message_does_not_shut_the_door,
    a_slow_floor_gets_every_tap_in_the_end,
    a_decision_is_not_kept_for_a_gate_that_comes_back,
    nobody_is_told_that_the_broker_is_up_before_taps_are_heard,
}

/// The MQTT side of a daemon, with the test in the floor's place.
struct Daemon {
    task: tokio::task::JoinHandle<()>,
    floor: mpsc::Receiver<Incoming>,
    publish: mpsc::Sender<Publish>,
    stop: watch::Sender<bool>,
    counters: Counters,
    clock: Clock,
}

impl Daemon {
    /// Starts it and waits until both connections have subscribed.
    async fn start(broker: &Mosquitto, version: MqttVersion) -> Daemon {
        let mut daemon = Daemon::launch(broker.port, version);
        assert_eq!(daemon.next_but_taps().await, Observation::Broker { up: true, why: None });
        daemon
    }

    fn launch(port: u16, version: MqttVersion) -> Daemon {
        let (to_floor, floor) = mpsc::channel(64);
        let (publish, outgoing) = mpsc::channel(16);
        let (stop, shutdown) = watch::channel(false);
        let (counters, clock) = (Counters::default(), Clock::anchored_after(ShopTime(0)));
        let options = MqttOptions { port, version, ..MqttOptions::default() };
        let shop = Arc::new(crate::small_shop::small_shop());
        let task = tokio::spawn(mqtt::run(options, shop, to_floor, outgoing, clock, counters.clone(), shutdown));
        Daemon { task, floor, publish, stop, counters, clock }
    }

    /// Everything said on the events connection before this has reached the broker: it reads in order.
    async fn reaches(&self, watcher: &mut Device) {
        self.publish.send(event("here")).await.unwrap();
        while watcher.next().await.1["id"] != "here" {}
    }

    async fn next(&mut self) -> Incoming {
        tokio::time::timeout(PATIENCE, self.floor.recv()).await.expect("something in time").expect("it runs")
    }

    /// Taps may come before the other connection is up.
    async fn next_but_taps(&mut self) -> Observation {
        loop {
            let incoming = self.floor.recv().await.expect("it runs");
            if incoming.ack.is_none() {
                return incoming.stamped.observation;
            }
        }
    }

    async fn next_tap(&mut self) -> (String, carryout::base::Ack) {
        loop {
            let incoming = self.next().await;
            if let Observation::Tap(tap) = incoming.stamped.observation {
                return (tap.tap_id.to_string(), incoming.ack.expect("a tap with QoS 1 is owed an acknowledgement"));
            }
        }
    }

    /// As with kill -9: nothing more is said, the broker finds the connection closed.
    async fn crash(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
        // Dropped, it would be an order to stop, and the connections might still hear it.
        std::mem::forget(self.stop);
    }
}

fn event(id: &str) -> Publish {
    let shop = crate::small_shop::small_shop().id;
    let event = CartEvent { id: id.into(), kind: "test".into(), subject: None, t: ShopTime(0), data: Value::Null };
    Publish::event(&shop, &event)
}

fn tap(id: &str, clock: &Clock) -> String {
    let t_us = clock.now().0;
    format!(r#"{{"tap_id":"{id}","t_us":{t_us},"direction":"in","credential":{{"kind":"card","token":"tok_1"}}}}"#)
}

async fn a_tap_whose_entry_was_not_on_disk_comes_again_after_a_crash(version: MqttVersion) {
    let Some(broker) = Mosquitto::start() else { return };
    let mut daemon = Daemon::start(&broker, version).await;
    let mut gate = Device::connect(broker.port, "gate").await;
    let mut watcher = Device::connect(broker.port, "late-watcher").await;
    watcher.subscribe(&format!("{BASE}/events")).await;
    for id in ["durable", "lost", "also-durable"] {
        gate.publish(&format!("{BASE}/gate/gate-1/tap"), false, tap(id, &daemon.clock)).await;
    }
    for id in ["durable", "lost", "also-durable"] {
        let (came, ack) = daemon.next_tap().await;
        assert_eq!(came, id);
        if id != "lost" {
            // As the ledger's writer does it: from a thread that knows nothing of tokio.
            std::thread::spawn(|| ack.done()).join().unwrap();
        }
    }
    daemon.reaches(&mut watcher).await;
    let clock = daemon.clock;
    daemon.crash().await;
    // While the daemon is down.
    gate.publish(&format!("{BASE}/gate/gate-1/tap"), false, tap("waited", &clock)).await;

    // Here we do not wait for both connections: the taps may come first.
    let (to_floor, mut floor) = mpsc::channel(64);
    let (_publish, outgoing) = mpsc::channel(16);
    let (_stop, shutdown) = watch::channel(false);
    let options = MqttOptions { port: broker.port, version, ..MqttOptions::default() };
    let shop = Arc::new(crate::small_shop::small_shop());
    let counters = Counters::default();
    let task = tokio::spawn(mqtt::run(options, shop, to_floor, outgoing, clock, counters, shutdown));
    let mut again = Vec::new();
    while again.len() < 2 {
        let incoming = tokio::time::timeout(PATIENCE, floor.recv()).await.expect("taps in time").expect("it runs");
        if let Observation::Tap(tap) = incoming.stamped.observation {
            again.push(tap.tap_id.to_string());
        }
    }
    assert_eq!(again, ["lost", "waited"], "what was durable does not come again");
    task.abort();
}

async fn an_acknowledgement_does_not_outlive_its_connection(version: MqttVersion) {
    let Some(mut broker) = Mosquitto::start() else { return };
    let mut daemon = Daemon::start(&broker, version).await;
    let tap_topic = format!("{BASE}/gate/gate-1/tap");
    let mut gate = Device::connect(broker.port, "gate").await;
    gate.publish(&tap_topic, false, tap("old", &daemon.clock)).await;
    let (_, old) = daemon.next_tap().await;

    // The broker comes back knowing nothing, and counts its messages from 1 again.
    broker.restart();
    let mut watcher = Device::connect(broker.port, "watcher-2").await;
    watcher.subscribe(&format!("{BASE}/events")).await;
    assert_eq!(daemon.next_but_taps().await, Observation::Broker { up: false, why: None });
    assert_eq!(daemon.next_but_taps().await, Observation::Broker { up: true, why: None });
    daemon.reaches(&mut watcher).await;
    let mut gate = Device::connect(broker.port, "gate").await;
    gate.publish(&tap_topic, false, tap("new", &daemon.clock)).await;
    assert_eq!(daemon.next_tap().await.0, "new");

    // Both have the same packet id. The old acknowledgement must not be taken for the new tap's.
    old.done();
    daemon.reaches(&mut watcher).await;
    daemon.crash().await;
    let mut floor_of_the_next = {
        let (to_floor, floor) = mpsc::channel(64);
        let (publish, outgoing) = mpsc::channel(16);
        let (stop, shutdown) = watch::channel(false);
        let options = MqttOptions { port: broker.port, version, ..MqttOptions::default() };
        let shop = Arc::new(crate::small_shop::small_shop());
        let (counters, clock) = (Counters::default(), Clock::anchored_after(ShopTime(0)));
        let task = tokio::spawn(mqtt::run(options, shop, to_floor, outgoing, clock, counters.clone(), shutdown));
        Daemon { task, floor, publish, stop, counters, clock }
    };
    assert_eq!(floor_of_the_next.next_tap().await.0, "new");
    floor_of_the_next.crash().await;
}

async fn who_subscribes_late_learns_the_status_and_a_crash_is_told_by_the_broker(version: MqttVersion) {
    let Some(broker) = Mosquitto::start() else { return };
    let daemon = Daemon::start(&broker, version).await;
    let status = format!("{BASE}/status");
    let snapshot = Snapshot { since_us: ShopTime(5), ..Snapshot::default() };
    daemon.publish.send(Publish::status(&snapshot, &SyncStatus::default())).await.unwrap();
    let mut watcher = Device::connect(broker.port, "late").await;
    watcher.subscribe(&format!("{BASE}/events")).await;
    daemon.reaches(&mut watcher).await;

    let mut late = Device::connect(broker.port, "later").await;
    late.subscribe(&status).await;
    let (topic, said) = late.next().await;
    assert_eq!((topic.as_str(), &said["state"], &said["since_us"]), (status.as_str(), &"up".into(), &5.into()));
    daemon.crash().await;
    let (_, said) = late.next().await;
    assert_eq!((&said["state"], &said["since_us"]), (&"offline".into(), &Value::Null), "the last will");

    let daemon = Daemon::start(&broker, version).await;
    daemon.publish.send(Publish::status(&snapshot, &SyncStatus::default())).await.unwrap();
    assert_eq!(late.next().await.1["state"], "up");
    let before = daemon.clock.now();
    daemon.stop.send(true).unwrap();
    daemon.task.await.unwrap();
    let (_, said) = late.next().await;
    assert_eq!(said["state"], "offline");
    assert!(said["since_us"].as_i64().unwrap() >= before.0, "an ordered stop says when");
}

async fn after_an_outage_the_status_is_said_again_and_late_decisions_are_not(version: MqttVersion) {
    let Some(mut broker) = Mosquitto::start() else { return };
    let mut daemon = Daemon::start(&broker, version).await;
    let snapshot = Snapshot { since_us: ShopTime(5), ..Snapshot::default() };
    daemon.publish.send(Publish::status(&snapshot, &SyncStatus::default())).await.unwrap();

    broker.stop();
    assert_eq!(daemon.next_but_taps().await, Observation::Broker { up: false, why: None });
    // Three seconds ago. (The events connection may learn of the outage a little later; what is in flight is counted.)
    let decision = Decision {
        tap_id: TapId::new("t"),
        open: true,
        valid_ms: 3_000,
        reason: Reason::Ok,
        visit_id: None,
        t_us: daemon.clock.now().plus_ms(-3_000),
    };
    daemon.publish.send(Publish::decision(&GateId::new("gate-1"), &decision)).await.unwrap();
    daemon.publish.send(event("kept")).await.unwrap();
    // Taken from the queue, so that what follows the restart comes after it.
    while daemon.publish.capacity() < daemon.publish.max_capacity() {
        tokio::task::yield_now().await;
    }
    broker.restart();
    assert_eq!(daemon.next_but_taps().await, Observation::Broker { up: true, why: None });
    let mut watcher = Device::connect(broker.port, "watcher-2").await;
    watcher.subscribe(&format!("{BASE}/#")).await;
    daemon.publish.send(event("after")).await.unwrap();
    let mut heard = Vec::new();
    loop {
        let (topic, said) = watcher.next().await;
        heard.push(topic.trim_start_matches(BASE).to_owned());
        if said["id"] == "after" {
            break;
        }
    }
    assert!(heard.contains(&"/status".to_owned()), "{heard:?}");
    assert!(!heard.contains(&"/gate/gate-1/decision".to_owned()), "{heard:?}");
    assert_eq!(daemon.counters.get("publish.undelivered"), 1);
    daemon.crash().await;
}

async fn large_batches_pass_and_an_enormous_message_does_not_shut_the_door(version: MqttVersion) {
    let Some(broker) = Mosquitto::start() else { return };
    let mut daemon = Daemon::start(&broker, version).await;
    let mut device = Device::connect(broker.port, "devices").await;
    let t0_us = daemon.clock.now().0;
    let row = vec!["-1012.25"; 600].join(",");
    let weights =
        format!(r#"{{"boot":"b","seq":1,"t0_us":{t0_us},"dt_us":16667,"plates":{{"1":[{row}],"2":[{row}]}}}}"#);
    assert!(weights.len() > 10 * 1024, "more than rumqttc lets in by itself");
    device.publish(&format!("{BASE}/shelf/1-1/weights"), false, weights).await;
    match daemon.next().await.stamped.observation {
        Observation::Weights(weights) => assert_eq!(weights.plates[1].grams[599], Some(-1012.25)),
        other => panic!("{other:?}"),
    }

    // 17 MiB, kept by the broker until somebody acknowledges it: it must not come for ever.
    let tap_topic = format!("{BASE}/gate/gate-1/tap");
    device.publish(&tap_topic, false, vec![b'x'; 17 << 20]).await;
    device.publish(&tap_topic, false, tap("after-it", &daemon.clock)).await;
    assert_eq!(daemon.next_tap().await.0, "after-it");
    // A broker of MQTT 5 is told how much we take, and throws the rest away itself.
    let met = u64::from(version == MqttVersion::V3);
    assert_eq!((daemon.counters.get("mqtt.oversized"), daemon.counters.get("tap.oversized")), (met, met));
    daemon.crash().await;
}

async fn a_slow_floor_gets_every_tap_in_the_end(version: MqttVersion) {
    let Some(broker) = Mosquitto::start() else { return };
    let mut daemon = Daemon::start(&broker, version).await;
    let mut gate = Device::connect(broker.port, "gate").await;
    // More than the queue to the floor holds (64), and more than a broker hands out unacknowledged (20).
    for n in 0..200 {
        gate.publish(&format!("{BASE}/gate/gate-1/tap"), false, tap(&format!("t{n}"), &daemon.clock)).await;
    }
    for n in 0..200 {
        let (came, ack) = daemon.next_tap().await;
        assert_eq!(came, format!("t{n}"));
        ack.done();
    }
    daemon.crash().await;
}

/// Only MQTT 5 can say it: a broker keeps an event for whoever is away, and a decision for as long as it is one.
async fn a_decision_is_not_kept_for_a_gate_that_comes_back(version: MqttVersion) {
    use rumqttc::v5::mqttbytes::{QoS, v5::Packet};
    let Some(broker) = Mosquitto::start() else { return };
    let daemon = Daemon::start(&broker, version).await;
    let (client, mut eventloop) =
        rumqttc::v5::AsyncClient::new(rumqttc::v5::MqttOptions::new("gate", "127.0.0.1", broker.port), 16);
    client.subscribe(format!("{BASE}/#"), QoS::AtLeastOnce).await.unwrap();
    let mut good_s = Vec::new();
    while good_s.len() < 2 {
        let heard = tokio::time::timeout(PATIENCE, eventloop.poll()).await.expect("in time").expect("the broker lives");
        match heard {
            rumqttc::v5::Event::Incoming(Packet::SubAck(_)) => {
                let decision = Publish::malformed(&GateId::new("gate-1"), TapId::new("t"), daemon.clock.now());
                daemon.publish.send(decision).await.unwrap();
                daemon.publish.send(event("kept")).await.unwrap();
            }
            rumqttc::v5::Event::Incoming(Packet::Publish(message)) => {
                good_s.push(message.properties.and_then(|properties| properties.message_expiry_interval));
            }
            _ => {}
        }
    }
    match version {
        MqttVersion::V3 => assert_eq!(good_s, [None, None]),
        MqttVersion::V5 => assert!(matches!(good_s[..], [Some(1..=2), None]), "{good_s:?}"),
    }
    daemon.crash().await;
}

/// A first start: the broker has no session for us yet, and what is tapped before it has is lost.
async fn nobody_is_told_that_the_broker_is_up_before_taps_are_heard(version: MqttVersion) {
    let Some(broker) = Mosquitto::start() else { return };
    let mut gate = Device::connect(broker.port, "gate").await;
    // Whoever subscribes to measurements hears this first.
    gate.publish(&format!("{BASE}/shelf/1-1/status"), true, "online").await;
    let (let_through, port) = the_events_connection_is_slow(broker.port).await;
    let mut daemon = Daemon::launch(port, version);
    let first = daemon.next_but_taps().await;
    assert!(
        matches!(first, Observation::ShelfOnline { .. }),
        "measured things are heard, and nobody says up: {first:?}"
    );
    let_through.send_replace(true);
    assert_eq!(daemon.next_but_taps().await, Observation::Broker { up: true, why: None });
    gate.publish(&format!("{BASE}/gate/gate-1/tap"), false, tap("at-once", &daemon.clock)).await;
    assert_eq!(daemon.next_tap().await.0, "at-once");

    // Lost, taps are not heard either, whatever is measured meanwhile.
    let_through.send_replace(false);
    assert_eq!(daemon.next_but_taps().await, Observation::Broker { up: false, why: None });
    let_through.send_replace(true);
    assert_eq!(daemon.next_but_taps().await, Observation::Broker { up: true, why: None });
    daemon.crash().await;
}

/// A way to the broker on which the events connection gets through only while told so.
async fn the_events_connection_is_slow(broker: u16) -> (watch::Sender<bool>, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let (let_through, open) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut open = open.clone();
            tokio::spawn(async move {
                let mut hello = [0; 512];
                let said = client.read(&mut hello).await.expect("a first packet");
                let mut server = TcpStream::connect(("127.0.0.1", broker)).await.expect("the broker");
                let events = hello.windows(7).any(|window| window == b"-events");
                if events {
                    let _ = open.wait_for(|open| *open).await;
                }
                server.write_all(&hello[..said]).await.expect("the broker listens");
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                    _ = open.wait_for(|open| !*open), if events => {}
                }
            });
        }
    });
    (let_through, port)
}
