//! Taps and passages in, decisions, carts, events and status out: the connection whose session the broker keeps.
//!
//! The [`Ack`] beside an observation is called once what it caused is on disk, from whatever thread. What was not
//! acknowledged comes again after a crash or an outage.

use super::connection::{Connection, News};
use super::link::{Message, Speaker};
use super::{Context, FAREWELL, Line, told_to_stop};
use crate::base::time::SECOND_US;
use crate::base::{Ack, GateId};
use crate::sensors::Incoming;
use crate::sensors::outbox::Outbox;
use crate::sensors::publish::Publish;
use crate::sensors::topic::Topic;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

pub struct Events {
    connection: Connection,
    context: Arc<Context>,
    to_floor: mpsc::Sender<Incoming>,
    /// For the other connection, which tells the floor of both.
    line: watch::Sender<Line>,
    outbox: Outbox,
    /// Sent and not yet acknowledged by the broker, at most the connection's window.
    unconfirmed: usize,
}

impl Events {
    pub fn new(context: Arc<Context>, to_floor: mpsc::Sender<Incoming>, line: watch::Sender<Line>) -> Events {
        let filters = ["gate/+/tap", "gate/+/passage"].map(|below| (format!("{}{below}", context.base), 1)).to_vec();
        Events {
            connection: Connection::new("events", context.clone(), true, filters),
            outbox: Outbox::new(context.counters.clone()),
            context,
            to_floor,
            line,
            unconfirmed: 0,
        }
    }

    pub async fn run(mut self, mut publish: mpsc::Receiver<Publish>, mut shutdown: watch::Receiver<bool>) {
        let mut pause = Duration::ZERO;
        loop {
            let up = self.connection.up == Some(true);
            let news = {
                let Events { connection, outbox, unconfirmed, context, .. } = &mut self;
                let (speaker, window) = (connection.speaker.clone(), if up { connection.window } else { 0 });
                send_waiting(outbox, &speaker, context, window, unconfirmed);
                // Kept over the turns of the inner loop, so that it is not cancelled by something to publish.
                let mut next = pin!(connection.next_after(pause));
                loop {
                    tokio::select! {
                        news = &mut next => break Some(news),
                        Some(message) = publish.recv() => {
                            outbox.push(message, up);
                            send_waiting(outbox, &speaker, context, window, unconfirmed);
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
            News::Up => {
                self.outbox.up();
                self.line.send_replace(Line { up: Some(true), why: None });
            }
            News::Delivered => self.unconfirmed = self.unconfirmed.saturating_sub(1),
            News::Message(message) => {
                if !self.take(message) {
                    self.context.counters.refuse("events.overrun", "the floor does not keep up; the broker keeps taps");
                    let lost = self.connection.hang_up();
                    return self.heard(lost);
                }
            }
            // What was read and not reported yet is not acknowledged: it comes again.
            News::Down { leftover, pause, why } => {
                self.down(leftover.unconfirmed);
                self.line.send_replace(Line { up: Some(false), why });
                return pause;
            }
            News::Nothing => {}
        }
        Duration::ZERO
    }

    fn down(&mut self, unconfirmed: Vec<Message>) {
        self.unconfirmed = 0;
        let base = &self.context.base;
        let ours = |message: Message| Publish {
            topic: message.topic.strip_prefix(base).unwrap_or_default().to_owned(),
            payload: message.payload,
            qos: message.qos,
            retain: message.retain,
            good_until: None,
        };
        let unconfirmed = unconfirmed.into_iter().map(ours).collect();
        self.outbox.down(unconfirmed);
    }

    /// `false`: there is no room for it.
    fn take(&mut self, message: Message) -> bool {
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

    fn ack(&self, message: &Message) -> Ack {
        let (speaker, session) = (self.connection.speaker.clone(), self.connection.session.clone());
        let (qos, number, came_over) = (message.qos, message.number, *session.lock().expect("session"));
        Ack::new(move || {
            let now = session.lock().expect("session");
            if *now == came_over {
                speaker.acknowledge(qos, number);
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
        let (speaker, window) = (self.connection.speaker.clone(), self.connection.window);
        while !(self.outbox.is_empty() && self.unconfirmed == 0) {
            send_waiting(&mut self.outbox, &speaker, &self.context, window, &mut self.unconfirmed);
            match self.connection.next().await {
                News::Delivered => self.unconfirmed = self.unconfirmed.saturating_sub(1),
                News::Down { .. } => return,
                News::Up | News::Message(_) | News::Nothing => {}
            }
        }
        self.connection.disconnect().await;
    }
}

/// Hands waiting messages to the connection, as many as may be unconfirmed at once: `window`, 0 while it is down.
fn send_waiting(outbox: &mut Outbox, speaker: &Speaker, context: &Context, window: usize, unconfirmed: &mut usize) {
    while *unconfirmed < window {
        let now = context.clock.now();
        let Some(Publish { topic, payload, qos, retain, good_until }) = outbox.pop(now) else { return };
        // Begun seconds count: what is good for less than one would otherwise be good for none.
        let good_s = good_until.map(|until| (until.since(now).max(0) / SECOND_US) as u32 + 1);
        if speaker.publish(format!("{}{topic}", context.base), qos, retain, payload, good_s) {
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
