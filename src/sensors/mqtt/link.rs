//! One line to a broker, whichever version of MQTT is spoken over it.
//!
//! rumqttc has a client for each version, with types of their own. `v3` and `v5` are their adapters: each says in the words
//! below what it hears, and nothing else of the daemon knows which of the two it is. Neither decides anything; what to do
//! when the line breaks is `connection`'s.

mod v3;
mod v5;

use super::MqttVersion;
use rustls::ClientConfig;
use std::sync::Arc;

/// What a line is to be like.
pub struct Wishes {
    pub client_id: String,
    pub host: String,
    pub port: u16,
    /// The broker keeps what comes for us while we are away, and we acknowledge by hand.
    pub durable: bool,
    /// Retained, QoS 1, said by the broker when we are gone without a word.
    pub will: Option<(String, Vec<u8>)>,
}

/// A message as it travels.
#[derive(Clone, Debug)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    /// 0, 1 or 2.
    pub qos: u8,
    pub retain: bool,
    /// The broker's number for it, to acknowledge it by; 0 with QoS 0.
    pub number: u16,
}

/// What was heard on the line.
pub enum Heard {
    /// We may speak. `window`: messages with QoS 1 and 2 that the broker takes before it has acknowledged one.
    Connected {
        window: usize,
    },
    Subscribed {
        refused: bool,
    },
    Message(Message),
    /// A message of ours has arrived. `refused`: the broker took it and will not pass it on (only version 5 says so).
    Delivered {
        refused: bool,
    },
    /// Our goodbye is out.
    Goodbye,
    Nothing,
}

/// Why a line broke.
#[derive(Debug)]
pub struct Lost {
    pub why: Why,
    /// The library's words, for the log.
    pub detail: String,
}

#[derive(Clone, Debug)]
pub enum Why {
    /// The network, or the broker's own reasons.
    Network,
    /// The other side hung up before it had said that we may speak.
    Unanswered,
    /// The same in the middle of the TLS handshake.
    NoHandshake,
    /// A packet of so many bytes, more than we let in.
    Oversized(usize),
    /// User or password.
    Login,
    /// rustls' word on a certificate, ours or theirs.
    Tls(rustls::Error),
}

/// What was on its way when the line broke.
#[derive(Default)]
pub struct Leftover {
    /// Read and not yet heard.
    pub unread: Vec<Message>,
    /// Said and not acknowledged, oldest first.
    pub unconfirmed: Vec<Message>,
}

pub enum Link {
    V3(Box<v3::Line>),
    V5(Box<v5::Line>),
}

/// Speaks on a link, from any thread.
#[derive(Clone)]
pub enum Speaker {
    V3(rumqttc::AsyncClient),
    V5(rumqttc::v5::AsyncClient),
}

/// Hands a call to whichever version it is.
macro_rules! either {
    ($this:expr, $line:ident => $call:expr) => {
        match $this {
            Link::V3($line) => $call,
            Link::V5($line) => $call,
        }
    };
}

impl Link {
    pub fn new(version: MqttVersion, wishes: Wishes) -> (Link, Speaker) {
        match version {
            MqttVersion::V3 => {
                let (line, client) = v3::Line::new(wishes);
                (Link::V3(Box::new(line)), Speaker::V3(client))
            }
            MqttVersion::V5 => {
                let (line, client) = v5::Line::new(wishes);
                (Link::V5(Box::new(line)), Speaker::V5(client))
            }
        }
    }

    /// Connects if need be, sends what is to be sent, and tells what came. Not to be cancelled, except for good: what it
    /// has just sent would be forgotten.
    pub async fn poll(&mut self) -> Result<Heard, Lost> {
        either!(self, line => line.poll().await)
    }

    /// Ahead of anything else that waits: with a clean session the broker knows nothing of us.
    pub fn subscribe(&mut self, filters: &[(String, u8)]) {
        either!(self, line => line.subscribe(filters));
    }

    /// Forgets everything about the connection that was.
    pub fn clean(&mut self) -> Leftover {
        either!(self, line => line.clean())
    }

    /// From the next connect on.
    pub fn set_login(&mut self, user: &str, password: &str) {
        either!(self, line => line.set_login(user, password));
    }

    /// From the next connect on.
    pub fn set_tls(&mut self, config: Arc<ClientConfig>) {
        let transport = rumqttc::Transport::tls_with_config(rumqttc::TlsConfiguration::Rustls(config));
        either!(self, line => line.set_transport(transport));
    }

    /// Lets packets of so many bytes in, from the next connect on.
    pub fn admit(&mut self, bytes: usize) {
        either!(self, line => line.admit(bytes));
    }
}

impl Speaker {
    /// `false`: not a topic, or no room. `good_s`: for how long a broker of MQTT 5 may keep it for somebody who is away; one
    /// of 3.1.1 cannot be told.
    pub fn publish(&self, topic: String, qos: u8, retain: bool, payload: Vec<u8>, good_s: Option<u32>) -> bool {
        match self {
            Speaker::V3(client) => client.try_publish(topic, v3::qos(qos), retain, payload).is_ok(),
            Speaker::V5(client) => {
                let properties = v5::PublishProperties { message_expiry_interval: good_s, ..Default::default() };
                client.try_publish_with_properties(topic, v5::qos(qos), retain, payload, properties).is_ok()
            }
        }
    }

    pub fn acknowledge(&self, qos: u8, number: u16) {
        // Never full (see `super::REQUESTS`); closed only when we are stopping.
        match self {
            Speaker::V3(client) => {
                let mut receipt = rumqttc::Publish::new("", v3::qos(qos), Vec::new());
                receipt.pkid = number;
                let _ = client.try_ack(&receipt);
            }
            Speaker::V5(client) => {
                let mut receipt = v5::Publish::new("", v5::qos(qos), Vec::new(), None);
                receipt.pkid = number;
                let _ = client.try_ack(&receipt);
            }
        }
    }

    pub fn goodbye(&self) -> bool {
        match self {
            Speaker::V3(client) => client.try_disconnect().is_ok(),
            Speaker::V5(client) => client.try_disconnect().is_ok(),
        }
    }
}
