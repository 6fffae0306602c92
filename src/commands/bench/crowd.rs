//! People and shelves of a generated strip, and the floor they are played to: every observation timed by itself.
//!
//! The devices are the simulator's (`sim::shelves` weighs, `sim::people` looks); the people are plainer than its
//! shoppers, because a thousand of them have to be cheap: they tap, walk straight lines, take and put back at the shelves
//! around their gate for about a minute, leave, and somebody else comes. The floor's questions are answered as model
//! worker, ledger and a friendly upstream 20 ms away would. Only `Floor::apply` and `Floor::snapshot` are on the watch, which
//! counts the thread's own time.

use super::processor::thread_s;
use crate::base::limits::TICK;
use crate::base::time::SECOND_US;
use crate::base::{Counters, PassageId, Point2, ShelfId, ShopTime, TapId};
use crate::carts::ChargeState;
use crate::events::{
    Answer, Authorised, ChargeAnswer, Credential, Direction, Effect, Observation, Outgoing, Passage, Stamped, Tap,
};
use crate::floor::{Books, Floor, FloorOptions};
use crate::fusion::NearestAttributor;
use crate::shop::{Gate, Shop};
use crate::sim::chance::Chance;
use crate::sim::looks::{Looks, Wardrobe};
use crate::sim::people::{Eye, Sight};
use crate::sim::person::{Act, Deed, Handling, Party, Person, Reach, Stature};
use crate::sim::shelves::{PUSH_US, Physics, ShelfSim};
use crate::sim::strip::{COLUMNS_A_GATE, PLATES, SHELVES_A_BAY};
use crate::sim::world::WALK_M_S;
use std::collections::BTreeMap;
use std::sync::Arc;

const START_US: i64 = 1_790_000_000_000_000;
/// Generated at a time.
const SLICE_US: i64 = 100_000;
/// As the daemon's floor thread has it.
const SNAPSHOT_EVERY_US: i64 = 100_000;
/// Until everybody who is to be inside has come.
pub const FILL_S: f64 = 30.0;
/// One shops for this long, s.
const STAY_S: (f64, f64) = (40.0, 80.0);
/// Looking around between two movements, s.
const LINGER_S: (f64, f64) = (1.0, 6.0);
const PUT_BACK: f64 = 0.25;
/// From the tap to the first step through the gate, and from reader to line, us.
const AT_READER_US: i64 = 700_000;
/// Upstream's answer, us.
const UPSTREAM_US: i64 = 20_000;
/// Where a shopper stands before a shelf's front edge, metres.
const STAND_M: f64 = 0.42;

/// What the watch tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    People,
    Weights,
    Tick,
    /// Taps, passages, and the answers to the floor's questions.
    Rest,
    /// Not an observation: the picture for the page, taken ten times a second as the daemon does.
    Snapshot,
}

impl Kind {
    fn of(observation: &Observation) -> Kind {
        match observation {
            Observation::People(_) => Kind::People,
            Observation::Weights(_) => Kind::Weights,
            Observation::Tick => Kind::Tick,
            _ => Kind::Rest,
        }
    }
}

pub struct Crowd {
    shop: Arc<Shop>,
    gates: Vec<Gate>,
    chance: Chance,
    guests: Vec<Guest>,
    shelves: Vec<ShelfSim>,
    /// In the order of cells: four of them are a bay.
    shelf_ids: Vec<ShelfId>,
    at_shelf: BTreeMap<ShelfId, usize>,
    eyes: Vec<(f64, f64, Eye)>,
    wardrobe: Wardrobe,
    floor: Floor,
    counters: Counters,
    /// By arrival; the number keeps the order of what arrives at once.
    pending: BTreeMap<(i64, u64), Observation>,
    sent: u64,
    seq: u64,
    now_us: i64,
    next_tick_us: i64,
    visits: u64,
    pictured: ShopTime,
}

struct Guest {
    person: Person,
    gate: usize,
    /// Acts before this one are known to the shelves, which must hear of a touch before it happens.
    told: usize,
}

