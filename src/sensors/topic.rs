//! Which topic means what, and a message under it to an observation.

use super::wire::{Refusal, Why};
use super::{gate, people, shelf};
use crate::base::{ShopId, ShopTime};
use crate::events::Observation;
use crate::shop::Shop;

/// What every topic of a shop begins with.
pub fn base(shop: &ShopId) -> String {
    format!("carryout/v1/{shop}")
}

/// A topic we listen to, with the device's id in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic<'a> {
    Weights(&'a str),
    ShelfStatus(&'a str),
    Tap(&'a str),
    Passage(&'a str),
    GateStatus(&'a str),
    People(&'a str),
}

impl<'a> Topic<'a> {
    /// Reads a topic below the base: `shelf/1-2/weights`.
    pub fn of(below: &'a str) -> Option<Topic<'a>> {
        let mut levels = below.split('/');
        let (kind, id, leaf) = (levels.next()?, levels.next()?, levels.next()?);
        if levels.next().is_some() {
            return None;
        }
        match (kind, leaf) {
            ("shelf", "weights") => Some(Topic::Weights(id)),
            ("shelf", "status") => Some(Topic::ShelfStatus(id)),
            ("gate", "tap") => Some(Topic::Tap(id)),
            ("gate", "passage") => Some(Topic::Passage(id)),
            ("gate", "status") => Some(Topic::GateStatus(id)),
            ("camera", "people") => Some(Topic::People(id)),
            _ => None,
        }
    }

    /// The name refusals and counters use.
    pub fn what(&self) -> &'static str {
        match self {
            Topic::Weights(_) => "weights",
            Topic::ShelfStatus(_) => "shelf_status",
            Topic::Tap(_) => "tap",
            Topic::Passage(_) => "passage",
            Topic::GateStatus(_) => "gate_status",
            Topic::People(_) => "people",
        }
    }
}

/// A message to what it says. `retained`: the broker kept it and hands it out on subscribing; we cannot know since when.
pub fn read(
    topic: Topic,
    retained: bool,
    payload: &[u8],
    arrival: ShopTime,
    shop: &Shop,
) -> Result<Observation, Refusal> {
    if retained && !matches!(topic, Topic::ShelfStatus(_)) {
        let detail = format!("a {} message was published with the retain flag; send it without", topic.what());
        return Err(Refusal::new(topic.what(), Why::Retained, detail));
    }
    match topic {
        Topic::Weights(id) => shelf::weights(id, payload, arrival, shop).map(Observation::Weights),
        Topic::ShelfStatus(id) => {
            shelf::status(id, payload, shop).map(|(shelf, online)| Observation::ShelfOnline { shelf, online })
        }
        Topic::Tap(id) => gate::tap(id, payload, arrival, shop).map(Observation::Tap),
        Topic::Passage(id) => gate::passage(id, payload, arrival, shop).map(Observation::Passage),
        Topic::GateStatus(id) => {
            gate::status(id, payload, arrival, shop).map(|(gate, t_us)| Observation::GateClock { gate, t_us })
        }
        Topic::People(id) => people::people(id, payload, arrival, shop).map(Observation::People),
    }
}
