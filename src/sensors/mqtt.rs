//! The broker: two connections, one for what happened, one for what is measured.
//!
//! *Events* (taps, passages) come with QoS 1 over a durable session and are acknowledged by hand: the [`Ack`] beside an
//! observation is called once what it caused is on disk, from whatever thread. What was not acknowledged comes again
//! after a crash or an outage; ids make that harmless. A broker gives out only so many unacknowledged messages
//! (mosquitto: 20) and then waits, so every `Ack` has to be called in the end. The daemon speaks on this connection too.
//!
//! *Measurements* (weights, people, statuses) come over a clean session, acknowledged at once; the floor is told when
//! this connection comes and goes, because a silent shelf is not a calm shelf.
//!
//! Both reconnect for ever. A connection's `poll` is never cancelled half way: it would forget what it has just sent.

use super::door::Door;
use super::outbox::{self, Outbox};
use super::publish::Publish;
use super::topic::{self, Topic};
use super::wire::Refusal;
use super::{Incoming, wire};
use crate::base::time::Clock;
use crate::base::{Ack, Counters, GateId, SecretFile};
use crate::events::{Observation, Stamped};
use crate::shop::Shop;
use rumqttc::mqttbytes::Error as PacketError;
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, LastWill, Outgoing, Packet, QoS, Request, StateError, Subscribe,
    SubscribeFilter, SubscribeReasonCode,
};
use serde::Deserialize;
use std::pin::pin;
use std::sync::{Arc, Mutex};
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
    /// With a user there must be a password file.
    pub user: Option<String>,
    /// The password in its first line; read at every connect, so that it may change.
    pub password_file: Option<SecretFile>,
    /// Names our two sessions at the broker; two daemons on one broker need different ones. Default: `carryout-{shop}`.
    pub client_id: Option<String>,
}

impl Default for MqttOptions {
    fn default() -> MqttOptions {
        MqttOptions { host: "127.0.0.1".into(), port: 1883, user: None, password_file: None, client_id: None }
    }
}

/// Messages of ours that the broker has not acknowledged yet. More wait in the outbox. Below rumqttc's 100, so that it
/// never stops reading acknowledgements behind them.
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

    let mut tasks = JoinSet::new();
    tasks.spawn(measurements(context.clone(), door.clone(), shutdown.clone()));
    tasks.spawn(Events::new(context, to_floor).run(publish, shutdown.clone()));
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

