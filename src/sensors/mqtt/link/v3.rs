//! MQTT 3.1.1 over rumqttc.

use super::super::{KEEP_ALIVE, PACKET_BYTES, REQUESTS, WINDOW, tls};
use super::{Heard, Leftover, Lost, Message, Why, Wishes};
use crate::sensors::outbox;
use rumqttc::mqttbytes::Error as PacketError;
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, LastWill, MqttOptions, Outgoing, Packet, QoS,
    Request, StateError, Subscribe, SubscribeFilter, SubscribeReasonCode, Transport,
};

pub struct Line(EventLoop);

/// rumqttc's own limit of messages in flight. More than [`WINDOW`], so that it never stops reading acknowledgements behind
/// them.
const IN_FLIGHT: u16 = 100;

/// Bytes around a payload: its topic and numbers.
const AROUND: usize = 1024;

impl Line {
    pub fn new(wishes: Wishes) -> (Line, AsyncClient) {
        let mut options = MqttOptions::new(wishes.client_id, wishes.host, wishes.port);
        options
            .set_keep_alive(KEEP_ALIVE)
            .set_clean_session(!wishes.durable)
            .set_manual_acks(wishes.durable)
            .set_inflight(IN_FLIGHT)
            .set_max_packet_size(PACKET_BYTES, outbox::MOST_BYTES + AROUND);
        if let Some((topic, payload)) = wishes.will {
            options.set_last_will(LastWill::new(topic, payload, QoS::AtLeastOnce, true));
        }
        let (client, mut eventloop) = AsyncClient::new(options, REQUESTS);
        // Without it a QoS 1 round trip costs 44 ms instead of 0.5.
        eventloop.network_options.set_tcp_nodelay(true);
        (Line(eventloop), client)
    }

    pub async fn poll(&mut self) -> Result<Heard, Lost> {
        let fresh = self.0.network.is_none();
        match self.0.poll().await {
            Ok(event) => Ok(heard(event)),
            Err(error) => Err(lost(error, fresh)),
        }
    }

    pub fn subscribe(&mut self, filters: &[(String, u8)]) {
        let filters = filters.iter().map(|(filter, level)| SubscribeFilter::new(filter.clone(), qos(*level)));
        self.0.pending.push_front(Request::Subscribe(Subscribe::new_many(filters)));
    }

    pub fn clean(&mut self) -> Leftover {
        self.0.clean();
        let said = self.0.pending.drain(..).filter_map(|request| match request {
            Request::Publish(publish) => Some(publish),
            _ => None,
        });
        // rumqttc keeps the colliding one and the events over a lost connection, where they mean nothing.
        let unconfirmed: Vec<Message> = said.chain(self.0.state.collision.take()).map(message).collect();
        let unread = std::mem::take(&mut self.0.state.events).into_iter().filter_map(|event| match event {
            Event::Incoming(Packet::Publish(publish)) => Some(message(publish)),
            _ => None,
        });
        Leftover { unread: unread.collect(), unconfirmed }
    }

    pub fn set_login(&mut self, user: &str, password: &str) {
        self.0.mqtt_options.set_credentials(user, password);
    }

    pub fn set_transport(&mut self, transport: Transport) {
        self.0.mqtt_options.set_transport(transport);
    }

    pub fn admit(&mut self, bytes: usize) {
        self.0.mqtt_options.set_max_packet_size(bytes, outbox::MOST_BYTES + AROUND);
    }
}

pub fn qos(level: u8) -> QoS {
    match level {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

fn message(publish: rumqttc::Publish) -> Message {
    let rumqttc::Publish { topic, payload, qos, retain, pkid, .. } = publish;
    Message { topic, payload: payload.into(), qos: qos as u8, retain, number: pkid }
}

fn heard(event: Event) -> Heard {
    match event {
        Event::Incoming(Packet::ConnAck(_)) => Heard::Connected { window: WINDOW },
        Event::Incoming(Packet::SubAck(answer)) => {
            Heard::Subscribed { refused: answer.return_codes.contains(&SubscribeReasonCode::Failure) }
        }
        Event::Incoming(Packet::Publish(publish)) => Heard::Message(message(publish)),
        Event::Incoming(Packet::PubAck(_) | Packet::PubComp(_)) | Event::Outgoing(Outgoing::Publish(0)) => {
            Heard::Delivered { refused: false }
        }
        Event::Outgoing(Outgoing::Disconnect) => Heard::Goodbye,
        _ => Heard::Nothing,
    }
}

/// `fresh`: it broke while connecting.
fn lost(error: ConnectionError, fresh: bool) -> Lost {
    let why = match &error {
        ConnectionError::MqttState(StateError::Deserialization(PacketError::PayloadSizeLimitExceeded(bytes))) => {
            Why::Oversized(*bytes)
        }
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
        ) => Why::Login,
        ConnectionError::MqttState(StateError::ConnectionAborted) if fresh => Why::Unanswered,
        ConnectionError::Tls(error) => tls::handshake(error),
        error => tls::why(error, fresh),
    };
    Lost { why, detail: error.to_string() }
}
