//! Weights, people and statuses in: a clean session, acknowledged at once.
//!
//! The floor is told from here when the broker comes and goes, and what there is to do about it if anything is known: a silent
//! shelf is not a calm shelf. It is there when both connections are. Scales that publish plain numbers are gathered here, because their batches are due by the
//! clock and not by a message.

use super::connection::{Connection, News};
use super::link::Message;
use super::{Context, FAREWELL, Line, told_to_stop};
use crate::events::{Observation, Stamped};
use crate::sensors::Incoming;
use crate::sensors::door::Door;
use crate::sensors::scales::Scales;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// `events` is the other connection.
pub async fn run(
    context: Arc<Context>,
    door: Arc<Door>,
    mut events: watch::Receiver<Line>,
    mut shutdown: watch::Receiver<bool>,
) {
    // People are QoS 0 by contract; weights and statuses come as their senders send them.
    let ours = [("shelf/+/weights", 1), ("shelf/+/status", 1), ("gate/+/status", 1), ("camera/+/people", 0)];
    let mut filters = ours.map(|(below, qos)| (format!("{}{below}", context.base), qos)).to_vec();
    filters.extend(Scales::filters(&context.options.scales).into_iter().map(|filter| (filter, 1)));
    let mut connection = Connection::new("measurements", context.clone(), false, filters);
    let mut ears = Ears::new(context, door);
    let mut pause = Duration::ZERO;
    loop {
        let news = {
            // Kept over the turns of the inner loop, so that it is not cancelled by a batch that is due.
            let mut next = pin!(connection.next_after(pause));
            loop {
                tokio::select! {
                    news = &mut next => break Some(news),
                    () = ears.batch_is_due() => ears.close_batches(),
                    Ok(()) = events.changed() => {
                        ears.events = events.borrow_and_update().clone();
                        ears.tell();
                    }
                    () = told_to_stop(&mut shutdown) => break None,
                }
            }
        };
        let Some(news) = news else { break };
        pause = Duration::ZERO;
        match news {
            News::Up => ears.is(true, None),
            News::Message(message) => ears.take(message),
            News::Delivered | News::Nothing => {}
            News::Down { leftover, pause: until_next, why } => {
                leftover.unread.into_iter().for_each(|message| ears.take(message));
                ears.is(false, why);
                pause = until_next;
            }
        }
    }
    let _ = tokio::time::timeout(FAREWELL, connection.disconnect()).await;
}

/// Everything on this side of the connection.
struct Ears {
    context: Arc<Context>,
    door: Arc<Door>,
    scales: Scales,
    measurements: Line,
    events: Line,
    /// What the floor knows of the broker.
    told: Option<(bool, Option<String>)>,
}

impl Ears {
    fn new(context: Arc<Context>, door: Arc<Door>) -> Ears {
        let (shop, counters) = (context.shop.clone(), context.counters.clone());
        let scales = Scales::new(&context.options.scales, shop, counters, context.clock.now());
        Ears { context, door, scales, measurements: Line::default(), events: Line::default(), told: None }
    }

    fn is(&mut self, up: bool, why: Option<String>) {
        self.measurements = Line { up: Some(up), why };
        self.tell();
    }

    fn tell(&mut self) {
        let up = match (self.measurements.up, self.events.up) {
            (Some(true), Some(true)) => true,
            (Some(false), _) | (_, Some(false)) => false,
            // It is still being called.
            _ => return,
        };
        let why = self.measurements.why.clone().or_else(|| self.events.why.clone());
        if self.told != Some((up, why.clone())) {
            self.told = Some((up, why.clone()));
            self.bring(Observation::Broker { up, why });
        }
    }

    fn take(&mut self, message: Message) {
        if self.context.options.scales.is_empty() || message.topic.starts_with(&self.context.base) {
            if let Ok(stamped) = self.context.read(&message) {
                self.door.measured(Incoming { stamped, ack: None });
            }
            return;
        }
        let arrival = self.context.clock.now();
        for observation in self.scales.heard(&message.topic, message.retain, &message.payload, arrival) {
            self.bring(observation);
        }
    }

    /// Until the next batch of gathered readings is due; for ever, if nothing is being gathered.
    async fn batch_is_due(&self) {
        match self.scales.due() {
            Some(due) => {
                let until_us = due.since(self.context.clock.now()).max(0);
                tokio::time::sleep(Duration::from_micros(until_us as u64)).await;
            }
            None => std::future::pending().await,
        }
    }

    fn close_batches(&mut self) {
        for batch in self.scales.close(self.context.clock.now()) {
            self.bring(Observation::Weights(batch));
        }
    }

    fn bring(&self, observation: Observation) {
        let stamped = Stamped { arrival: self.context.clock.now(), observation };
        self.door.measured(Incoming { stamped, ack: None });
    }
}