/// Waits until it is time to stop.
async fn told_to_stop(shutdown: &mut watch::Receiver<bool>) {
    // A dropped sender is a stop too.
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// One connection: connects, subscribes, and tells its owner what came.
struct Connection {
    name: &'static str,
    client: AsyncClient,
    eventloop: EventLoop,
    subscription: Subscribe,
    context: Arc<Context>,
    retry: Duration,
    /// Known only after the first attempt.
    up: Option<bool>,
    /// Counts connections: an acknowledgement is only good on the one its message came over.
    session: Arc<Mutex<u64>>,
}

/// What a connection reports.
enum News {
    Up,
    Message(rumqttc::Publish),
    /// A message of ours has arrived.
    Delivered,
    /// Left over from before: messages read and not yet reported. The next attempt waits for `pause`.
    Down {
        unread: Vec<rumqttc::Publish>,
        unconfirmed: Vec<rumqttc::Publish>,
        pause: Duration,
    },
    Nothing,
}

impl Connection {
    fn new(name: &'static str, context: Arc<Context>, durable: bool, filters: Vec<(&str, QoS)>) -> Connection {
        let client_id = match &context.options.client_id {
            Some(id) => format!("{id}-{name}"),
            None => format!("carryout-{}-{name}", context.shop.id),
        };
        let mut options = rumqttc::MqttOptions::new(client_id, &context.options.host, context.options.port);
        options
            .set_keep_alive(KEEP_ALIVE)
            .set_clean_session(!durable)
            .set_manual_acks(durable)
            .set_max_packet_size(PACKET_BYTES, outbox::MOST_BYTES + 1024);
        if durable {
            let will = Publish::offline(None);
            let topic = format!("{}{}", context.base, will.topic);
            options.set_last_will(LastWill::new(topic, will.payload, QoS::AtLeastOnce, true));
        }
        let (client, mut eventloop) = AsyncClient::new(options, REQUESTS);
        // Without it a QoS 1 round trip costs 44 ms instead of 0.5.
        eventloop.network_options.set_tcp_nodelay(true);
        let filters =
            filters.into_iter().map(|(below, qos)| SubscribeFilter::new(format!("{}{below}", context.base), qos));
        let subscription = Subscribe::new_many(filters);
        let mut connection = Connection {
            name,
            client,
            eventloop,
            subscription,
            context,
            retry: *RETRY.start(),
            up: None,
            session: Arc::default(),
        };
        connection.read_password();
        connection
    }

    /// Not to be cancelled, except for good.
    async fn next(&mut self) -> News {
        match self.eventloop.poll().await {
            Ok(event) => self.heard(event),
            Err(error) => self.down(error),
        }
    }

    fn heard(&mut self, event: Event) -> News {
        match event {
            Event::Incoming(Packet::ConnAck(_)) => {
                // Ahead of anything else: with a clean session the broker knows nothing of us.
                self.eventloop.pending.push_front(Request::Subscribe(self.subscription.clone()));
                News::Nothing
            }
            Event::Incoming(Packet::SubAck(answer)) => {
                if answer.return_codes.contains(&SubscribeReasonCode::Failure) {
                    let detail = format!("{}: the broker refuses a subscription; check its access rules", self.name);
                    self.context.counters.refuse("mqtt.subscription_refused", detail);
                }
                self.retry = *RETRY.start();
                self.up = Some(true);
                tracing::info!(connection = self.name, host = %self.context.options.host, "broker connected");
                News::Up
            }
            Event::Incoming(Packet::Publish(message)) => News::Message(message),
            Event::Incoming(Packet::PubAck(_) | Packet::PubComp(_)) | Event::Outgoing(Outgoing::Publish(0)) => {
                News::Delivered
            }
            _ => News::Nothing,
        }
    }

    fn down(&mut self, error: ConnectionError) -> News {
        *self.session.lock().expect("session") += 1;
        // Once more after rumqttc itself: an acknowledgement may have slipped in before the line above, and would be
        // taken for one of the next session's.
        self.eventloop.clean();
        let mut unconfirmed = Vec::new();
        for request in self.eventloop.pending.drain(..) {
            if let Request::Publish(publish) = request {
                unconfirmed.push(publish);
            }
        }
        // rumqttc keeps these two over a lost connection, where they mean nothing.
        unconfirmed.extend(self.eventloop.state.collision.take());
        let unread = std::mem::take(&mut self.eventloop.state.events);
        let unread = unread.into_iter().filter_map(|event| match event {
            Event::Incoming(Packet::Publish(message)) => Some(message),
            _ => None,
        });

        let mut pause = self.retry;
        self.retry = (self.retry * 2).min(*RETRY.end());
        if let ConnectionError::MqttState(StateError::Deserialization(PacketError::PayloadSizeLimitExceeded(bytes))) =
            error
        {
            // It would come again and again. Let it in, so that it can be refused and acknowledged. MQTT's own limit
            // is 256 MiB; `message_size_limit` of the broker should be much lower.
            let options = &mut self.eventloop.mqtt_options;
            options.set_max_packet_size(bytes.next_power_of_two(), outbox::MOST_BYTES + 1024);
            self.context.counters.refuse("mqtt.oversized", format_args!("{}: a packet of {bytes} bytes", self.name));
            pause = Duration::ZERO;
        }
        if self.up != Some(false) {
            let host = &self.context.options.host;
            tracing::warn!(connection = self.name, %host, %error, "broker lost; trying again until it is back");
            self.context.counters.count("mqtt.lost");
        }
        self.up = Some(false);
        self.read_password();
        News::Down { unread: unread.collect(), unconfirmed, pause }
    }

    /// Ends the connection from our side, as if it were lost.
    fn hang_up(&mut self) -> News {
        self.down(ConnectionError::NetworkTimeout)
    }

    fn read_password(&mut self) {
        let options = &self.context.options;
        let Some(user) = &options.user else { return };
        let password = match &options.password_file {
            None => String::new(),
            Some(file) => file.first_line().unwrap_or_else(|error| {
                let detail = format!("the password_file of [mqtt]: {error}");
                self.context.counters.refuse("mqtt.password_file", detail);
                String::new()
            }),
        };
        self.eventloop.mqtt_options.set_credentials(user, password);
    }

    /// Says goodbye, so that the broker does not send our last will.
    async fn disconnect(&mut self) {
        if self.up != Some(true) || self.client.try_disconnect().is_err() {
            return;
        }
        loop {
            match self.eventloop.poll().await {
                Ok(Event::Outgoing(Outgoing::Disconnect)) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }
}

impl Context {
    /// Reads a message; refusals are counted here.
    fn read(&self, message: &rumqttc::Publish) -> Result<Stamped, Refusal> {
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

async fn measurements(context: Arc<Context>, door: Arc<Door>, mut shutdown: watch::Receiver<bool>) {
    // People are QoS 0 by contract; weights and statuses come as their senders send them.
    let filters = vec![
        ("shelf/+/weights", QoS::AtLeastOnce),
        ("shelf/+/status", QoS::AtLeastOnce),
        ("gate/+/status", QoS::AtLeastOnce),
        ("camera/+/people", QoS::AtMostOnce),
    ];
    let mut connection = Connection::new("measurements", context.clone(), false, filters);
    let mut told_up = None;
    let tell = |up: bool, told_up: &mut Option<bool>| {
        if *told_up != Some(up) {
            *told_up = Some(up);
            let stamped = Stamped { arrival: context.clock.now(), observation: Observation::Broker { up } };
            door.measured(Incoming { stamped, ack: None });
        }
    };
    let take = |message: rumqttc::Publish| {
        if let Ok(stamped) = context.read(&message) {
            door.measured(Incoming { stamped, ack: None });
        }
    };
    loop {
        let news = tokio::select! {
            news = connection.next() => news,
            () = told_to_stop(&mut shutdown) => break,
        };
        match news {
            News::Up => tell(true, &mut told_up),
            News::Message(message) => take(message),
            News::Delivered | News::Nothing => {}
            News::Down { unread, pause, .. } => {
                unread.into_iter().for_each(take);
                tell(false, &mut told_up);
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = told_to_stop(&mut shutdown) => break,
                }
            }
        }
    }
    let _ = tokio::time::timeout(FAREWELL, connection.disconnect()).await;
}

/// Taps and passages in, decisions, carts, events and status out.
struct Events {
    connection: Connection,
    context: Arc<Context>,
    to_floor: mpsc::Sender<Incoming>,
    outbox: Outbox,
    /// Sent and not yet acknowledged by the broker, at most [`WINDOW`].
    unconfirmed: usize,
}

impl Events {
    fn new(context: Arc<Context>, to_floor: mpsc::Sender<Incoming>) -> Events {
        let filters = vec![("gate/+/tap", QoS::AtLeastOnce), ("gate/+/passage", QoS::AtLeastOnce)];
        Events {
            connection: Connection::new("events", context.clone(), true, filters),
            outbox: Outbox::new(context.counters.clone()),
            context,
            to_floor,
            unconfirmed: 0,
        }
    }

    async fn run(mut self, mut publish: mpsc::Receiver<Publish>, mut shutdown: watch::Receiver<bool>) {
        let mut pause = Duration::ZERO;
        loop {
            let up = self.connection.up == Some(true);
            let news = {
                let Events { connection, outbox, unconfirmed, context, .. } = &mut self;
                let client = connection.client.clone();
                send_waiting(outbox, &client, context, up, unconfirmed);
                // Kept over the turns of the inner loop, so that it is not cancelled by something to publish.
                let mut next = pin!(async {
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                    connection.next().await
                });
                loop {
                    tokio::select! {
                        news = &mut next => break Some(news),
                        Some(message) = publish.recv() => {
                            outbox.push(message, up);
                            send_waiting(outbox, &client, context, up, unconfirmed);
                        }
                        () = told_to_stop(&mut shutdown) => break None,
                    }
                }
            };
            let Some(news) = news else { break };
            pause = self.heard(news);
        }
        let _ = tokio::time::timeout(FAREWELL, self.farewell(publish)).await;
    }

    /// How long to wait before the next turn; not at all, unless the connection is lost.
    fn heard(&mut self, news: News) -> Duration {
        match news {
            News::Up => self.outbox.up(),
            News::Delivered => self.unconfirmed = self.unconfirmed.saturating_sub(1),
            News::Message(message) => {
                if !self.take(message) {
                    self.context.counters.refuse("events.overrun", "the floor does not keep up; the broker keeps taps");
                    let lost = self.connection.hang_up();
                    return self.heard(lost);
                }
            }
            // What was read and not reported yet is not acknowledged: it comes again.
            News::Down { unconfirmed, pause, .. } => {
                self.down(unconfirmed);
                return pause;
            }
            News::Nothing => {}
        }
        Duration::ZERO
    }

    fn down(&mut self, unconfirmed: Vec<rumqttc::Publish>) {
        self.unconfirmed = 0;
        let base = &self.context.base;
        let ours = |message: rumqttc::Publish| Publish {
            topic: message.topic.strip_prefix(base).unwrap_or_default().to_owned(),
            payload: message.payload.to_vec(),
            qos: message.qos as u8,
            retain: message.retain,
            good_until: None,
        };
        let unconfirmed = unconfirmed.into_iter().map(ours).collect();
        self.outbox.down(unconfirmed);
    }

    /// `false`: there is no room for it.
    fn take(&mut self, message: rumqttc::Publish) -> bool {
        let ack = self.ack(&message);
        match self.context.read(&message) {
            Ok(stamped) => match self.to_floor.try_send(Incoming { stamped, ack: Some(ack) }) {
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => true,
                Err(mpsc::error::TrySendError::Full(_)) => false,
            },
            Err(refusal) => {
                if let (Some(tap), Some(gate)) = (refusal.tap, gate_of(&message.topic, &self.context.base)) {
                    let answer = Publish::malformed(&gate, tap, self.context.clock.now());
                    self.outbox.push(answer, self.connection.up == Some(true));
                }
                // It will not get better by coming again.
                ack.done();
                true
            }
        }
    }

    fn ack(&self, message: &rumqttc::Publish) -> Ack {
        let mut receipt = rumqttc::Publish::new("", message.qos, Vec::new());
        receipt.pkid = message.pkid;
        let (client, session) = (self.connection.client.clone(), self.connection.session.clone());
        let came_over = *session.lock().expect("session");
        Ack::new(move || {
            let now = session.lock().expect("session");
            if *now == came_over {
                // Never full (see REQUESTS); closed only when we are stopping.
                let _ = client.try_ack(&receipt);
            }
        })
    }

    async fn farewell(&mut self, mut publish: mpsc::Receiver<Publish>) {
        publish.close();
        while let Ok(message) = publish.try_recv() {
            self.outbox.push(message, true);
        }
        self.outbox.push(Publish::offline(Some(self.context.clock.now())), true);
        if self.connection.up != Some(true) {
            return;
        }
        let client = self.connection.client.clone();
        while !(self.outbox.is_empty() && self.unconfirmed == 0) {
            send_waiting(&mut self.outbox, &client, &self.context, true, &mut self.unconfirmed);
            match self.connection.next().await {
                News::Delivered => self.unconfirmed = self.unconfirmed.saturating_sub(1),
                News::Down { .. } => return,
                News::Up | News::Message(_) | News::Nothing => {}
            }
        }
        self.connection.disconnect().await;
    }
}

/// Hands waiting messages to the connection, as many as may be unconfirmed at once.
fn send_waiting(outbox: &mut Outbox, client: &AsyncClient, context: &Context, up: bool, unconfirmed: &mut usize) {
    while up && *unconfirmed < WINDOW {
        let Some(Publish { topic, payload, qos, retain, .. }) = outbox.pop(context.clock.now()) else { return };
        let qos = match qos {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        };
        if client.try_publish(format!("{}{topic}", context.base), qos, retain, payload).is_ok() {
            *unconfirmed += 1;
        }
    }
}

/// The gate a refused message came from; known to the shop, or its tap would not have been read.
fn gate_of(topic: &str, base: &str) -> Option<GateId> {
    match Topic::of(topic.strip_prefix(base)?)? {
        Topic::Tap(gate) => Some(GateId::new(gate)),
        _ => None,
    }
}
