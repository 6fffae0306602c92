//! Plays a shop in real time over a real broker: every shelf on a connection of its own with its last will, gates and
//! cameras on theirs, and one pair of ears for what the daemon answers.
//!
//!     Playback --step every 20 ms--> Links --MQTT--> broker --> daemon
//!        ^------- decisions -------- ears <--MQTT-- broker <--/
//!
//! Nobody walks through a gate before its decision is heard. Events go QoS 1, measurements QoS 0, as wire.md says.

use super::playback::{Playback, STEP_US};
use super::render::{Cast, Now};
use super::truth::TruthLine;
use super::wire::{Mqtt, on_the_wire};
use crate::base::time::Clock;
use crate::base::{GateId, ShelfId, ShopId, ShopTime, TapId};
use crate::events::{Decision, Observation};
use crate::shop::Shop;
use rumqttc::{AsyncClient, ConnectReturnCode, Event, EventLoop, LastWill, MqttOptions, NetworkOptions, Packet, QoS};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Packets waiting for one connection. Full: measurements are dropped and counted, events wait.
const LINK_QUEUE: usize = 256;
/// Messages heard and not yet looked at. Full: the ears wait, and the broker keeps the rest.
const HEARD_QUEUE: usize = 1024;
/// Receipts and carts are larger than rumqttc's 10 KiB.
const PACKET_BYTES: usize = 512 * 1024;
/// A broker that does not answer within this is not there.
const CONNECT: Duration = Duration::from_secs(10);

/// What the daemon said.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    Decision {
        gate: GateId,
        decision: Decision,
    },
    /// A CloudEvent: `type` and the whole of it.
    Event {
        kind: String,
        event: Value,
    },
    Cart {
        visit: String,
        cart: Value,
    },
    Status(Value),
}

#[derive(Clone, Debug)]
pub struct Broker {
    pub host: String,
    pub port: u16,
}

#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    #[error("no broker answers at {host}:{port}: {why}; start one (mosquitto -p {port}) or name another")]
    NoBroker { host: String, port: u16, why: String },
}

/// The shop's devices, connected.
pub struct Live {
    base: String,
    shelves: BTreeMap<ShelfId, Link>,
    /// Gates: taps, passages, clocks.
    gates: Link,
    cameras: Link,
    ears: Link,
    heard: mpsc::Receiver<Heard>,
    /// Keeps the scene of now, where cameras look.
    film: Option<(Cast, Now)>,
    /// Measurements that found their connection full.
    pub dropped: u64,
}

/// Events of the live shop, in the order they happen.
pub enum Happened {
    /// A device said something that a diary would mention.
    Device(Observation),
    Heard(Heard),
    Truth(TruthLine),
}

impl Live {
    /// Connects every device; each shelf says `online` and leaves `offline` as its will.
    pub async fn connect(broker: &Broker, shop: &Shop) -> Result<Live, LiveError> {
        let base = format!("carryout/v1/{}/", shop.id);
        let (tell, heard) = mpsc::channel(HEARD_QUEUE);
        let topics = ["gate/+/decision", "events", "visit/+/cart", "status"].map(|topic| format!("{base}{topic}"));
        let ears = Link::connect(broker, &shop.id, "ears", None, Some((tell, topics.to_vec()))).await?;
        let mut shelves = BTreeMap::new();
        for shelf in shop.layout.shelves.keys() {
            let topic = format!("{base}shelf/{shelf}/status");
            let will = LastWill::new(topic.clone(), "offline", QoS::AtLeastOnce, true);
            let link = Link::connect(broker, &shop.id, &format!("shelf-{shelf}"), Some(will), None).await?;
            shelves.insert(shelf.clone(), link);
        }
        let gates = Link::connect(broker, &shop.id, "gates", None, None).await?;
        let cameras = Link::connect(broker, &shop.id, "cameras", None, None).await?;
        Ok(Live { base, shelves, gates, cameras, ears, heard, film: None, dropped: 0 })
    }

