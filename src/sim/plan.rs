//! Puts wishes into time: who stands where when, who goes through which gate when, what a hand holds.
//!
//! A script and a crowd of random shoppers both speak to [`Planner`]: "take this, not before then". It answers with the
//! moment it will really happen, after walking, reaching and waiting for a free gate. Nobody can put back, drop or hand
//! over what they do not hold. `person` is what comes out; `playback` plays it.

use super::chance::Chance;
use super::person::{Act, Deed, HAND_M, Handling, Party, Person, REACH_US, Reach, Stature, Unit, beside};
use super::shelves::SLOWEST_US;
use super::world::{Front, WALK_M_S, Way, World, moved};
use crate::base::{PlateNo, Point2, ShelfId};
use crate::events::Direction;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Two events of one shopper are at least this far apart, us (wire.md, scripts).
pub const BETWEEN_EVENTS_US: i64 = 1_200_000;
/// From the tap to the first step through the gate, us: the gate answers in that time.
pub const AT_READER_US: i64 = 700_000;
/// The next tap at the same gate comes this much later, us: who taps then crosses (1.3 s on) when the last opening
/// (3 s) has lapsed.
const OPENING_US: i64 = 2_600_000;
/// Nobody else crosses the same line this close, us.
const CROSSING_US: i64 = 700_000;
/// Two people at a shelf stand at least this far apart, metres.
const APART_M: f64 = 0.5;

/// What is wanted from a shelf.
#[derive(Clone, Debug)]
pub struct Goods {
    pub product: String,
    pub quantity: u32,
    /// What one unit weighs on average, grams.
    pub mean_g: f64,
    pub in_catalogue: bool,
}

pub struct Planner {
    world: Arc<World>,
    chance: Chance,
    gates: BTreeMap<String, GateBook>,
    spots: Vec<Spot>,
    walkers: BTreeMap<String, Walker>,
    units: u64,
}

/// Who is to come in.
#[derive(Clone, Debug)]
pub struct Body {
    pub name: String,
    pub stature: Stature,
}

impl Body {
    pub fn grown(name: impl Into<String>) -> Body {
        Body { name: name.into(), stature: Stature::Grown }
    }
}

#[derive(Default)]
struct GateBook {
    openings: Vec<Opening>,
    crossings: Vec<i64>,
}

struct Opening {
    from_us: i64,
    to_us: i64,
    /// How many go through on it.
    bodies: usize,
    way: Way,
}

/// Somebody stands there for a while.
struct Spot {
    at: Point2,
    from_us: i64,
    to_us: i64,
    body: String,
}

struct Walker {
    person: Person,
    /// The one of its party who has the card.
    pays: bool,
    at: Point2,
    /// Busy until then: reaching, walking.
    free_us: i64,
    last_event_us: i64,
    held: Vec<Unit>,
}

/// Body `b1` is the script's shopper 1.
fn shopper(body: &str) -> &str {
    body.strip_prefix('b').unwrap_or(body)
}

fn walk_us(path: &[Point2]) -> i64 {
    let length: f64 = path.windows(2).map(|pair| pair[0].distance(pair[1])).sum();
    (length / WALK_M_S * 1e6) as i64
}

/// The place on a way that is so many metres before its end; its beginning, where it is shorter.
fn before_end(path: &[Point2], metres: f64) -> Point2 {
    let mut left = metres;
    for pair in path.windows(2).rev() {
        let length = pair[0].distance(pair[1]);
        if length >= left {
            return pair[1].toward(pair[0], left / length.max(1e-9));
        }
        left -= length;
    }
    path[0]
}

impl Planner {
    pub fn new(world: Arc<World>, seed: u64) -> Planner {
        Planner {
            world,
            chance: Chance::new(seed, "plan"),
            gates: BTreeMap::new(),
            spots: Vec::new(),
            walkers: BTreeMap::new(),
            units: 0,
        }
    }

