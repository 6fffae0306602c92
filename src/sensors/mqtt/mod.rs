//! The broker: two connections, one for what happened, one for what is measured.
//!
//! *Events* (taps, passages) come with QoS 1 over a durable session and are acknowledged by hand: the [`Ack`] beside an
//! observation is called once what it caused is on disk, from whatever thread. What was not acknowledged comes again
//! after a crash or an outage; ids make that harmless. A broker gives out only so many unacknowledged messages
//! (mosquitto: 20) and then waits, so every `Ack` has to be called in the end. The daemon speaks on this connection too.
//!
//! *Measurements* (weights, people, statuses) come over a clean session, acknowledged at once.
//!
//! The floor is told when the broker comes and goes, because a silent shelf is not a calm shelf. It is there when both
//! connections have subscribed: before a first start's events connection has, the broker keeps no session for us, and a
//! tap is lost. Hence [`not_yet`].
//!
//! Both reconnect for ever. Which version of MQTT is spoken only `link` knows; certificates and what goes wrong with them
//! are in `tls`.

pub(super) mod call;
mod connection;
mod events;
pub mod expiry;
pub mod eyes; // for those who only look
pub(super) mod link;
mod measurements;
pub mod tls;

use super::door::Door;
use super::publish::Publish;
use super::scales::ScaleOptions;
use super::topic::{self, Topic};
use super::wire::Refusal;
use super::{Incoming, wire};
use crate::base::time::Clock;
use crate::base::{Counters, SecretFile, ShopTime};
use crate::events::{Observation, Stamped};
use crate::shop::Shop;
use events::Events;
use link::Message;
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// `[mqtt]` of the config file.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MqttOptions {
    /// Broker's host name or address.
    pub host: String,
    pub port: u16,
    /// What is spoken.
    pub version: MqttVersion,
    /// The CA of the broker's certificate, PEM. Unset: no TLS.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate and what it was issued by, PEM.
    pub client_cert_file: Option<PathBuf>,
    /// Its private key, PEM.
    pub client_key_file: Option<SecretFile>,
    /// With a user there must be a password file.
    pub user: Option<String>,
    /// The password in its first line; read at every connect, so that it may change.
    pub password_file: Option<SecretFile>,
    /// Scales that publish plain numbers.
    pub scales: Vec<ScaleOptions>,
    /// Names our two sessions at the broker; two daemons on one broker need different ones. Default: `carryout-{shop}`.
    pub client_id: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum MqttVersion {
    #[default]
    #[serde(rename = "3.1.1")]
    V3,
    #[serde(rename = "5")]
    V5,
}

impl Default for MqttOptions {
    fn default() -> MqttOptions {
        MqttOptions {
            host: "127.0.0.1".into(),
            port: 1883,
            version: MqttVersion::V3,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
            user: None,
            password_file: None,
            client_id: None,
            scales: Vec::new(),
        }
    }
}

/// Messages of ours that the broker has not acknowledged yet, at most. More wait in the outbox.
const WINDOW: usize = 64;

/// Requests on their way into a connection: at most [`WINDOW`] publishes, and acknowledgements, of which there are never
/// more than MQTT has packet ids. So an acknowledgement always finds room.
const REQUESTS: usize = u16::MAX as usize + WINDOW + 16;

/// Taps and passages read and not yet taken by the floor. Full: we hang up, and the broker keeps the rest.
const EVENTS_WAITING: usize = 1_024;

/// Bytes of a packet, at first. Between 256 KiB (limits.rs) and this a message is refused and nothing else is lost;
/// beyond it rumqttc hangs up, and what is measured until we are back is missing.
const PACKET_BYTES: usize = 16 * 1024 * 1024;

const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long a broker of MQTT 5 keeps what comes for us while we are away, seconds: a week. With 3.1.1 it is the broker's to
/// say. A tap that has waited is `expired` anyway; passages and the order of things are what a longer absence needs.
const SESSION_S: u32 = 7 * 24 * 3600;

/// Pause before the first, and before every later attempt to connect again.
const RETRY: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(5);

/// Time for the last words of an ordered stop.
const FAREWELL: Duration = Duration::from_secs(2);

/// Everything both connections need to know.
struct Context {
    options: MqttOptions,
    shop: Arc<Shop>,
    /// `carryout/v1/{shop}/`
    base: String,
    clock: Clock,
    counters: Counters,
}

/// Runs both connections until told to stop; then says what was left to say, and that we are gone.
///
/// Acknowledgements given before `shutdown` are still sent, later ones are not: their messages come again.
pub async fn run(
    options: MqttOptions,
    shop: Arc<Shop>,
    floor: mpsc::Sender<Incoming>,
    publish: mpsc::Receiver<Publish>,
    clock: Clock,
    counters: Counters,
    shutdown: watch::Receiver<bool>,
) {
    let base = format!("{}/", topic::base(&shop.id));
    let door = Arc::new(Door::new(floor, counters.clone()));
    let context = Arc::new(Context { options, shop, base, clock, counters });
    let (to_floor, mut events) = mpsc::channel(EVENTS_WAITING);
    let (events_line, line) = watch::channel(Line::default());

    let mut tasks = JoinSet::new();
    tasks.spawn(measurements::run(context.clone(), door.clone(), line, shutdown.clone()));
    tasks.spawn(Events::new(context, to_floor, events_line).run(publish, shutdown.clone()));
    // These two end with the set.
    let held = door.clone();
    let mut carriers = JoinSet::new();
    carriers.spawn(async move { held.carry_held().await });
    carriers.spawn(async move {
        while let Some(incoming) = events.recv().await {
            if !door.happened(incoming).await {
                return;
            }
        }
    });
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended
            && error.is_panic()
        {
            // Whoever watches over us starts us again.
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

/// How a connection is: unknown before its first attempt has ended.
#[derive(Clone, Debug, Default, PartialEq)]
struct Line {
    up: Option<bool>,
    /// What there is to do about it, if anything is known.
    why: Option<String>,
}

/// For the floor, before its first tick: nobody is to believe that taps are heard already.
pub fn not_yet(arrival: ShopTime) -> Incoming {
    let observation = Observation::Broker { up: false, why: Some("It is being called.".into()) };
    Incoming { stamped: Stamped { arrival, observation }, ack: None }
}

/// Waits until it is time to stop.
async fn told_to_stop(shutdown: &mut watch::Receiver<bool>) {
    // A dropped sender is a stop too.
    let _ = shutdown.wait_for(|stop| *stop).await;
}

impl Context {
    /// Reads a message; refusals are counted here.
    fn read(&self, message: &Message) -> Result<Stamped, Refusal> {
        let arrival = self.clock.now();
        let below = message.topic.strip_prefix(&self.base).unwrap_or_default();
        let Some(topic) = Topic::of(below) else {
            let refusal = Refusal::new("mqtt", wire::Why::UnknownId, "a message under a topic we did not ask for");
            refusal.count(&self.counters);
            return Err(refusal);
        };
        match topic::read(topic, message.retain, &message.payload, arrival, &self.shop) {
            Ok(observation) => {
                self.counters.count(&format!("{}.received", topic.what()));
                Ok(Stamped { arrival, observation })
            }
            Err(refusal) => {
                refusal.count(&self.counters);
                Err(refusal)
            }
        }
    }
}
