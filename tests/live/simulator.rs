//! The synthetic shop over a real broker, with a gate decider by hand in the daemon's place.

use carryout::base::time::Clock;
use carryout::base::{ShopTime, TapId};
use carryout::shop::Shop;
use carryout::sim::broker::{BrokerError, Mosquitto};
use carryout::sim::live::{Broker, Happened, Heard, Live, decision};
use carryout::sim::shoppers::{Crowd, Mix, Style};
use carryout::sim::{Gates, Playback, Setting, TruthLine, World};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// `None`, said plainly, on a machine without a broker.
pub fn broker() -> Option<(tempfile::TempDir, Mosquitto)> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    match Mosquitto::start(dir.path()) {
        Ok(broker) => Some((dir, broker)),
        Err(BrokerError::Missing) => {
            println!("SKIPPED: there is no mosquitto on this machine; ./dev setup installs it");
            None
        }
        Err(err) => panic!("{err}"),
    }
}

fn demo_shop() -> Shop {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/config/demo-shop");
    Shop::read(dir).expect("the demo shop is in order").0
}

/// In the daemon's place: hears everything, and answers taps after a moment; cards that are to be declined with no.
async fn decider(port: u16, heard: mpsc::Sender<(String, Vec<u8>, bool)>, ready: tokio::sync::oneshot::Sender<()>) {
    let mut options = MqttOptions::new("decider", "127.0.0.1", port);
    options.set_max_packet_size(1 << 20, 1 << 20);
    let (client, mut events) = AsyncClient::new(options, 64);
    let mut ready = Some(ready);
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                client.subscribe("carryout/v1/#", QoS::AtLeastOnce).await.unwrap();
            }
            Ok(Event::Incoming(Packet::SubAck(_))) => {
                ready.take().map(|ready| ready.send(()));
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                if publish.topic.ends_with("/tap") {
                    let tap: Value = serde_json::from_slice(&publish.payload).unwrap();
                    let open = !tap["credential"]["token"].as_str().unwrap().starts_with("tok_declined");
                    let tap_id = TapId::new(tap["tap_id"].as_str().unwrap());
                    let answer = decision(tap_id, open, tap["t_us"].as_i64().unwrap() + 50_000);
                    let topic = publish.topic.replace("/tap", "/decision");
                    let answer = serde_json::to_vec(&answer).unwrap();
                    client.publish(topic, QoS::AtLeastOnce, false, answer).await.unwrap();
                }
                if heard.send((publish.topic.clone(), publish.payload.to_vec(), publish.retain)).await.is_err() {
                    return;
                }
            }
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_shop_speaks_the_wire_and_waits_at_its_gate() {
    let Some((_dir, broker)) = broker() else { return };
    let shop = demo_shop();
    let (tell, mut heard) = mpsc::channel(10_000);
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let decider = tokio::spawn(decider(broker.port, tell, ready));
    is_ready.await.expect("the decider listens");

    let mut live = Live::connect(&Broker { host: "127.0.0.1".into(), port: broker.port }, &shop).await.unwrap();
    let clock = Clock::anchored_after(ShopTime(0));
    let start_us = clock.now().0;
    let world = Arc::new(World::new(Arc::new(shop.clone())).unwrap());
    let mut playback = Playback::new(world.clone(), Setting::new(1, start_us, Gates::Asked));
    let mut crowd = Crowd::new(world, 1, "live", Mix { items: (1, 1), put_back: 0.0, ..Mix::quick() });
    let mut until_us = start_us;
    for style in [Style::Declined, Style::Ordinary] {
        let visit = crowd.come(style, start_us + 1_500_000);
        until_us = until_us.max(visit.left_us + 2_000_000);
        visit.people.into_iter().for_each(|person| playback.add(person));
    }
    let mut story: Vec<String> = Vec::new();
    live.play(&mut playback, &clock, until_us, |_, happened| match happened {
        Happened::Device(carryout::events::Observation::Tap(tap)) => {
            story.push(format!("tap {}", tap.credential.token))
        }
        Happened::Device(carryout::events::Observation::Passage(passage)) => {
            story.push(format!("passage {:?}", passage.direction));
        }
        Happened::Heard(Heard::Decision { decision, .. }) => story.push(format!("open {}", decision.open)),
        Happened::Truth(TruthLine::Visit(visit)) => story.push(format!("visit with {} lines", visit.cart.len())),
        _ => {}
    })
    .await;
    assert_eq!(live.dropped, 0, "measurements were dropped");
    live.close().await;
    decider.abort();
    let _ = decider.await;
    assert_eq!(
        story,
        [
            "tap tok_declined_live_1",
            "open false",
            "tap tok_live_2",
            "open true",
            "passage In",
            "passage Out",
            "visit with 1 lines",
        ],
        "a declined card stays outside, the other one shops"
    );

    let mut by_topic: BTreeMap<String, Vec<(Vec<u8>, bool)>> = BTreeMap::new();
    while let Some((topic, payload, retain)) = heard.recv().await {
        let below = topic.strip_prefix("carryout/v1/corner/").expect("every topic lies under the shop").to_owned();
        by_topic.entry(below).or_default().push((payload, retain));
    }
    let bodies = |topic: &str| -> Vec<Value> {
        let messages = by_topic.get(topic).unwrap_or_else(|| panic!("nothing came on {topic}"));
        messages.iter().map(|(payload, _)| serde_json::from_slice(payload).expect("JSON")).collect()
    };
    let seconds = (until_us - start_us) / 1_000_000;
    for (id, shelf) in &shop.layout.shelves {
        let status = &by_topic[&format!("shelf/{id}/status")];
        assert_eq!(status[0].0, b"online", "shelf {id}");
        let batches = bodies(&format!("shelf/{id}/weights"));
        assert!(batches.len() as i64 >= (seconds - 1) * 5 - 2, "shelf {id}: {} batches in {seconds} s", batches.len());
        for pair in batches.windows(2) {
            assert_eq!(pair[1]["seq"].as_u64(), pair[0]["seq"].as_u64().map(|seq| seq + 1), "shelf {id}");
            assert_eq!(pair[1]["boot"], pair[0]["boot"], "shelf {id}");
        }
        let plates = batches[0]["plates"].as_object().expect("plates by number");
        assert_eq!(plates.len(), shelf.plates.len(), "shelf {id}");
        assert!(plates.values().all(|samples| samples.as_array().is_some_and(|samples| samples.len() == 12)));
    }
    let looks = bodies("camera/people-1/people");
    assert!(looks.len() as i64 >= (seconds - 1) * 10 - 4, "{} looks in {seconds} s", looks.len());
    assert!(looks.iter().any(|look| look["people"].as_array().unwrap().is_empty()), "looked, saw nobody");
    let someone = looks.iter().flat_map(|look| look["people"].as_array().unwrap()).next().expect("somebody was seen");
    assert!(someone["track"].is_string() && someone["confidence"].is_f64(), "{someone}");
    assert_eq!(someone["floor"].as_array().map(Vec::len), Some(2), "{someone}");
    let tap = &bodies("gate/gate-1/tap")[1];
    assert_eq!((&tap["direction"], &tap["group_size"]), (&"in".into(), &1.into()), "{tap}");
    let credential = tap["credential"].as_object().unwrap();
    assert_eq!(credential.keys().collect::<Vec<_>>(), ["brand", "kind", "last4", "token"], "{tap}");
    assert_eq!(bodies("gate/gate-1/passage")[0]["direction"], "in");
    assert!(bodies("gate/gate-1/status")[0]["t_us"].is_i64());
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_named() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let shop = demo_shop();
    let failed = Live::connect(&Broker { host: "127.0.0.1".into(), port }, &shop).await.err().expect("nobody listens");
    let text = failed.to_string();
    assert!(text.contains(&format!("no broker answers at 127.0.0.1:{port}")) && text.contains("mosquitto"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shelf_that_falls_silent_leaves_its_will() {
    let Some((_dir, broker)) = broker() else { return };
    let shop = demo_shop();
    let live = Live::connect(&Broker { host: "127.0.0.1".into(), port: broker.port }, &shop).await.unwrap();
    let (tell, mut heard) = mpsc::channel(1000);
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let decider = tokio::spawn(decider(broker.port, tell, ready));
    is_ready.await.unwrap();
    // The connections are cut, nobody says goodbye.
    drop(live);
    let mut wills = 0;
    while wills < shop.layout.shelves.len() {
        let (topic, payload, _) =
            tokio::time::timeout(Duration::from_secs(20), heard.recv()).await.expect("wills come").unwrap();
        assert!(topic.ends_with("/status"), "{topic}");
        assert_eq!(payload, b"offline", "{topic}");
        wills += 1;
    }
    decider.abort();
}