    /// A party comes to the gate that is free first, taps once if it pays at the entrance, and walks in together. Answers
    /// when the first is inside.
    pub fn enter(&mut self, party: &Party, bodies: &[Body], not_before_us: i64) -> i64 {
        let n = bodies.len();
        let choices: Vec<(i64, Way)> =
            self.world.ways_in().iter().map(|way| (self.free_opening(way, n, not_before_us), way.clone())).collect();
        let (tap_us, way) = choices.into_iter().min_by_key(|(tap_us, _)| *tap_us).expect("a shop has a way in");
        let mut inside_us = i64::MAX;
        for (k, body) in bodies.iter().enumerate() {
            inside_us = inside_us.min(self.walk_in(party, body, &way, tap_us, (k, n)));
        }
        if let (Some(gate), Some(credential), false) = (&way.gate, &party.credential, party.pays_at_exit) {
            let (gate, credential, group_size) = (gate.clone(), credential.clone(), n as u32);
            let tap = Deed::Tap { gate, direction: Direction::In, credential, group_size };
            let first = self.walkers.get_mut(&bodies[0].name).expect("just came in");
            first.person.acts.insert(0, Act { t_us: tap_us, deed: tap });
        }
        self.book(&way).openings.push(Opening { from_us: tap_us, to_us: tap_us + OPENING_US, bodies: n, way });
        inside_us
    }

    /// Somebody slips through the opening of `leader`, right behind them. Answers when they are inside.
    pub fn enter_behind(&mut self, party: &Party, body: &Body, leader: &str) -> Result<i64, String> {
        let crossed_us = self.walker(leader)?.person.acts.iter().find_map(|act| match act.deed {
            Deed::Cross { direction: Direction::In, .. } => Some(act.t_us),
            _ => None,
        });
        let books = self.gates.values_mut().flat_map(|book| &mut book.openings);
        let opening = crossed_us
            .and_then(|t_us| books.into_iter().find(|opening| (opening.from_us..opening.to_us).contains(&t_us)));
        let opening = opening.ok_or_else(|| format!("shopper {} came in too long ago", shopper(leader)))?;
        let (tap_us, k, way) = (opening.from_us, opening.bodies, opening.way.clone());
        opening.bodies += 1;
        Ok(self.walk_in(party, body, &way, tap_us, (k, k + 1)))
    }

    /// The `k`th of `n` on one opening. Answers when they are inside.
    fn walk_in(&mut self, party: &Party, body: &Body, way: &Way, tap_us: i64, (k, n): (usize, usize)) -> i64 {
        let behind = 0.75 * k as f64;
        let wait_at = moved(way.reader, way.inward, -behind);
        let start = moved(wait_at, way.inward, -1.5);
        let inside = moved(moved(way.inside, way.inward, 0.35 * (n - 1 - k) as f64), way.along, 0.3 * k as f64);
        let arrive_us = tap_us - 200_000;
        let leave_us = tap_us + AT_READER_US + 150_000 * k as i64;
        let cross_us = leave_us + walk_us(&[wait_at, way.crossing]).max(1);
        let in_us = cross_us + walk_us(&[way.crossing, inside]).max(1);
        let came_us = arrive_us - walk_us(&[start, wait_at]);
        let walked = vec![
            (came_us, start),
            (arrive_us, wait_at),
            (leave_us, wait_at),
            (cross_us, way.crossing),
            (in_us, inside),
        ];
        let acts = vec![Act { t_us: cross_us, deed: Deed::Cross { gate: way.gate.clone(), direction: Direction::In } }];
        let person =
            Person { body: body.name.clone(), party: party.clone(), stature: body.stature, way: walked, acts, next: 0 };
        let pays = k == 0;
        let last_event_us = i64::MIN / 2;
        let walker = Walker { person, pays, at: inside, free_us: in_us, last_event_us, held: Vec::new() };
        self.walkers.insert(body.name.clone(), walker);
        self.book(way).crossings.push(cross_us);
        in_us
    }

    /// When `body` could at the earliest act at these plates if it left at once: for planning arrivals.
    pub fn reach_us(&self, body: &str, shelf: &ShelfId, plates: &[PlateNo]) -> Option<i64> {
        let walker = self.walkers.get(body)?;
        let front = self.world.front(shelf, plates)?;
        Some(walker.free_us + walk_us(&self.world.path(walker.at, front.spot)) + REACH_US)
    }

