//! The truth's events as the oracle knows them: all but the one it decides.

use super::super::person::{Act, Deed, Handling, Reach, Unit};
use super::super::truth::{EventTruth, TruthLine};
use super::super::world::World;
use super::sight::Sights;
use crate::base::{Point3, ShelfId};
use std::collections::BTreeMap;

/// One line of the truth.
pub struct Event<'a> {
    pub truth: &'a EventTruth,
    pub shelf: ShelfId,
    /// `None` for what is no reach: hand-overs, things dropped.
    pub handling: Option<Handling>,
    /// Whose reach it was.
    pub body: Option<usize>,
    /// Before a put: what every visit held.
    pub held: Vec<(&'a str, &'a str, i64)>,
}

/// The truth's events, with what can be known of each from the others.
pub fn events<'a>(truth: &'a [TruthLine], world: &World, sights: &Sights<'_>) -> Vec<Event<'a>> {
    let mut events: Vec<Event<'a>> = Vec::new();
    for line in truth {
        let TruthLine::Event(truth) = line else { continue };
        let handling = match truth.action.as_str() {
            "take" => Some(Handling::Take),
            "put" => Some(Handling::Put),
            "restock" => Some(Handling::Restock),
            _ => None,
        };
        let shelf = ShelfId::new(truth.shelf_id());
        let front = handling.and_then(|_| world.front(&shelf, &truth.plates));
        // Of a group the nearest to the plates.
        let far_m = |body: usize| {
            let at = sights.floor(body, truth.t_us);
            front.zip(at).filter(|_| sights.bodies[body].visit == truth.visit).map(|(f, at)| f.spot.distance(at))
        };
        let near = (0..sights.bodies.len()).filter_map(|body| Some((far_m(body)?, body)));
        let body = near.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, body)| body);
        events.push(Event { truth, shelf, handling, body, held: Vec::new() });
    }
    let mut order: Vec<usize> = (0..events.len()).collect();
    order.sort_by_key(|i| events[*i].truth.t_us);
    let mut held: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for i in order {
        let EventTruth { action, visit, to, product, quantity, .. } = events[i].truth;
        if events[i].handling == Some(Handling::Put) {
            let some = held.iter().filter(|(_, n)| **n > 0);
            events[i].held = some.map(|((visit, product), n)| (*visit, *product, *n)).collect();
        }
        let mut count = |visit: &'a str, n: i64| *held.entry((visit, product)).or_default() += n;
        match action.as_str() {
            "take" => count(visit, *quantity),
            "put" | "drop" => count(visit, -quantity),
            "handoff" => {
                count(visit, -quantity);
                to.iter().for_each(|to| count(to, *quantity));
            }
            _ => {}
        }
    }
    events
}

impl Event<'_> {
    pub fn is_scored(&self) -> bool {
        self.truth.scored && matches!(self.handling, Some(Handling::Take | Handling::Put))
    }
}

/// A reach as the simulator would have it.
pub fn act(event: &Event<'_>, product: &str, target: Point3) -> Act {
    let unit = Unit { id: 0, product: product.to_owned(), grams: 0.0, in_catalogue: true };
    let reach = Reach {
        handling: event.handling.unwrap_or(Handling::Take),
        slow: false,
        shelf: event.shelf.clone(),
        plates: Vec::new(),
        units: vec![unit],
        centre: 0.0,
        width: 0.0,
        target,
    };
    Act { t_us: event.truth.t_us, deed: Deed::Reach(reach) }
}
