//! MQTT 5 over rumqttc's second client.
//!
//! What differs from 3.1.1 and matters here: a durable session has to say for how long; the broker says how many messages
//! it takes at once; it is told for how long a message is good, so that no decision waits for a gate that comes back; it is
//! told how large a packet may be and throws larger ones away itself; and it says when it has taken a message that it will
//! not pass on.

use super::super::{KEEP_ALIVE, PACKET_BYTES, REQUESTS, SESSION_S, WINDOW, tls};
use super::{Heard, Leftover, Lost, Message, Why, Wishes};
use rumqttc::v5::mqttbytes::v5::{
    ConnectProperties, ConnectReturnCode, Filter, LastWill, Packet, PubAckReason, Subscribe, SubscribeReasonCode,
};
use rumqttc::v5::mqttbytes::{Error as PacketError, QoS};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, Request, StateError};
use rumqttc::{Outgoing, Transport};

pub use rumqttc::v5::mqttbytes::v5::{Publish, PublishProperties};

/// Messages in flight, if the broker does not say how many it takes.
const IN_FLIGHT: u16 = 100;

pub struct Line {
    eventloop: EventLoop,
    /// Whether the broker has said that we may speak.
    answered: bool,
}

impl Line {
    pub fn new(wishes: Wishes) -> (Line, AsyncClient) {
        let mut options = MqttOptions::new(wishes.client_id, wishes.host, wishes.port);
        let mut properties = ConnectProperties::new();
        properties.max_packet_size = Some(PACKET_BYTES as u32);
        properties.session_expiry_interval = wishes.durable.then_some(SESSION_S);
        options
            .set_keep_alive(KEEP_ALIVE)
            .set_clean_start(!wishes.durable)
            .set_manual_acks(wishes.durable)
            .set_outgoing_inflight_upper_limit(IN_FLIGHT)
            .set_connect_properties(properties);
        if let Some((topic, payload)) = wishes.will {
            options.set_last_will(LastWill::new(topic, payload, QoS::AtLeastOnce, true, None));
        }
        let mut network = options.network_options();
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        let (client, eventloop) = AsyncClient::new(options, REQUESTS);
        (Line { eventloop, answered: false }, client)
    }

    pub async fn poll(&mut self) -> Result<Heard, Lost> {
        match self.eventloop.poll().await {
            Ok(event) => {
                let heard = heard(event);
                self.answered |= matches!(heard, Heard::Connected { .. });
                Ok(heard)
            }
            Err(error) => Err(lost(error, !std::mem::take(&mut self.answered))),
        }
    }

    pub fn subscribe(&mut self, filters: &[(String, u8)]) {
        let filters = filters.iter().map(|(filter, level)| Filter::new(filter.clone(), qos(*level)));
        self.eventloop.pending.push_front(Request::Subscribe(Subscribe::new_many(filters, None)));
    }

    pub fn clean(&mut self) -> Leftover {
        self.answered = false;
        self.eventloop.clean();
        let said = self.eventloop.pending.drain(..).filter_map(|request| match request {
            Request::Publish(publish) => Some(publish),
            _ => None,
        });
        let unconfirmed: Vec<Message> = said.chain(self.eventloop.state.collision.take()).map(message).collect();
        let unread = std::mem::take(&mut self.eventloop.state.events).into_iter().filter_map(|event| match event {
            Event::Incoming(Packet::Publish(publish)) => Some(message(publish)),
            _ => None,
        });
        Leftover { unread: unread.collect(), unconfirmed }
    }

    pub fn set_login(&mut self, user: &str, password: &str) {
        self.eventloop.options.set_credentials(user, password);
    }

    pub fn set_transport(&mut self, transport: Transport) {
        self.eventloop.options.set_transport(transport);
    }

    pub fn admit(&mut self, bytes: usize) {
        self.eventloop.options.set_max_packet_size(u32::try_from(bytes).ok());
    }
}

pub fn qos(level: u8) -> QoS {
    match level {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

fn message(publish: Publish) -> Message {
    let Publish { topic, payload, qos, retain, pkid, .. } = publish;
    let topic = String::from_utf8_lossy(&topic).into_owned();
    Message { topic, payload: payload.into(), qos: qos as u8, retain, number: pkid }
}

fn heard(event: Event) -> Heard {
    match event {
        Event::Incoming(Packet::ConnAck(answer)) => {
            // One less than the broker takes at once: at its limit rumqttc stops reading acknowledgements behind them.
            let most = answer.properties.and_then(|properties| properties.receive_max).unwrap_or(IN_FLIGHT);
            Heard::Connected { window: usize::from(most.saturating_sub(1)).clamp(1, WINDOW) }
        }
        Event::Incoming(Packet::SubAck(answer)) => {
            let taken = |code: &SubscribeReasonCode| matches!(code, SubscribeReasonCode::Success(_));
            Heard::Subscribed { refused: !answer.return_codes.iter().all(taken) }
        }
        Event::Incoming(Packet::Publish(publish)) => Heard::Message(message(publish)),
        Event::Incoming(Packet::PubAck(answer)) => {
            let taken = matches!(answer.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers);
            Heard::Delivered { refused: !taken }
        }
        Event::Incoming(Packet::PubComp(_)) | Event::Outgoing(Outgoing::Publish(0)) => {
            Heard::Delivered { refused: false }
        }
        Event::Outgoing(Outgoing::Disconnect) => Heard::Goodbye,
        _ => Heard::Nothing,
    }
}

/// `fresh`: it broke while connecting.
fn lost(error: ConnectionError, fresh: bool) -> Lost {
    let why = match &error {
        ConnectionError::MqttState(StateError::Deserialization(PacketError::PayloadSizeLimitExceeded {
            pkt_size,
            ..
        })) => Why::Oversized(*pkt_size),
        ConnectionError::MqttState(StateError::IncomingPacketTooLarge { pkt_size, .. }) => Why::Oversized(*pkt_size),
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized | ConnectReturnCode::Banned,
        ) => Why::Login,
        ConnectionError::MqttState(StateError::ConnectionAborted) if fresh => Why::Unanswered,
        ConnectionError::Tls(error) => tls::handshake(error),
        // Its source is not told by the library itself.
        ConnectionError::MqttState(StateError::Deserialization(error)) => tls::why(error, fresh),
        error => tls::why(error, fresh),
    };
    Lost { why, detail: error.to_string() }
}