    pub fn take(
        &mut self,
        body: &str,
        not_before_us: i64,
        shelf: &ShelfId,
        plates: &[PlateNo],
        goods: &Goods,
    ) -> Result<i64, String> {
        let units = self.draw(goods);
        let t_us = self.reach(body, not_before_us, Handling::Take, shelf, plates, units.clone())?;
        self.walker(body)?.held.extend(units);
        Ok(t_us)
    }

    /// The same, gram by gram: nobody hears a step.
    pub fn take_slowly(
        &mut self,
        body: &str,
        not_before_us: i64,
        shelf: &ShelfId,
        plates: &[PlateNo],
        goods: &Goods,
    ) -> Result<i64, String> {
        let t_us = self.take(body, not_before_us, shelf, plates, goods)?;
        let walker = self.walker(body)?;
        if let Some(Act { deed: Deed::Reach(reach), .. }) = walker.person.acts.last_mut() {
            reach.slow = true;
        }
        // The hand stays until it is done.
        walker.free_us += SLOWEST_US;
        walker.last_event_us += SLOWEST_US;
        Ok(t_us)
    }

    pub fn put(
        &mut self,
        body: &str,
        not_before_us: i64,
        shelf: &ShelfId,
        plates: &[PlateNo],
        product: &str,
        quantity: u32,
    ) -> Result<i64, String> {
        let units = self.hand(body, product, quantity)?;
        // Who puts something back has looked at it.
        let look_us = (self.chance.between(0.3, 2.0) * 1e6) as i64;
        let looked_us = self.walker(body)?.last_event_us + BETWEEN_EVENTS_US + look_us;
        self.reach(body, not_before_us.max(looked_us), Handling::Put, shelf, plates, units)
    }

    /// New goods from the stock room.
    pub fn restock(
        &mut self,
        body: &str,
        not_before_us: i64,
        shelf: &ShelfId,
        plates: &[PlateNo],
        goods: &Goods,
    ) -> Result<i64, String> {
        let units = self.draw(goods);
        self.reach(body, not_before_us, Handling::Restock, shelf, plates, units)
    }

    /// Walks up to somebody and gives it to them.
    pub fn hand_off(
        &mut self,
        body: &str,
        not_before_us: i64,
        product: &str,
        quantity: u32,
        to: &str,
    ) -> Result<i64, String> {
        let receiver = self.walkers.get(to).ok_or_else(|| format!("shopper {} is not in the shop", shopper(to)))?;
        let (their_place, they_are_free_us) = (receiver.at, receiver.free_us);
        let units = self.hand(body, product, quantity)?;
        let here = self.walker(body)?.at;
        let meet = before_end(&self.world.path(here, their_place), APART_M + 0.1);
        let t_us = self.go(body, not_before_us.max(they_are_free_us), meet, 300_000)?;
        for unit in units {
            self.did(body, t_us, Deed::HandOff { to: to.to_owned(), unit: unit.clone() })?;
            self.walker(to)?.held.push(unit);
        }
        let receiver = self.walker(to)?;
        receiver.free_us = receiver.free_us.max(t_us + 600_000);
        Ok(t_us)
    }

    /// Lets it fall, eats it, leaves it lying: gone from the hand, and not back on a shelf.
    pub fn drop(&mut self, body: &str, not_before_us: i64, product: &str, quantity: u32) -> Result<i64, String> {
        let units = self.hand(body, product, quantity)?;
        let here = self.walker(body)?.at;
        let t_us = self.go(body, not_before_us, here, 0)?;
        for unit in units {
            self.did(body, t_us, Deed::Drop { unit })?;
        }
        Ok(t_us)
    }

