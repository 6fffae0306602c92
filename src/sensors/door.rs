//! The way into the floor's queue, and what happens when it is full.
//!
//! Measurements never wait: the connection has to keep reading, or the broker drops it. Weights and shelf states are
//! absolute, so the newest per shelf is kept until there is room and older ones are dropped and counted (a gap, never a
//! lost sale); people are dropped and counted, the next look comes in 100 ms. Taps and passages wait, unacknowledged.

use super::Incoming;
use crate::base::{Counters, ShelfId};
use crate::events::Observation;
use std::collections::BTreeMap;
use std::sync::Mutex;
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, error::TrySendError};

pub struct Door {
    floor: mpsc::Sender<Incoming>,
    /// The newest of each kind that found the queue full. At most two a shelf and one for the broker.
    held: Mutex<BTreeMap<Held, Incoming>>,
    wake: Notify,
    counters: Counters,
}

/// What a newer observation of the same kind replaces.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Held {
    Broker,
    Online(ShelfId),
    Weights(ShelfId),
}

impl Held {
    fn of(observation: &Observation) -> Option<Held> {
        match observation {
            Observation::Weights(weights) => Some(Held::Weights(weights.shelf.clone())),
            Observation::ShelfOnline { shelf, .. } => Some(Held::Online(shelf.clone())),
            Observation::Broker { .. } => Some(Held::Broker),
            _ => None,
        }
    }
}

impl Door {
    pub fn new(floor: mpsc::Sender<Incoming>, counters: Counters) -> Door {
        Door { floor, held: Mutex::default(), wake: Notify::new(), counters }
    }

    /// Brings in a measurement without waiting.
    pub fn measured(&self, incoming: Incoming) {
        let slot = Held::of(&incoming.stamped.observation);
        let mut held = self.held.lock().expect("held");
        if let Some(slot) = &slot
            && let Some(waiting) = held.get_mut(slot)
        {
            self.dropped(waiting);
            *waiting = incoming;
            return;
        }
        match self.floor.try_send(incoming) {
            Ok(()) => {}
            Err(TrySendError::Full(incoming)) => match slot {
                Some(slot) => {
                    held.insert(slot, incoming);
                    self.wake.notify_one();
                }
                None => self.dropped(&incoming),
            },
            // The floor is gone: the process is ending.
            Err(TrySendError::Closed(_)) => {}
        }
    }

    /// Brings in a tap or a passage, waiting for room. `false`: the floor is gone.
    pub async fn happened(&self, incoming: Incoming) -> bool {
        self.floor.send(incoming).await.is_ok()
    }

    /// Brings in what was held, for as long as the floor lives.
    pub async fn carry_held(&self) {
        loop {
            self.wake.notified().await;
            loop {
                let Ok(room) = self.floor.reserve().await else { return };
                // Sent under the lock, so that nothing newer of the same shelf overtakes it.
                let mut held = self.held.lock().expect("held");
                match held.pop_first() {
                    Some((_, incoming)) => room.send(incoming),
                    None => break,
                }
            }
        }
    }

    fn dropped(&self, incoming: &Incoming) {
        self.counters.count(match incoming.stamped.observation {
            Observation::Weights(_) => "weights.dropped",
            Observation::People(_) => "people.dropped",
            _ => "status.dropped",
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{CameraId, ShopTime};
    use crate::events::{People, Stamped, Weights};

    fn incoming(observation: Observation) -> Incoming {
        Incoming { stamped: Stamped { arrival: ShopTime(0), observation }, ack: None }
    }

    fn weights(shelf: &str, seq: u64) -> Incoming {
        let shelf = ShelfId::new(shelf);
        let batch = Weights { shelf, boot: "b".into(), seq, t0_us: 0, dt_us: 1, plates: Vec::new() };
        incoming(Observation::Weights(batch))
    }

    fn people(seq: u64) -> Incoming {
        let camera = CameraId::new("c");
        incoming(Observation::People(People { camera, boot: "b".into(), seq, t_us: 0, people: Vec::new() }))
    }

    #[tokio::test]
    async fn a_full_floor_gets_the_newest_weights_of_every_shelf() {
        let (floor, mut queue) = mpsc::channel(1);
        let counters = Counters::default();
        let door = std::sync::Arc::new(Door::new(floor, counters.clone()));
        // One fits; of the rest the newest per shelf is kept, and people are not.
        for seq in 0..5 {
            door.measured(weights("a", seq));
            door.measured(weights("b", seq));
            door.measured(people(seq));
        }
        let carrier = tokio::spawn({
            let door = door.clone();
            async move { door.carry_held().await }
        });
        let mut came = Vec::new();
        for _ in 0..3 {
            match queue.recv().await.unwrap().stamped.observation {
                Observation::Weights(w) => came.push((w.shelf.to_string(), w.seq)),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(came, [("a".to_string(), 0), ("a".to_string(), 4), ("b".to_string(), 4)]);
        assert_eq!((counters.get("weights.dropped"), counters.get("people.dropped")), (7, 5));
        carrier.abort();
    }
}
