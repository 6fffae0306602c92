//! One connection: connects, subscribes, tells its owner what came, and comes back whenever it breaks.
//!
//! Password and certificates are read at every connect. What is wrong with them, or with the broker's, is a named count, a
//! line in the log at most once a minute, and a sentence for the page; the attempts go on for ever, so that whoever puts a
//! file right need not restart anything.

use super::call::{self, NotCalled};
use super::link::{Heard, Leftover, Link, Lost, Message, Speaker, Why, Wishes};
use super::tls::{self, Trouble};
use super::{Context, RETRY};
use crate::sensors::publish::Publish;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub struct Connection {
    name: &'static str,
    pub speaker: Speaker,
    link: Link,
    /// Filters with their QoS.
    filters: Vec<(String, u8)>,
    context: Arc<Context>,
    retry: Duration,
    /// Known only after the first attempt.
    pub up: Option<bool>,
    /// Messages of ours with QoS 1 that may be unacknowledged.
    pub window: usize,
    /// The next turn connects: files have to be read first.
    connecting: bool,
    /// Counts connections: an acknowledgement is only good on the one its message came over.
    pub session: Arc<Mutex<u64>>,
}

/// What a connection reports.
pub enum News {
    Up,
    Message(Message),
    /// A message of ours has arrived.
    Delivered,
    /// Left over from before: messages read and not yet reported. The next attempt waits for `pause`. `why`: what there is
    /// to do about it, if anything is known.
    Down {
        leftover: Leftover,
        pause: Duration,
        why: Option<String>,
    },
    Nothing,
}

impl Connection {
    /// `filters` are whole topics, with wildcards.
    pub fn new(name: &'static str, context: Arc<Context>, durable: bool, filters: Vec<(String, u8)>) -> Connection {
        let options = &context.options;
        let client_id = match &options.client_id {
            Some(id) => format!("{id}-{name}"),
            None => format!("carryout-{}-{name}", context.shop.id),
        };
        let will = durable.then(|| {
            let will = Publish::offline(None);
            (format!("{}{}", context.base, will.topic), will.payload)
        });
        let wishes = Wishes { client_id, host: options.host.clone(), port: options.port, durable, will };
        let (link, speaker) = Link::new(options.version, wishes);
        Connection {
            name,
            speaker,
            link,
            filters,
            context,
            retry: *RETRY.start(),
            up: None,
            window: 1,
            connecting: true,
            session: Arc::default(),
        }
    }

    /// The same after a pause: what a lost connection asked for.
    pub async fn next_after(&mut self, pause: Duration) -> News {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        self.next().await
    }

    /// Not to be cancelled, except for good.
    pub async fn next(&mut self) -> News {
        if self.connecting
            && let Err(NotCalled { counter, what }) = call::prepare(&mut self.link, &self.context.options, None)
        {
            let trouble = Trouble { counter, sentence: format!("It is not called: {what}.") };
            let lost = Lost { why: Why::Network, detail: trouble.sentence.clone() };
            return self.down(lost, Some(trouble));
        }
        self.connecting = false;
        match self.link.poll().await {
            Ok(heard) => self.heard(heard),
            Err(lost) => {
                let trouble = tls::trouble(&lost.why, &self.context.options);
                self.down(lost, trouble)
            }
        }
    }

    fn heard(&mut self, heard: Heard) -> News {
        match heard {
            Heard::Connected { window } => {
                self.window = window;
                self.link.subscribe(&self.filters);
                News::Nothing
            }
            Heard::Subscribed { refused } => {
                if refused {
                    let detail = format!("{}: the broker refuses a subscription; check its access rules", self.name);
                    self.context.counters.refuse("mqtt.subscription_refused", detail);
                }
                self.retry = *RETRY.start();
                self.up = Some(true);
                tracing::info!(connection = self.name, host = %self.context.options.host, "broker connected");
                News::Up
            }
            Heard::Message(message) => News::Message(message),
            Heard::Delivered { refused } => {
                if refused {
                    let detail =
                        format!("{}: the broker takes a message and keeps it; check its access rules", self.name);
                    self.context.counters.refuse("mqtt.publish_refused", detail);
                }
                News::Delivered
            }
            Heard::Goodbye | Heard::Nothing => News::Nothing,
        }
    }

    fn down(&mut self, lost: Lost, trouble: Option<Trouble>) -> News {
        *self.session.lock().expect("session") += 1;
        // Once more after the library itself: an acknowledgement may have slipped in before the line above, and would be
        // taken for one of the next session's.
        let leftover = self.link.clean();
        self.connecting = true;

        let mut pause = self.retry;
        self.retry = (self.retry * 2).min(*RETRY.end());
        if let Why::Oversized(bytes) = lost.why {
            // It would come again and again. Let it in, so that it can be refused and acknowledged. MQTT's own limit
            // is 256 MiB; `message_size_limit` of the broker should be much lower.
            self.link.admit(bytes.next_power_of_two());
            self.context.counters.refuse("mqtt.oversized", format_args!("{}: a packet of {bytes} bytes", self.name));
            pause = Duration::ZERO;
        }
        if let Some(Trouble { counter, sentence }) = &trouble {
            self.context.counters.refuse(counter, format_args!("{}: {sentence}", self.name));
        }
        if self.up != Some(false) {
            let (host, error) = (&self.context.options.host, &lost.detail);
            tracing::warn!(connection = self.name, %host, %error, "broker lost; trying again until it is back");
            self.context.counters.count("mqtt.lost");
        }
        self.up = Some(false);
        News::Down { leftover, pause, why: trouble.map(|trouble| trouble.sentence) }
    }

    /// Ends the connection from our side, as if it were lost.
    pub fn hang_up(&mut self) -> News {
        self.down(Lost { why: Why::Network, detail: "we hung up".into() }, None)
    }

    /// Says goodbye, so that the broker does not send our last will.
    pub async fn disconnect(&mut self) {
        if self.up != Some(true) || !self.speaker.goodbye() {
            return;
        }
        while !matches!(self.link.poll().await, Ok(Heard::Goodbye) | Err(_)) {}
    }
}