    /// Walks out by the nearest way, tapping before the line where that is when they pay. Answers when it is outside of
    /// the line.
    pub fn exit(&mut self, body: &str, not_before_us: i64) -> Result<i64, String> {
        let walker = self.walker(body)?;
        let (here, ready_us) = (walker.at, walker.free_us.max(not_before_us));
        let pays = walker.pays && walker.person.party.pays_at_exit;
        let ways = self.world.ways_out().iter().map(|way| (self.world.path(here, way.inside), way.clone()));
        let (path, way) = ways.min_by_key(|(path, _)| walk_us(path)).expect("a shop has a way out");
        let last = walk_us(&[way.inside, way.crossing]);
        let taps_us = if pays { AT_READER_US + 200_000 } else { 0 };
        let cross_us = self.free_crossing(&way, ready_us + walk_us(&path) + taps_us + last);
        self.book(&way).crossings.push(cross_us);
        let arrive_us = cross_us - last - taps_us;
        let leave_us = arrive_us - walk_us(&path);
        self.walk(body, leave_us, &path)?;
        let gone_us = cross_us + walk_us(&[way.crossing, way.outside]);
        let walker = self.walker(body)?;
        if pays {
            let nowhere = || format!("shopper {} pays at the exit, where no gate reads cards", shopper(body));
            let gate = way.gate.clone().ok_or_else(nowhere)?;
            if let Some(credential) = walker.person.party.credential.clone() {
                let deed = Deed::Tap { gate, direction: Direction::Out, credential, group_size: 1 };
                walker.person.acts.push(Act { t_us: arrive_us + 200_000, deed });
            }
            walker.person.way.push((cross_us - last, way.inside));
        }
        walker.person.way.extend([(cross_us, way.crossing), (gone_us, way.outside)]);
        let cross = Deed::Cross { gate: way.gate.clone(), direction: Direction::Out };
        walker.person.acts.push(Act { t_us: cross_us, deed: cross });
        walker.person.acts.push(Act { t_us: gone_us, deed: Deed::Gone });
        self.leave_spot(body, leave_us);
        Ok(cross_us)
    }

    /// Leans on a shelf, an elbow beside these plates.
    pub fn lean(&mut self, body: &str, not_before_us: i64, shelf: &ShelfId, plates: &[PlateNo]) -> Result<i64, String> {
        let front = self.front(shelf, plates)?;
        let spot = self.choose_spot(body, &front, not_before_us)?;
        let t_us = self.go(body, not_before_us, spot, REACH_US)?;
        let centre = plates.iter().map(|plate| f64::from(*plate)).sum::<f64>() / plates.len() as f64;
        self.did(body, t_us, Deed::Lean { shelf: shelf.clone(), centre })?;
        Ok(t_us)
    }

    /// Strolls about: stands before a shelf and touches nothing.
    pub fn browse(
        &mut self,
        body: &str,
        not_before_us: i64,
        shelf: &ShelfId,
        plates: &[PlateNo],
    ) -> Result<i64, String> {
        let front = self.front(shelf, plates)?;
        let spot = self.choose_spot(body, &front, not_before_us)?;
        self.go(body, not_before_us, spot, 0)
    }

    /// The finished plan of somebody who leaves or stays to the end.
    pub fn finish(&mut self, body: &str) -> Option<Person> {
        self.walkers.remove(body).map(|walker| walker.person)
    }

    /// Until when somebody is busy.
    pub fn free_us(&self, body: &str) -> Option<i64> {
        self.walkers.get(body).map(|walker| walker.free_us)
    }

    pub fn is_inside(&self, body: &str) -> bool {
        self.walkers.contains_key(body)
    }

    pub fn held(&self, body: &str) -> &[Unit] {
        self.walkers.get(body).map_or(&[], |walker| &walker.held)
    }

    /// Forgets what is over, so that a shop can stay open for ever.
    pub fn forget_before(&mut self, us: i64) {
        self.spots.retain(|spot| spot.to_us > us);
        for book in self.gates.values_mut() {
            book.openings.retain(|opening| opening.to_us > us);
            book.crossings.retain(|t| *t > us);
        }
    }

    // ---- helpers

    fn walker(&mut self, body: &str) -> Result<&mut Walker, String> {
        self.walkers.get_mut(body).ok_or_else(|| format!("shopper {} is not in the shop", shopper(body)))
    }

