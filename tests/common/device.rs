//! A device of a test: an MQTT client that waits for every acknowledgement before it goes on.

use rumqttc::{AsyncClient, Event, Packet, QoS};
use std::time::Duration;
use tokio::sync::mpsc;

/// Long enough for a busy machine; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Device {
    client: AsyncClient,
    events: mpsc::Receiver<Packet>,
    task: tokio::task::JoinHandle<()>,
    /// Read while waiting for something else.
    messages: std::collections::VecDeque<(String, Vec<u8>)>,
}

impl Device {
    pub async fn connect(port: u16, name: &str) -> Device {
        Device::with(rumqttc::MqttOptions::new(name, "127.0.0.1", port)).await
    }

    /// With a login, or over TLS.
    pub async fn with(mut options: rumqttc::MqttOptions) -> Device {
        options.set_max_packet_size(64 << 20, 64 << 20);
        let (client, mut eventloop) = AsyncClient::new(options, 64);
        eventloop.network_options.set_tcp_nodelay(true);
        let (heard, events) = mpsc::channel(4096);
        let task = tokio::spawn(async move {
            while let Ok(event) = eventloop.poll().await {
                if let Event::Incoming(packet) = event
                    && heard.send(packet).await.is_err()
                {
                    return;
                }
            }
        });
        let mut device = Device { client, events, task, messages: Default::default() };
        device.wait_for(|packet| matches!(packet, Packet::ConnAck(_))).await;
        device
    }

    async fn wait_for(&mut self, wanted: impl Fn(&Packet) -> bool) {
        loop {
            let packet = tokio::time::timeout(PATIENCE, self.events.recv()).await.expect("an answer in time");
            let packet = packet.expect("the broker lives");
            if wanted(&packet) {
                return;
            }
            if let Packet::Publish(message) = packet {
                self.messages.push_back((message.topic, message.payload.to_vec()));
            }
        }
    }

    pub async fn subscribe(&mut self, topic: &str) {
        self.client.subscribe(topic, QoS::AtLeastOnce).await.expect("subscribing");
        self.wait_for(|packet| matches!(packet, Packet::SubAck(_))).await;
    }

    /// QoS 1, and the broker has it when this returns.
    pub async fn publish(&mut self, topic: &str, retain: bool, payload: impl Into<Vec<u8>>) {
        self.client.publish(topic, QoS::AtLeastOnce, retain, payload.into()).await.expect("publishing");
        self.wait_for(|packet| matches!(packet, Packet::PubAck(_))).await;
    }

    /// The next message: topic and JSON.
    pub async fn next(&mut self) -> (String, serde_json::Value) {
        loop {
            if let Some((topic, payload)) = self.messages.pop_front() {
                return (topic, serde_json::from_slice(&payload).expect("JSON"));
            }
            let packet = tokio::time::timeout(PATIENCE, self.events.recv()).await.expect("a message in time");
            if let Packet::Publish(message) = packet.expect("the broker lives") {
                self.messages.push_back((message.topic, message.payload.to_vec()));
            }
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.task.abort();
    }
}