    /// What there is to see while it plays, in these clothes: for cameras.
    pub fn film(&mut self, cast: Cast, now: Now) {
        self.film = Some((cast, now));
    }

    /// Plays until the shop's time is `until_us`. The playback's own time is the wall clock's: it began at
    /// `playback.now_us()`, which should be about now. `happened` is told what is worth a line, and may add people.
    pub async fn play(
        &mut self,
        playback: &mut Playback,
        clock: &Clock,
        until_us: i64,
        mut happened: impl FnMut(&mut Playback, Happened),
    ) {
        while playback.now_us() < until_us {
            let now_us = clock.now().0;
            while playback.now_us() + STEP_US <= now_us && playback.now_us() < until_us {
                for message in playback.step() {
                    let noteworthy = matches!(message.what, Observation::Tap(_) | Observation::Passage(_));
                    self.publish(&message.what).await;
                    if noteworthy {
                        happened(playback, Happened::Device(message.what));
                    }
                }
                for line in playback.truth() {
                    happened(playback, Happened::Truth(line));
                }
            }
            if let Some((cast, now)) = &mut self.film {
                now.set(cast.scene(playback));
            }
            let wait_us = (playback.now_us() + STEP_US - clock.now().0).max(0) as u64;
            tokio::select! {
                heard = self.heard.recv() => {
                    let Some(heard) = heard else { return };
                    if let Heard::Decision { decision, .. } = &heard {
                        playback.answer(&decision.tap_id, decision.open);
                    }
                    happened(playback, Happened::Heard(heard));
                }
                () = tokio::time::sleep(Duration::from_micros(wait_us)) => {}
            }
        }
    }

    /// What the daemon says next, with nobody playing; `None` when nothing comes within `wait`.
    pub async fn hear(&mut self, wait: Duration) -> Option<Heard> {
        tokio::time::timeout(wait, self.heard.recv()).await.ok().flatten()
    }

    /// Sends what a device says, by that device's connection.
    pub async fn publish(&mut self, observation: &Observation) {
        let Some(Mqtt { topic_suffix, payload, qos, retain }) = on_the_wire(observation) else { return };
        let link = match observation {
            Observation::Weights(weights) => self.shelves.get(&weights.shelf),
            Observation::ShelfOnline { shelf, .. } => self.shelves.get(shelf),
            Observation::People(_) => Some(&self.cameras),
            _ => Some(&self.gates),
        };
        let Some(link) = link else { return };
        let topic = format!("{}{topic_suffix}", self.base);
        if qos == 0 {
            let sent = link.client.try_publish(topic, QoS::AtMostOnce, retain, payload);
            self.dropped += u64::from(sent.is_err());
        } else if let Err(gone) = link.client.publish(topic, QoS::AtLeastOnce, retain, payload).await {
            tracing::warn!(error = %gone, "the simulated device's connection has ended");
        }
    }

    /// Says goodbye: shelves publish `offline` themselves, connections close, tasks end.
    pub async fn close(self) {
        for (shelf, link) in &self.shelves {
            let topic = format!("{}shelf/{shelf}/status", self.base);
            let _ = link.client.publish(topic, QoS::AtLeastOnce, true, "offline").await;
        }
        for link in self.shelves.into_values().chain([self.gates, self.cameras, self.ears]) {
            link.close().await;
        }
    }
}