impl Crowd {
    pub fn new(shop: Shop, people: usize, seed: u64) -> Crowd {
        let shop = Arc::new(shop);
        let counters = Counters::default();
        let floor = Floor::new(shop.clone(), FloorOptions::default(), Books::new(shop.clone()), counters.clone());
        let layout = &shop.layout;
        let mut shelf_ids: Vec<ShelfId> = layout.shelves.keys().cloned().collect();
        let place = |id: &ShelfId| {
            let corner = layout.shelves[id].corners[0];
            ((corner.x * 10.0) as i64, (corner.y * 10.0) as i64, (corner.z * 10.0) as i64)
        };
        shelf_ids.sort_by_key(place);
        let physics = Arc::new(Physics::default());
        let weigh = |id: &ShelfId| ShelfSim::new(id.clone(), PLATES.into(), seed, START_US, physics.clone());
        let eye = |camera: &crate::shop::Camera| {
            let (low, high) = (camera.covers[0].x, camera.covers[1].x);
            (low, high, Eye::new(camera, None, seed, START_US, Sight::default()))
        };
        let mut crowd = Crowd {
            shelves: shelf_ids.iter().map(weigh).collect(),
            at_shelf: shelf_ids.iter().cloned().zip(0..).collect(),
            shelf_ids,
            eyes: layout.cameras.values().map(eye).collect(),
            wardrobe: Wardrobe::new(seed, Looks::default()),
            gates: layout.gates.values().cloned().collect(),
            chance: Chance::new(seed, "bench"),
            guests: Vec::new(),
            floor,
            counters,
            pending: BTreeMap::new(),
            sent: 0,
            seq: 0,
            now_us: START_US,
            next_tick_us: START_US,
            visits: 0,
            pictured: ShopTime(0),
            shop: shop.clone(),
        };
        crowd.gates.sort_by(|a, b| a.reader.x.total_cmp(&b.reader.x));
        crowd.send(START_US, Observation::Started { anchor_us: START_US });
        // One after the other at each gate, so that the last one is in when the watch starts.
        let (gates, rounds) = (crowd.gates.len(), people.div_ceil(crowd.gates.len()));
        for i in 0..people {
            let from_us = START_US + 2 * SECOND_US;
            let tap_us = from_us + ((FILL_S - 6.0) * 1e6 * (i / gates) as f64 / rounds as f64) as i64;
            let person = crowd.shopper(i % gates, tap_us);
            crowd.guests.push(Guest { person, gate: i % gates, told: 0 });
        }
        crowd
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Plays so many seconds of the shop's time; `told` hears of everything the floor did and how long it took, us.
    pub fn play(&mut self, seconds: f64, mut told: impl FnMut(Kind, f64)) {
        let until_us = self.now_us + (seconds * 1e6) as i64;
        while self.now_us < until_us {
            let end_us = self.now_us + SLICE_US;
            self.generate(end_us);
            while let Some(entry) = self.pending.first_entry().filter(|entry| entry.key().0 < end_us) {
                let ((arrival_us, _), observation) = entry.remove_entry();
                self.apply(ShopTime(arrival_us), observation, &mut told);
            }
            self.now_us = end_us;
        }
    }

    fn send(&mut self, arrival_us: i64, observation: Observation) {
        self.pending.insert((arrival_us, self.sent), observation);
        self.sent += 1;
    }

    fn apply(&mut self, arrival: ShopTime, observation: Observation, told: &mut impl FnMut(Kind, f64)) {
        let kind = Kind::of(&observation);
        let began_s = thread_s();
        let effects = self.floor.apply(Stamped { arrival, observation });
        told(kind, 1e6 * (thread_s() - began_s));
        if kind == Kind::Tick && arrival.since(self.pictured) >= SNAPSHOT_EVERY_US {
            self.pictured = arrival;
            let began_s = thread_s();
            drop(self.floor.snapshot());
            told(Kind::Snapshot, 1e6 * (thread_s() - began_s));
        }
        if !effects.entries.is_empty() {
            self.seq += effects.entries.len() as u64;
            self.send(arrival.0, Observation::Durable { seq: self.seq });
        }
        for row in effects.outbox {
            if let Outgoing::Charge { charge_id, .. } = row {
                let captured = ChargeAnswer { charge: charge_id, state: ChargeState::Captured, reason: None };
                self.send(arrival.0 + UPSTREAM_US, Observation::Charged(captured));
            }
        }
        for effect in effects.now.into_iter().chain(effects.then) {
            match effect {
                Effect::Weigh(request) => {
                    let weighed = NearestAttributor::published().weigh(&request, &self.shop.catalogue);
                    self.send(arrival.0, Observation::Weighed(weighed));
                }
                Effect::Authorise { tap_id, amount, .. } => {
                    let expires_us = arrival.0 + 3_600 * SECOND_US;
                    let answer = Answer::Held { authorization_id: format!("hold-{tap_id}"), amount, expires_us };
                    self.send(arrival.0 + UPSTREAM_US, Observation::Authorised(Authorised { tap_id, answer }));
                }
                Effect::Decide { .. } | Effect::Look { .. } | Effect::PublishCart(_) | Effect::PublishEvent(_) => {}
            }
        }
    }

    /// Everything devices say until `end_us`.
    fn generate(&mut self, end_us: i64) {
        for i in 0..self.guests.len() {
            self.tell_shelves(i, end_us + PUSH_US);
            self.act(i, end_us);
        }
        for i in 0..self.shelves.len() {
            while self.shelves[i].next_batch_us() < end_us {
                // The converter's last sample, then some milliseconds of a small computer.
                let sent_us = self.shelves[i].next_batch_us() + 8_000;
                let batch = self.shelves[i].batch();
                self.send(sent_us, Observation::Weights(batch));
            }
        }
        let carried_us = (self.wardrobe.looks().carried_s * 1e6) as i64;
        for i in 0..self.eyes.len() {
            let (low, high) = (self.eyes[i].0, self.eyes[i].1);
            while self.eyes[i].2.next_us() < end_us {
                let t_us = self.eyes[i].2.next_us();
                let standing = self.guests.iter().filter_map(|guest| Some((&guest.person, guest.person.at(t_us)?)));
                let near = standing.filter(|(_, at)| (low..high).contains(&at.x));
                let poses: Vec<_> = near.map(|(person, at)| person.pose(t_us, at, carried_us)).collect();
                let (sent_us, people) = self.eyes[i].2.look(&poses, &mut self.wardrobe, 1.0);
                self.send(sent_us, Observation::People(people));
            }
        }
        while self.next_tick_us < end_us {
            self.send(self.next_tick_us, Observation::Tick);
            self.next_tick_us += TICK.as_micros() as i64;
        }
    }

    fn tell_shelves(&mut self, guest: usize, until_us: i64) {
        let guest = &mut self.guests[guest];
        while let Some(act) = guest.person.acts.get(guest.told)
            && act.t_us < until_us
        {
            guest.told += 1;
            let Deed::Reach(reach) = &act.deed else { continue };
            self.shelves[self.at_shelf[&reach.shelf]].touch(&reach.touch(act.t_us));
        }
    }

    fn act(&mut self, guest: usize, end_us: i64) {
        while let Some(act) = self.guests[guest].person.acts.get(self.guests[guest].person.next)
            && act.t_us < end_us
        {
            let Act { t_us, deed } = act.clone();
            self.guests[guest].person.next += 1;
            // A message is with us after 5 ms.
            let arrival_us = t_us + 5_000;
            match deed {
                Deed::Tap { gate, direction, credential, group_size } => {
                    let tap_id = TapId::new(format!("tap-{}", credential.token));
                    let tap = Tap { gate, tap_id, t_us, direction, credential, group_size };
                    self.send(arrival_us, Observation::Tap(tap));
                }
                Deed::Cross { gate: Some(gate), direction } => {
                    let passage_id = PassageId::new(format!("{:?}-{direction:?}", self.guests[guest].person.body));
                    self.send(arrival_us, Observation::Passage(Passage { gate, passage_id, t_us, direction }));
                }
                Deed::Gone => {
                    let gate = self.guests[guest].gate;
                    let tap_us = end_us + (self.chance.between(2.0, 3.0) * 1e6) as i64;
                    let person = self.shopper(gate, tap_us);
                    self.guests[guest] = Guest { person, gate, told: 0 };
                }
                _ => {}
            }
        }
    }

    /// Somebody who taps at `tap_us`, shops at the shelves around this gate and leaves through it.
    fn shopper(&mut self, gate: usize, tap_us: i64) -> Person {
        self.visits += 1;
        let body = format!("b{}", self.visits);
        let Gate { id, reader, line, .. } = self.gates[gate].clone();
        let middle = line.from.toward(line.to, 0.5);
        let beside = |x_m: f64, y_m: f64| Point2::new(middle.x + x_m, y_m);
        let mut way = Walk { at: beside(-0.3, -2.2), t_us: tap_us - 1_500_000, corners: Vec::new() };
        way.wait(0);
        way.walk(reader);
        way.t_us = tap_us;
        let credential = Credential {
            kind: "card".into(),
            token: format!("tok_{}", self.visits),
            brand: Some("visa".into()),
            last4: Some("4242".into()),
        };
        let tap = Deed::Tap { gate: id.clone(), direction: Direction::In, credential, group_size: 1 };
        let mut acts = vec![Act { t_us: tap_us, deed: tap }];
        way.wait(AT_READER_US);
        way.walk(beside(-0.3, 0.0));
        acts.push(Act { t_us: way.t_us, deed: Deed::Cross { gate: Some(id.clone()), direction: Direction::In } });
        way.walk(beside(-0.3, 0.8));
        let leaves_us = way.t_us + (self.chance.between(STAY_S.0, STAY_S.1) * 1e6) as i64;
        let mut held: Vec<Reach> = Vec::new();
        while way.t_us < leaves_us {
            let back = (!held.is_empty() && self.chance.yes(PUT_BACK)).then(|| held.pop()).flatten();
            let reach = match back {
                Some(took) => Reach { handling: Handling::Put, ..took },
                None => {
                    let take = self.take(gate);
                    held.push(take.clone());
                    take
                }
            };
            let front = self.shop.layout.shelves[&reach.shelf].corners[0].y;
            way.walk(Point2::new(reach.target.x, front - STAND_M));
            way.wait(600_000);
            acts.push(Act { t_us: way.t_us, deed: Deed::Reach(reach) });
            let linger_us = (self.chance.between(LINGER_S.0, LINGER_S.1) * 1e6) as i64;
            way.wait(linger_us);
        }
        way.walk(beside(0.3, 0.8));
        way.walk(beside(0.3, 0.0));
        acts.push(Act { t_us: way.t_us, deed: Deed::Cross { gate: Some(id), direction: Direction::Out } });
        way.walk(beside(0.3, -2.4));
        acts.push(Act { t_us: way.t_us, deed: Deed::Gone });
        let party = Party { visit: body.clone(), ..Party::default() };
        Person { body, party, stature: Stature::Grown, way: way.corners, acts, next: 0 }
    }

    /// One unit of something on a shelf around the gate.
    fn take(&mut self, gate: usize) -> Reach {
        let block = 2 * COLUMNS_A_GATE * SHELVES_A_BAY;
        let first = gate * block;
        let here = self.shelf_ids.len().min(first + block) - first;
        let shelf = self.shelf_ids[first + self.chance.below(here)].clone();
        let no = 1 + self.chance.below(PLATES.into()) as u16;
        let target = self.shop.layout.shelves[&shelf].plates[usize::from(no) - 1].centre;
        let product = self.shop.planogram.on_plate(&shelf, no).next().expect("every plate has a product");
        let grams = self.shop.catalogue.get(product).expect("every product is in the catalogue").weight_g;
        let unit = crate::sim::person::Unit { id: 0, product: product.to_string(), grams, in_catalogue: true };
        Reach {
            handling: Handling::Take,
            slow: false,
            shelf,
            plates: vec![no],
            units: vec![unit],
            centre: no.into(),
            width: 1.0,
            target,
        }
    }
}

/// A way in the making.
struct Walk {
    at: Point2,
    t_us: i64,
    corners: Vec<(i64, Point2)>,
}

impl Walk {
    fn walk(&mut self, to: Point2) {
        self.t_us += (self.at.distance(to) / WALK_M_S * 1e6) as i64;
        self.at = to;
        self.corners.push((self.t_us, to));
    }