    fn front(&self, shelf: &ShelfId, plates: &[PlateNo]) -> Result<Front, String> {
        let known = self.world.shop.layout.shelves.get(shelf);
        let shelf_plates = known.ok_or_else(|| format!("there is no shelf {shelf}"))?.plates.len();
        self.world.front(shelf, plates).filter(|_| !plates.is_empty()).ok_or_else(|| {
            let plates: Vec<String> = plates.iter().map(PlateNo::to_string).collect();
            format!("shelf {shelf} has plates 1 to {shelf_plates}, not \"{}\"", plates.join(" "))
        })
    }

    fn draw(&mut self, goods: &Goods) -> Vec<Unit> {
        let spread = self.world.parameters.goods.package_sigma;
        (0..goods.quantity.max(1))
            .map(|_| {
                self.units += 1;
                Unit {
                    id: self.units,
                    product: goods.product.clone(),
                    grams: goods.mean_g * (1.0 + spread * self.chance.normal().clamp(-3.0, 3.0)),
                    in_catalogue: goods.in_catalogue,
                }
            })
            .collect()
    }

    /// Out of a hand: what was picked up last goes first.
    fn hand(&mut self, body: &str, product: &str, quantity: u32) -> Result<Vec<Unit>, String> {
        let held = &mut self.walker(body)?.held;
        let has = held.iter().filter(|unit| unit.product == product).count();
        let wants = quantity.max(1) as usize;
        if has < wants {
            let shopper = shopper(body);
            return Err(format!("shopper {shopper} holds {has} of {product}, not {wants}; take it first"));
        }
        let mut units = Vec::new();
        while units.len() < wants {
            let last = held.iter().rposition(|unit| unit.product == product).expect("counted above");
            units.push(held.remove(last));
        }
        Ok(units)
    }

    fn reach(
        &mut self,
        body: &str,
        not_before_us: i64,
        handling: Handling,
        shelf: &ShelfId,
        plates: &[PlateNo],
        units: Vec<Unit>,
    ) -> Result<i64, String> {
        let front = self.front(shelf, plates)?;
        let plate_m = front.target.z - HAND_M;
        if !self.walker(body)?.person.stature.reaches(plate_m) {
            return Err(format!("shopper {} is a child and does not reach up to {plate_m:.2} m", shopper(body)));
        }
        let spot = self.choose_spot(body, &front, not_before_us)?;
        let t_us = self.go(body, not_before_us, spot, REACH_US)?;
        let (first, last) = (plates.iter().min().copied().unwrap_or(1), plates.iter().max().copied().unwrap_or(1));
        let span = f64::from(last - first) + 1.0;
        // Nothing stands exactly in the middle of its facing; what is faced over several plates varies most.
        let (sigma, width) = if span > 1.0 { (0.2, 0.85 * span) } else { (0.07, self.chance.between(0.5, 0.85)) };
        let centre = f64::from(first + last) / 2.0 + sigma * self.chance.normal().clamp(-2.0, 2.0);
        let target = front.target;
        let slow = false;
        let reach =
            Reach { handling, slow, shelf: shelf.clone(), plates: plates.to_vec(), units, centre, width, target };
        self.did(body, t_us, Deed::Reach(reach))?;
        Ok(t_us)
    }

    /// Walks to `to` in time to act there `ready_us` after arriving, not before `not_before_us`; answers when it acts.
    fn go(&mut self, body: &str, not_before_us: i64, to: Point2, ready_us: i64) -> Result<i64, String> {
        let walker = self.walker(body)?;
        let (from, free_us, last_us) = (walker.at, walker.free_us, walker.last_event_us);
        let path = if from.distance(to) < 0.05 { vec![from] } else { self.world.path(from, to) };
        let way_us = walk_us(&path);
        let t_us = not_before_us.max(free_us + way_us + ready_us).max(last_us + BETWEEN_EVENTS_US);
        if path.len() > 1 {
            // One looks before one takes, where there is time for it.
            let look_us = (self.chance.between(0.4, 2.0) * 1e6) as i64;
            let leave_us = (t_us - ready_us - look_us - way_us).max(free_us);
            self.leave_spot(body, leave_us);
            self.walk(body, leave_us, &path)?;
            let arrive_us = leave_us + way_us;
            self.spots.push(Spot { at: to, from_us: arrive_us, to_us: i64::MAX, body: body.to_owned() });
        }
        self.walker(body)?.free_us = t_us + 100_000;
        Ok(t_us)
    }