/// One MQTT connection and the task that keeps it. Dropped without [`Link::close`] it is cut, and the will is read.
struct Link {
    client: AsyncClient,
    task: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Ears = (mpsc::Sender<Heard>, Vec<String>);

impl Link {
    async fn connect(
        broker: &Broker,
        shop: &ShopId,
        name: &str,
        will: Option<LastWill>,
        ears: Option<Ears>,
    ) -> Result<Link, LiveError> {
        let mut options = MqttOptions::new(format!("sim-{shop}-{name}"), &broker.host, broker.port);
        options.set_keep_alive(Duration::from_secs(10)).set_max_packet_size(PACKET_BYTES, PACKET_BYTES);
        if let Some(will) = will {
            options.set_last_will(will);
        }
        let (client, mut events) = AsyncClient::new(options, LINK_QUEUE);
        let mut network = NetworkOptions::new();
        // Without it Nagle's algorithm adds up to 40 ms to every small message.
        network.set_tcp_nodelay(true);
        events.set_network_options(network);
        let (ready, is_ready) = oneshot::channel();
        let task = tokio::spawn(keep(client.clone(), events, ears, ready));
        let no_broker = |why: String| LiveError::NoBroker { host: broker.host.clone(), port: broker.port, why };
        match tokio::time::timeout(CONNECT, is_ready).await {
            Ok(Ok(Ok(()))) => Ok(Link { client, task }),
            Ok(Ok(Err(why))) => Err(no_broker(why)),
            _ => {
                task.abort();
                Err(no_broker(format!("no answer within {} s", CONNECT.as_secs())))
            }
        }
    }

    async fn close(mut self) {
        let _ = self.client.disconnect().await;
        // A connection that is already gone has nothing to say goodbye to.
        let _ = tokio::time::timeout(Duration::from_secs(2), &mut self.task).await;
    }
}

/// Keeps a connection for ever: the first failure is told to who connects, later ones are tried again.
async fn keep(
    client: AsyncClient,
    mut events: EventLoop,
    ears: Option<Ears>,
    ready: oneshot::Sender<Result<(), String>>,
) {
    let mut ready = Some(ready);
    let (mut leaving, mut subscribed) = (false, 0);
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(ack))) if ack.code == ConnectReturnCode::Success => match &ears {
                Some((_, topics)) => {
                    for topic in topics {
                        if client.subscribe(topic, QoS::AtLeastOnce).await.is_err() {
                            return;
                        }
                    }
                }
                None => {
                    ready.take().map(|ready| ready.send(Ok(())));
                }
            },
            // Ears are ready when every topic is subscribed: nothing said after that is missed.
            Ok(Event::Incoming(Packet::SubAck(_))) => {
                subscribed += 1;
                if ears.as_ref().is_some_and(|(_, topics)| subscribed == topics.len()) {
                    ready.take().map(|ready| ready.send(Ok(())));
                }
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                let Some((tell, _)) = &ears else { continue };
                let Some(heard) = understand(&publish.topic, &publish.payload) else { continue };
                if tell.send(heard).await.is_err() {
                    return;
                }
            }
            Ok(Event::Outgoing(rumqttc::Outgoing::Disconnect)) => leaving = true,
            Ok(_) => {}
            Err(_) if leaving => return,
            Err(err) => {
                if let Some(ready) = ready.take() {
                    let _ = ready.send(Err(err.to_string()));
                    return;
                }
                tracing::warn!(error = %err, "a simulated device lost its broker; trying again");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    }
}

/// `carryout/v1/{shop}/…` to what was said; `None` for anything else.
fn understand(topic: &str, payload: &[u8]) -> Option<Heard> {
    let parts: Vec<&str> = topic.split('/').skip(3).collect();
    let body: Value = serde_json::from_slice(payload).ok()?;
    Some(match parts.as_slice() {
        ["gate", gate, "decision"] => {
            Heard::Decision { gate: GateId::new(gate), decision: serde_json::from_value(body).ok()? }
        }
        ["events"] => Heard::Event { kind: body["type"].as_str()?.to_owned(), event: body },
        ["visit", visit, "cart"] => Heard::Cart { visit: (*visit).to_owned(), cart: body },
        ["status"] => Heard::Status(body),
        _ => return None,
    })
}

/// A decision by hand, for tests and for gates without a daemon.
pub fn decision(tap_id: TapId, open: bool, t_us: i64) -> Decision {
    Decision {
        tap_id,
        open,
        valid_ms: 3000,
        reason: if open { crate::events::Reason::Ok } else { crate::events::Reason::Declined },
        visit_id: None,
        t_us: ShopTime(t_us),
    }
}