    fn wait(&mut self, us: i64) {
        self.t_us += us;
        self.corners.push((self.t_us, self.at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Outcome;
    use crate::sim::strip::strip;

    /// Figures of a shop where nothing happens would be good ones: here people come in on their taps, take things, are
    /// charged for them and leave.
    #[test]
    fn the_generated_shop_is_a_shop() {
        let mut crowd = Crowd::new(strip(48), 12, 1);
        let mut observations = 0;
        crowd.play(120.0, |kind, _| observations += usize::from(kind != Kind::Snapshot));
        let count = |name: &str| crowd.counters().get(name);
        let outcomes = crowd.floor.books().visits.values().filter_map(|visit| visit.closed.map(|(outcome, _)| outcome));
        let charged = outcomes.filter(|outcome| *outcome == Outcome::Charged).count();
        let inside = crowd.floor.books().open_visits().filter(|visit| visit.payer.is_some()).count();
        assert!(charged >= 8, "{charged} charged, {:?}", crowd.counters().all());
        assert!((6..=14).contains(&inside), "{inside} paying visits are open, not about 12");
        assert!(count("visits.no_opening") <= 3, "{} came in on no opening", count("visits.no_opening"));
        assert!(count("steps.settled") >= 100, "{} steps in two minutes", count("steps.settled"));
        assert!(observations > 34_000, "{observations} observations");
    }
}
