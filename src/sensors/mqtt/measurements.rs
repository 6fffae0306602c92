//! Weights, people and statuses in: a clean session, acknowledged at once.
//!
//! The floor is told when this connection comes and goes, and what there is to do about it if anything is known: a silent
//! shelf is not a calm shelf.

use super::connection::{Connection, News};
use super::link::Message;
use super::{Context, FAREWELL, told_to_stop};
use crate::events::{Observation, Stamped};
use crate::sensors::Incoming;
use crate::sensors::door::Door;
use std::sync::Arc;
use tokio::sync::watch;

pub async fn run(context: Arc<Context>, door: Arc<Door>, mut shutdown: watch::Receiver<bool>) {
    // People are QoS 0 by contract; weights and statuses come as their senders send them.
    let filters = [("shelf/+/weights", 1), ("shelf/+/status", 1), ("gate/+/status", 1), ("camera/+/people", 0)];
    let filters = filters.map(|(below, qos)| (format!("{}{below}", context.base), qos)).to_vec();
    let mut connection = Connection::new("measurements", context.clone(), false, filters);
    let mut told = None;
    let mut tell = |up: bool, why: Option<String>| {
        let news = Some((up, why));
        if told != news {
            told = news;
            let (up, why) = told.clone().expect("just set");
            let stamped = Stamped { arrival: context.clock.now(), observation: Observation::Broker { up, why } };
            door.measured(Incoming { stamped, ack: None });
        }
    };
    let take = |message: Message| {
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
            News::Up => tell(true, None),
            News::Message(message) => take(message),
            News::Delivered | News::Nothing => {}
            News::Down { leftover, pause, why } => {
                leftover.unread.into_iter().for_each(take);
                tell(false, why);
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = told_to_stop(&mut shutdown) => break,
                }
            }
        }
    }
    let _ = tokio::time::timeout(FAREWELL, connection.disconnect()).await;
}
