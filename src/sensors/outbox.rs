//! What waits for the broker, and what of it is still worth saying after an outage.
//!
//! A decision is for the person at the gate now: it waits for the broker for two seconds (a start, a short break), and
//! then goes, because late it would open the door for somebody else. A cart is replaced by its next change and goes at
//! once. What goes is counted. Events wait (upstream hears them through the ledger's outbox anyway), and the newest status
//! is said again after every outage, over the last will.

use super::publish::{EVENTS, Publish, STATUS};
use crate::base::{Counters, ShopTime, limits};
use std::collections::VecDeque;

#[derive(Debug)]
pub struct Outbox {
    /// Decisions: before everything else.
    urgent: VecDeque<Publish>,
    rest: VecDeque<Publish>,
    status: Option<Publish>,
    counters: Counters,
}

impl Outbox {
    pub fn new(counters: Counters) -> Outbox {
        Outbox { urgent: VecDeque::new(), rest: VecDeque::new(), status: None, counters }
    }

    /// Takes a message in; `up`: the broker is there.
    pub fn push(&mut self, publish: Publish, up: bool) {
        if publish.payload.len() > MOST_BYTES || publish.topic.contains(['+', '#']) || publish.qos > 2 {
            self.counters.refuse("publish.impossible", "a message over 1 MiB, or under a topic with a wildcard");
            return;
        }
        if publish.topic == STATUS {
            self.status = Some(publish.clone());
        }
        match (up, keeps(&publish)) {
            (_, Keeps::AMoment) => {
                self.urgent.push_back(publish);
                if self.urgent.len() > limits::PUBLISH_QUEUE
                    && let Some(oldest) = self.urgent.pop_front()
                {
                    self.undelivered(&oldest);
                }
            }
            (false, Keeps::UntilDown | Keeps::Newest) => self.undelivered(&publish),
            _ => {
                if self.rest.len() == limits::PUBLISH_QUEUE
                    && let Some(oldest) = self.rest.pop_front()
                {
                    self.undelivered(&oldest);
                }
                self.rest.push_back(publish);
            }
        }
    }

    pub fn pop(&mut self, now: ShopTime) -> Option<Publish> {
        while let Some(decision) = self.urgent.pop_front() {
            if decision.good_until.is_none_or(|until| now <= until) {
                return Some(decision);
            }
            self.undelivered(&decision);
        }
        self.rest.pop_front()
    }

    pub fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.rest.is_empty()
    }

    /// The broker is back: the status comes first.
    pub fn up(&mut self) {
        self.rest.extend(self.status.clone());
        self.rest.rotate_right(usize::from(self.status.is_some()));
    }

    /// The broker is gone. `unconfirmed`: sent and not acknowledged, oldest first; they may arrive twice.
    pub fn down(&mut self, unconfirmed: Vec<Publish>) {
        let mut rest: VecDeque<Publish> = unconfirmed.into();
        rest.append(&mut self.rest);
        for publish in rest {
            match keeps(&publish) {
                Keeps::Through => self.rest.push_back(publish),
                // A decision in here was sent, we do not know when, and may have arrived.
                Keeps::UntilDown | Keeps::AMoment => self.undelivered(&publish),
                Keeps::Newest => {}
            }
        }
    }

    fn undelivered(&self, publish: &Publish) {
        if publish.topic != STATUS {
            self.counters.count("publish.undelivered");
        }
    }
}

/// Bytes of one message we send: a receipt of 200 lines has 60 kB.
pub const MOST_BYTES: usize = 1024 * 1024;

const DECISION: &str = "/decision";

enum Keeps {
    /// Waits for the broker.
    Through,
    /// Waits until it would be late.
    AMoment,
    /// Loses its sense when it is late.
    UntilDown,
    /// Said again from memory.
    Newest,
}

fn keeps(publish: &Publish) -> Keeps {
    match publish.topic.as_str() {
        EVENTS => Keeps::Through,
        STATUS => Keeps::Newest,
        topic if topic.ends_with(DECISION) => Keeps::AMoment,
        _ => Keeps::UntilDown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: ShopTime = ShopTime(1_760_000_000_000_000);

    fn message(topic: &str) -> Publish {
        let good_until = topic.ends_with(DECISION).then_some(NOW.plus_ms(2_000));
        Publish { topic: topic.into(), payload: Vec::new(), qos: 1, retain: false, good_until }
    }

    #[test]
    fn an_outage_drops_what_would_be_late_and_keeps_what_is_news() {
        let counters = Counters::default();
        let mut outbox = Outbox::new(counters.clone());
        let drain = |outbox: &mut Outbox| std::iter::from_fn(|| outbox.pop(NOW)).map(|p| p.topic).collect::<Vec<_>>();

        for topic in ["status", "events", "visit/v/cart", "gate/g/decision"] {
            outbox.push(message(topic), true);
        }
        assert_eq!(drain(&mut outbox), ["gate/g/decision", "status", "events", "visit/v/cart"], "decisions first");

        outbox.push(message("events"), true);
        outbox.push(message("gate/g/decision"), true);
        outbox.down(["status", "events", "gate/g/decision"].map(message).to_vec());
        outbox.push(message("gate/g/decision"), false);
        outbox.push(message("visit/v/cart"), false);
        outbox.push(message("events"), false);
        outbox.up();
        let back = ["gate/g/decision", "gate/g/decision", "status", "events", "events", "events"];
        assert_eq!(drain(&mut outbox), back, "a decision made a moment ago is still for who stands there");
        assert_eq!(counters.get("publish.undelivered"), 2, "the decision that may have arrived, and a cart");

        for topic in ["gate/g/decision", "events"] {
            outbox.push(message(topic), false);
        }
        let later = outbox.pop(NOW.plus_ms(2_001)).expect("the event waits");
        assert_eq!(
            (later.topic.as_str(), counters.get("publish.undelivered")),
            ("events", 3),
            "who stood there has gone"
        );
        assert!(outbox.is_empty());

        for _ in 0..limits::PUBLISH_QUEUE + 3 {
            outbox.push(message("events"), false);
        }
        assert_eq!(drain(&mut outbox).len(), limits::PUBLISH_QUEUE);
        assert_eq!(counters.get("publish.undelivered"), 6);

        outbox.push(message("gate/+/decision"), true);
        assert!(outbox.is_empty());
        assert_eq!(counters.get("publish.impossible"), 1);
    }
}