    fn walk(&mut self, body: &str, leave_us: i64, path: &[Point2]) -> Result<(), String> {
        let walker = self.walker(body)?;
        let mut t_us = leave_us;
        walker.person.way.push((t_us, path[0]));
        for pair in path.windows(2) {
            t_us += walk_us(pair).max(1);
            walker.person.way.push((t_us, pair[1]));
        }
        walker.at = path[path.len() - 1];
        Ok(())
    }

    fn did(&mut self, body: &str, t_us: i64, deed: Deed) -> Result<(), String> {
        let walker = self.walker(body)?;
        walker.last_event_us = t_us;
        // The hand comes back before the feet go on.
        walker.free_us = t_us + REACH_US;
        walker.person.acts.push(Act { t_us, deed });
        Ok(())
    }

    fn leave_spot(&mut self, body: &str, t_us: i64) {
        let own = self.spots.iter_mut().filter(|spot| spot.body == body && spot.to_us == i64::MAX);
        own.for_each(|spot| spot.to_us = t_us);
    }

    /// Where to stand before the plates: where one is if that will do, else the nearest place that nobody has then.
    fn choose_spot(&mut self, body: &str, front: &Front, t_us: i64) -> Result<Point2, String> {
        let here = self.walker(body)?.at;
        if here.distance(front.spot) < 0.3 {
            return Ok(here);
        }
        let arrive_us = t_us - 4_000_000;
        let others: Vec<Point2> = self
            .spots
            .iter()
            .filter(|spot| spot.body != body && spot.to_us > arrive_us && spot.from_us < t_us + 3_000_000)
            .map(|spot| spot.at)
            .collect();
        let room = |p: &Point2| others.iter().map(|o| o.distance(*p)).fold(9.0, f64::min);
        let row = [0.0, 0.5, -0.5, 0.9, -0.9].map(|aside| beside(front, aside));
        let second = [0.0, 0.45, -0.45].map(|aside| moved(beside(front, aside), front.outward, 0.4));
        let places: Vec<Point2> = row.into_iter().chain(second).filter(|p| self.world.is_free(*p)).collect();
        let free = places.iter().find(|p| room(p) >= APART_M);
        let best = free.or_else(|| places.iter().max_by(|a, b| room(a).total_cmp(&room(b))));
        Ok(best.copied().unwrap_or(front.spot))
    }

    fn book(&mut self, way: &Way) -> &mut GateBook {
        let name = way.gate.as_ref().map_or(String::new(), ToString::to_string);
        self.gates.entry(name).or_default()
    }

    fn free_opening(&self, way: &Way, bodies: usize, not_before_us: i64) -> i64 {
        let Some(book) = way.gate.as_ref().and_then(|gate| self.gates.get(gate.as_str())) else { return not_before_us };
        let across_us = AT_READER_US + walk_us(&[way.reader, way.crossing]);
        let last_us = across_us + 800_000 * (bodies as i64 - 1);
        let free = |tap_us: i64| {
            let opening = book.openings.iter().all(|open| tap_us + OPENING_US <= open.from_us || tap_us >= open.to_us);
            let (from, to) = (tap_us + across_us - CROSSING_US, tap_us + last_us + CROSSING_US);
            opening && book.crossings.iter().all(|t| *t < from || *t > to)
        };
        (0..).map(|k| not_before_us + k * 100_000).find(|tap_us| free(*tap_us)).expect("some moment is free")
    }

    fn free_crossing(&self, way: &Way, not_before_us: i64) -> i64 {
        let name = way.gate.as_ref().map_or("", |gate| gate.as_str());
        let Some(book) = self.gates.get(name) else { return not_before_us };
        let free = |t: i64| book.crossings.iter().all(|other| (t - other).abs() >= CROSSING_US);
        (0..).map(|k| not_before_us + k * 100_000).find(|t| free(*t)).expect("some moment is free")
    }
}
