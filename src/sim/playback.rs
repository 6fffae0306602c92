//! Plays planned people in a shop: device messages in time order, where everybody is, and what really happened.
//!
//! Time goes in steps of 20 ms of the shop's own; nothing here reads a clock. `live` plays against the wall clock and
//! over MQTT, `record` as fast as it goes into a file, the demo's overhead camera asks [`Playback::bodies`].
//!
//!     people --acts--> taps, passages ----------------+
//!            --reaches--> shelves --60 Hz batches-----+--> step() -> messages, oldest first
//!            --poses--> people cameras --10 Hz looks--+

use super::aside::{ASIDE_M_S, Afoot};
use super::chance::Chance;
use super::faults::{Fault, Faults};
use super::looks::Wardrobe;
use super::people::Eye;
use super::person::{Deed, Person, Pose};
use super::plan::AT_READER_US;
use super::render::Goods;
use super::shelves::{PUSH_US, ShelfSim};
use super::truth::{Truth, TruthLine};
use super::world::{WALK_M_S, World};
use crate::base::{PassageId, Point2, ShelfId, TapId};
use crate::events::{Observation, Passage, Tap};
use crate::shop::{CameraKind, Shop};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// One step of the shop's time.
pub const STEP_US: i64 = 20_000;
/// Gates tell their clocks this often (wire.md).
const GATE_CLOCK_US: i64 = 10_000_000;
/// Truth says where bodies are ten times a second.
const WHEREABOUTS_US: i64 = 100_000;
/// Nobody waits longer than this for a gate that does not answer.
const PATIENCE_US: i64 = 6_000_000;

/// A message a device sends at `t_us` (the shop's time, which every device's clock shows).
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceMessage {
    pub t_us: i64,
    /// Only what devices say; [`super::wire::on_the_wire`] makes topic and payload of it.
    pub what: Observation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gates {
    /// Every tap opens its gate in time: recordings.
    Assumed,
    /// People wait for [`Playback::answer`], and turn back when it is no.
    Asked,
}

#[derive(Clone)]
pub struct Setting {
    pub seed: u64,
    pub start_us: i64,
    pub gates: Gates,
    /// The shop as the system is told it, where that is another: only devices that it knows are installed.
    pub told: Option<Arc<Shop>>,
    pub faults: BTreeSet<Fault>,
}

impl Setting {
    /// A shop that is as it is told, and nothing goes wrong.
    pub fn new(seed: u64, start_us: i64, gates: Gates) -> Setting {
        Setting { seed, start_us, gates, told: None, faults: BTreeSet::new() }
    }
}

/// A tap that waits for its gate.
struct Waiting {
    visit: String,
    asked_us: i64,
    /// When they mean to walk.
    go_us: i64,
}

pub struct Playback {
    world: Arc<World>,
    setting: Setting,
    now_us: i64,
    people: Vec<Guest>,
    shelves: BTreeMap<ShelfId, ShelfSim>,
    eyes: Vec<Eye>,
    wardrobe: Wardrobe,
    faults: Faults,
    truth: Truth,
    /// What stands on the shelves, where somebody looks.
    goods: Option<Arc<Goods>>,
    waiting: BTreeMap<TapId, Waiting>,
    /// Sent, in time order; the number keeps the order of what is sent at once.
    pending: BTreeMap<(i64, u64), Observation>,
    ready: VecDeque<DeviceMessage>,
    sent: u64,
    ids: Chance,
    slams: Chance,
    next_slam_us: i64,
    next_gate_clock_us: i64,
    next_whereabouts_us: i64,
}

struct Guest {
    person: Person,
    /// Acts before this one are known to the shelves, which must hear of a touch before it happens.
    told: usize,
    /// How far it has stepped aside for others, metres.
    aside: Point2,
}

impl Playback {
    pub fn new(world: Arc<World>, setting: Setting) -> Playback {
        let (seed, start_us, parameters) = (setting.seed, setting.start_us, world.parameters.clone());
        let told = setting.told.as_ref().unwrap_or(&world.shop).clone();
        let physics = Arc::new(parameters.shelves.clone());
        let installed = world
            .shop
            .layout
            .shelves
            .iter()
            .filter(|(id, _)| told.layout.shelves.get(*id).is_some_and(|known| !known.plates.is_empty()));
        let shelf = |(id, shelf): (&ShelfId, &crate::shop::Shelf)| {
            (id.clone(), ShelfSim::new(id.clone(), shelf.plates.len(), seed, start_us, physics.clone()))
        };
        let cameras = told.layout.cameras.values().filter(|camera| camera.kind == CameraKind::People);
        let eyes: Vec<Eye> = cameras
            .map(|camera| Eye::new(camera, Some(world.clone()), seed, start_us, parameters.sight.clone()))
            .collect();
        let names: Vec<_> = eyes.iter().map(|eye| eye.camera.clone()).collect();
        let faults = Faults::new(setting.faults.clone(), parameters.faults.clone(), seed, start_us, &names);
        let mut shelves = installed.map(shelf).collect();
        faults.break_plates(&mut shelves);
        let mut slams = Chance::new(seed, "slams");
        let mut playback = Playback {
            shelves,
            eyes,
            wardrobe: Wardrobe::new(seed, parameters.looks.clone()),
            faults,
            now_us: start_us,
            people: Vec::new(),
            truth: Truth::default(),
            goods: None,
            waiting: BTreeMap::new(),
            pending: BTreeMap::new(),
            ready: VecDeque::new(),
            sent: 0,
            ids: Chance::new(seed, "ids"),
            next_slam_us: start_us + slams.wait_us(parameters.shelves.slams_per_s),
            slams,
            next_gate_clock_us: start_us,
            next_whereabouts_us: start_us,
            world: world.clone(),
            setting,
        };
        let scales: Vec<ShelfId> = playback.shelves.keys().cloned().collect();
        for shelf in scales {
            playback.send(start_us, Observation::ShelfOnline { shelf, online: true });
        }
        playback
    }

    /// Somebody more. Whoever should have come already comes late: everything is moved behind now.
    pub fn add(&mut self, mut person: Person) {
        if let Some(&(first_us, _)) = person.way.first()
            && first_us < self.now_us
        {
            let late_us = self.now_us - first_us;
            person.way.iter_mut().for_each(|(t, _)| *t += late_us);
            person.acts.iter_mut().for_each(|act| act.t_us += late_us);
        }
        person.acts.sort_by_key(|act| act.t_us);
        self.people.push(Guest { person, told: 0, aside: Point2::default() });
    }

    pub fn now_us(&self) -> i64 {
        self.now_us
    }

    /// People who are in sight or on their way.
    pub fn people(&self) -> usize {
        self.people.len()
    }

    /// The gate's decision on a tap.
    pub fn answer(&mut self, tap: &TapId, open: bool) {
        let Some(waiting) = self.waiting.remove(tap) else { return };
        if !open {
            self.turn_back(&waiting.visit, self.now_us);
        }
    }

    fn turn_back(&mut self, visit: &str, t_us: i64) {
        for guest in self.people.iter_mut().filter(|guest| guest.person.party.visit == visit) {
            guest.person.turn_back(t_us, WALK_M_S);
            guest.told = guest.told.min(guest.person.next);
        }
    }

    /// Everybody in sight at a moment near now: body, visit, floor point.
    pub fn bodies(&self, t_us: i64) -> Vec<(String, String, Point2)> {
        let stand = self.stand(t_us);
        stand.into_iter().map(|(person, at)| (person.body.clone(), person.party.visit.clone(), at)).collect()
    }

    /// From now on hands take from these shelves: for pictures.
    pub fn stock(&mut self, goods: Arc<Goods>) {
        self.goods = Some(goods);
    }

    /// What stands on the shelves now; nothing, where they were never stocked.
    pub fn goods(&self) -> Arc<Goods> {
        self.goods.clone().unwrap_or_default()
    }

    /// Everybody in sight at a moment near now, from head to foot. Goods stay in the hand for `carried_us`.
    pub fn poses(&self, t_us: i64, carried_us: i64) -> Vec<(&Person, Pose)> {
        self.stand(t_us).into_iter().map(|(person, at)| (person, person.pose(t_us, at, carried_us))).collect()
    }

    /// Truth that is certain by now. Call after the last step, and after [`Playback::finish`] for the rest.
    pub fn truth(&mut self) -> Vec<TruthLine> {
        self.truth.drain()
    }

    /// The end: visits that are still open are told as they stand.
    pub fn finish(&mut self) {
        self.truth.finish();
    }

    /// The next message in time order, playing as far as needed but not beyond `until_us`.
    pub fn next(&mut self, until_us: i64) -> Option<DeviceMessage> {
        while self.ready.is_empty() && self.now_us < until_us {
            let messages = self.step();
            self.ready.extend(messages);
        }
        self.ready.pop_front()
    }

    /// Plays 20 ms and gives what was sent in them, oldest first.
    pub fn step(&mut self) -> Vec<DeviceMessage> {
        let end_us = self.now_us + STEP_US;
        self.wait_at_gates();
        self.tell_shelves(end_us);
        self.act(end_us);
        self.vibrate(end_us);
        self.weigh(end_us);
        self.give_way(end_us);
        self.look(end_us);
        while self.next_gate_clock_us < end_us {
            let t_us = self.next_gate_clock_us;
            let gates: Vec<_> = self.world.shop.layout.gates.keys().cloned().collect();
            for gate in gates {
                self.send(t_us, Observation::GateClock { gate, t_us });
            }
            self.next_gate_clock_us += GATE_CLOCK_US;
        }
        for guest in self.people.extract_if(.., |guest| guest.person.next >= guest.person.acts.len()) {
            self.wardrobe.forget(&guest.person.body);
        }
        self.now_us = end_us;
        let later = self.pending.split_off(&(end_us, 0));
        let due = std::mem::replace(&mut self.pending, later);
        due.into_iter().map(|((t_us, _), what)| DeviceMessage { t_us, what }).collect()
    }

    fn send(&mut self, t_us: i64, what: Observation) {
        for (t_us, what) in self.faults.carry(t_us, what) {
            self.pending.insert((t_us, self.sent), what);
            self.sent += 1;
        }
    }

    /// Who has no answer yet stays where they are; after a while they give up.
    fn wait_at_gates(&mut self) {
        let mut gave_up = Vec::new();
        for (tap, waiting) in &mut self.waiting {
            if self.now_us - waiting.asked_us > PATIENCE_US {
                gave_up.push(tap.clone());
            } else if waiting.go_us <= self.now_us + STEP_US {
                for guest in self.people.iter_mut().filter(|guest| guest.person.party.visit == waiting.visit) {
                    guest.person.delay(waiting.go_us, STEP_US);
                }
                waiting.go_us += STEP_US;
            }
        }
        for tap in gave_up {
            self.answer(&tap, false);
        }
    }

    fn tell_shelves(&mut self, end_us: i64) {
        for guest in &mut self.people {
            while let Some(act) = guest.person.acts.get(guest.told)
                && act.t_us < end_us + PUSH_US
            {
                guest.told += 1;
                if let Deed::Lean { shelf, centre } = &act.deed
                    && let Some(shelf) = self.shelves.get_mut(shelf)
                {
                    shelf.lean(act.t_us, *centre);
                }
                let Deed::Reach(reach) = &act.deed else { continue };
                if let Some(shelf) = self.shelves.get_mut(&reach.shelf) {
                    shelf.touch(&reach.touch(act.t_us));
                }
            }
        }
    }

    fn act(&mut self, end_us: i64) {
        let mut due: Vec<(i64, usize)> = Vec::new();
        for (i, guest) in self.people.iter_mut().enumerate() {
            while let Some(act) = guest.person.acts.get(guest.person.next)
                && act.t_us < end_us
            {
                due.push((act.t_us, i));
                guest.person.next += 1;
            }
        }
        // Stable: two people at the same microsecond act in the order they came in.
        due.sort_by_key(|(t_us, _)| *t_us);
        let mut done: BTreeMap<usize, usize> = BTreeMap::new();
        for (_, i) in &due {
            *done.entry(*i).or_default() += 1;
        }
        for (t_us, i) in due {
            let person = &self.people[i].person;
            let left = done.get_mut(&i).expect("counted above");
            let act = person.acts[person.next - *left].clone();
            *left -= 1;
            let party = person.party.clone();
            match act.deed {
                Deed::Tap { gate, direction, credential, group_size } => {
                    let tap_id = TapId::new(self.ids.uuid().to_string());
                    match self.setting.gates {
                        Gates::Asked => {
                            let go_us = t_us + AT_READER_US;
                            self.waiting.insert(tap_id.clone(), Waiting { visit: party.visit, asked_us: t_us, go_us });
                        }
                        Gates::Assumed if party.declined => self.turn_back(&party.visit, t_us),
                        Gates::Assumed => {}
                    }
                    self.send(t_us, Observation::Tap(Tap { gate, tap_id, t_us, direction, credential, group_size }));
                }
                Deed::Cross { gate, direction } => {
                    self.truth.crossed(t_us, &party, direction);
                    if let Some(gate) = gate {
                        let passage_id = PassageId::new(self.ids.uuid().to_string());
                        self.send(t_us, Observation::Passage(Passage { gate, passage_id, t_us, direction }));
                    }
                }
                deed => {
                    if let (Deed::Reach(reach), Some(goods)) = (&deed, &mut self.goods) {
                        Arc::make_mut(goods).touched(reach);
                    }
                    let receiver = match &deed {
                        Deed::HandOff { to, .. } => self.people.iter().find(|guest| &guest.person.body == to),
                        _ => None,
                    };
                    let to = receiver.map(|guest| guest.person.party.clone());
                    self.truth.did(t_us, &party, &deed, to.as_ref());
                }
            }
        }
    }

    fn vibrate(&mut self, end_us: i64) {
        while self.next_slam_us < end_us + PUSH_US {
            for shelf in self.shelves.values_mut() {
                shelf.slam(self.next_slam_us);
            }
            self.next_slam_us += self.slams.wait_us(self.world.parameters.shelves.slams_per_s);
        }
    }

    fn weigh(&mut self, end_us: i64) {
        let mut batches = Vec::new();
        for shelf in self.shelves.values_mut() {
            while shelf.next_batch_us() < end_us {
                // The converter's last sample, then some milliseconds of a small computer.
                let sent_us = shelf.next_batch_us() + 8_000;
                batches.push((sent_us, shelf.batch()));
            }
        }
        for (sent_us, batch) in batches {
            self.send(sent_us, Observation::Weights(batch));
        }
    }

    fn look(&mut self, end_us: i64) {
        while self.next_whereabouts_us < end_us {
            let t_us = self.next_whereabouts_us;
            let at: Vec<_> =
                self.stand(t_us).into_iter().map(|(p, at)| (p.body.clone(), p.party.clone(), at)).collect();
            for (body, party, at) in at {
                self.truth.body(t_us, &body, &party, at);
            }
            self.next_whereabouts_us += WHEREABOUTS_US;
        }
        let carried_us = (self.world.parameters.looks.carried_s * 1e6) as i64;
        for i in 0..self.eyes.len() {
            while self.eyes[i].next_us() < end_us {
                let t_us = self.eyes[i].next_us();
                let poses: Vec<Pose> = self.poses(t_us, carried_us).into_iter().map(|(_, pose)| pose).collect();
                let dim = self.faults.dim(t_us);
                let (sent_us, people) = self.eyes[i].look(&poses, &mut self.wardrobe, dim);
                self.send(sent_us, Observation::People(people));
            }
        }
    }

    /// Where everybody in sight stands: on their way, and half a step aside for others while walking.
    fn stand(&self, t_us: i64) -> Vec<(&Person, Point2)> {
        let stands = |guest: &'_ Guest| {
            let at = guest.person.at(t_us)?;
            Some(Point2::new(at.x + guest.aside.x, at.y + guest.aside.y))
        };
        self.people.iter().filter_map(|guest| Some((&guest.person, stands(guest)?))).collect()
    }

    /// Everybody moves towards where they want to step aside to, no faster than one does.
    fn give_way(&mut self, t_us: i64) {
        let here: Vec<Option<Afoot>> = self.people.iter().map(|guest| Afoot::of(&guest.person, t_us)).collect();
        let afoot: Vec<&Afoot> = here.iter().flatten().collect();
        let wanted: Vec<Option<Point2>> =
            here.iter().map(|one| one.as_ref().map(|one| one.steps_aside(&afoot))).collect();
        let step_m = ASIDE_M_S * STEP_US as f64 * 1e-6;
        for (guest, wanted) in self.people.iter_mut().zip(wanted) {
            let Some(wanted) = wanted else { continue };
            let far = guest.aside.distance(wanted);
            guest.aside = if far <= step_m { wanted } else { guest.aside.toward(wanted, step_m / far) };
        }
    }
}
