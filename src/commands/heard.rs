//! Who speaks on the broker: shops, their shelves, gates and cameras, made of what is heard.
//!
//! The daemon's own parsers read every message, against a shop that declares whatever is heard: so what is counted as
//! well here is taken by `carryout run`, and what is refused here would be refused there, under the same name. Nothing
//! of a tap but its gate and direction is kept.

use crate::base::{CameraId, GateId, PlateNo, Point2, ShelfId, ShopId, ShopTime};
use crate::events::{Direction, Observation};
use crate::sensors::ear::Message;
use crate::sensors::topic::{self, Topic};
use crate::shop::{
    Camera, CameraKind, Catalogue, Gate, GateDirection, Layout, Planogram, Plate, Shelf, Shop, may_be_id,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Every topic of every shop.
pub const EVERYTHING: &str = "carryout/v1/#";

/// A shelf with more plates than this is none that exists; the largest known has 24.
const PLATES: PlateNo = 512;

/// Devices of one shop, at most: a broker that names more is not one shop's.
const DEVICES: usize = 2_000;

/// Topics that the daemon itself speaks on, below a shop's base.
const OURS: [&str; 4] = ["status", "events", "visit/", "doctor"];

#[derive(Debug, Default)]
pub struct Heard {
    pub shops: BTreeMap<String, Devices>,
    pub messages: u64,
}

/// What is known of one shop.
#[derive(Debug)]
pub struct Devices {
    /// Declares what was heard so far, for the parsers.
    declared: Shop,
    pub shelves: BTreeMap<ShelfId, ShelfHeard>,
    pub gates: BTreeMap<GateId, GateHeard>,
    /// Cameras that send people.
    pub cameras: BTreeMap<CameraId, CameraHeard>,
    /// What a running daemon says of itself.
    pub daemon: Option<String>,
    /// Messages nobody takes, by name: how many, and what is wrong with the last.
    pub refused: BTreeMap<String, (u64, String)>,
}

#[derive(Clone, Debug, Default)]
pub struct ShelfHeard {
    /// Its status, when it said or left one.
    pub online: Option<bool>,
    /// The last reading of each plate, grams.
    pub plates: BTreeMap<PlateNo, Option<f32>>,
    /// Samples a second.
    pub rate_hz: Option<f64>,
}

#[derive(Clone, Debug, Default)]
pub struct GateHeard {
    /// Taps and passages in, and out.
    pub inward: bool,
    pub outward: bool,
}

#[derive(Clone, Debug, Default)]
pub struct CameraHeard {
    pub looks: u64,
    /// In the last look.
    pub people: usize,
}

impl Heard {
    /// Takes a message in; whether a shop or device was heard for the first time.
    pub fn take(&mut self, message: &Message, arrival: ShopTime) -> bool {
        self.messages += 1;
        let Some((shop, below)) = message.topic.strip_prefix("carryout/v1/").and_then(|rest| rest.split_once('/'))
        else {
            return false;
        };
        if !may_be_id(shop) {
            return false;
        }
        let is_new = !self.shops.contains_key(shop);
        let devices = self.shops.entry(shop.to_owned()).or_insert_with(|| Devices::of(shop));
        devices.take(below, message, arrival) || is_new
    }

    /// Takes in what a scale with plain numbers says of a shelf of `shop`; whether something was heard for the first time.
    pub fn note(&mut self, shop: &ShopId, observation: Observation) -> bool {
        let shop = shop.as_str();
        self.shops.entry(shop.to_owned()).or_insert_with(|| Devices::of(shop)).note(observation)
    }

    /// Shops with the most shelves first.
    pub fn by_size(&self) -> Vec<(&str, &Devices)> {
        let mut shops: Vec<_> = self.shops.iter().map(|(id, devices)| (id.as_str(), devices)).collect();
        shops.sort_by_key(|(_, devices)| std::cmp::Reverse(devices.shelves.len()));
        shops
    }

    /// "2 shelves, 24 plates, 1 gate, 1 camera" of all shops together.
    pub fn counts(&self) -> String {
        let sum = |count: &dyn Fn(&Devices) -> usize| self.shops.values().map(count).sum::<usize>();
        let plates = |d: &Devices| d.shelves.values().map(|shelf| shelf.plates.len()).sum();
        format!(
            "{} shelves, {} plates, {} gates, {} people cameras",
            sum(&|d| d.shelves.len()),
            sum(&plates),
            sum(&|d| d.gates.len()),
            sum(&|d| d.cameras.len())
        )
    }
}

impl Devices {
    fn of(shop: &str) -> Devices {
        let declared = Shop {
            id: ShopId::new(shop),
            name: shop.to_owned(),
            currency: "EUR".into(),
            timezone: "UTC".into(),
            tax_included: true,
            layout: Layout::default(),
            planogram: Planogram::default(),
            catalogue: Catalogue::default(),
        };
        Devices {
            declared,
            shelves: BTreeMap::new(),
            gates: BTreeMap::new(),
            cameras: BTreeMap::new(),
            daemon: None,
            refused: BTreeMap::new(),
        }
    }

    fn take(&mut self, below: &str, message: &Message, arrival: ShopTime) -> bool {
        if below == "status" {
            let said: serde_json::Value = serde_json::from_slice(&message.payload).unwrap_or_default();
            let words = ["up", "degraded", "closed", "offline"];
            self.daemon = words.into_iter().find(|word| said["state"] == **word).map(str::to_owned);
            return false;
        }
        let is_ours = OURS.iter().any(|ours| below.starts_with(ours)) || below.ends_with("/decision");
        if is_ours {
            return false;
        }
        let Some(topic) = Topic::of(below) else {
            self.refuse("unknown topic".into(), "docs/wire.md lists the topics that mean something".into());
            return false;
        };
        let (Topic::Weights(id)
        | Topic::ShelfStatus(id)
        | Topic::Tap(id)
        | Topic::Passage(id)
        | Topic::GateStatus(id)
        | Topic::People(id)) = topic;
        let known = self.shelves.len() + self.gates.len() + self.cameras.len();
        if !may_be_id(id) || known > DEVICES {
            self.refuse(format!("{}.unknown_id", topic.what()), "its name cannot be an id in shop.toml".into());
            return false;
        }
        self.declare(topic);
        match topic::read(topic, message.retained, &message.payload, arrival, &self.declared) {
            Ok(observation) => self.note(observation),
            Err(refusal) => {
                self.refuse(refusal.kind(), refusal.detail);
                false
            }
        }
    }

    fn refuse(&mut self, kind: String, detail: String) {
        let told = self.refused.entry(kind).or_default();
        *told = (told.0 + 1, detail);
    }

    /// Makes the device known to the parsers. It counts as heard only once a message of it was taken.
    fn declare(&mut self, topic: Topic) {
        let (layout, here) = (&mut self.declared.layout, Point2::default());
        match topic {
            Topic::Weights(id) | Topic::ShelfStatus(id) => {
                let id = ShelfId::new(id);
                layout.shelves.entry(id.clone()).or_insert_with(|| Shelf {
                    bay: crate::base::BayId::new(id.as_str()),
                    id,
                    corners: Default::default(),
                    plates: (1..=PLATES).map(|no| Plate { no, centre: Default::default() }).collect(),
                });
            }
            Topic::Tap(id) | Topic::Passage(id) | Topic::GateStatus(id) => {
                let id = GateId::new(id);
                let line = crate::base::geometry::Line { from: here, to: here, inside: here };
                let gate = Gate { id: id.clone(), reader: here, line, direction: GateDirection::Both };
                layout.gates.entry(id).or_insert(gate);
            }
            Topic::People(id) => {
                let id = CameraId::new(id);
                let (kind, covers) = (CameraKind::People, Vec::new());
                let camera = Camera { id: id.clone(), kind, covers, projection: None, size: (0, 0) };
                layout.cameras.entry(id).or_insert(camera);
            }
        }
    }

    /// Whether the device is new.
    fn note(&mut self, observation: Observation) -> bool {
        match observation {
            Observation::Weights(weights) => {
                let is_new = !self.shelves.contains_key(&weights.shelf);
                let shelf = self.shelves.entry(weights.shelf).or_default();
                shelf.rate_hz = Some(1e6 / weights.dt_us as f64);
                let before = shelf.plates.len();
                for row in weights.plates {
                    let last = row.grams.iter().rev().find_map(|sample| *sample);
                    let held = shelf.plates.entry(row.plate).or_default();
                    *held = last.or(*held);
                }
                is_new || shelf.plates.len() > before
            }
            Observation::ShelfOnline { shelf, online } => {
                let is_new = !self.shelves.contains_key(&shelf);
                self.shelves.entry(shelf).or_default().online = Some(online);
                is_new
            }
            Observation::Tap(tap) => self.gate(tap.gate, Some(tap.direction)),
            Observation::Passage(passage) => self.gate(passage.gate, Some(passage.direction)),
            Observation::GateClock { gate, .. } => self.gate(gate, None),
            Observation::People(people) => {
                let is_new = !self.cameras.contains_key(&people.camera);
                let camera = self.cameras.entry(people.camera).or_default();
                camera.looks += 1;
                camera.people = people.people.len();
                is_new
            }
            _ => false,
        }
    }

    fn gate(&mut self, id: GateId, direction: Option<Direction>) -> bool {
        let is_new = !self.gates.contains_key(&id);
        let gate = self.gates.entry(id).or_default();
        gate.inward |= direction == Some(Direction::In);
        gate.outward |= direction == Some(Direction::Out);
        is_new
    }

    /// A line a device, as a technician wants to see it.
    pub fn told(&self) -> String {
        let mut told = String::new();
        let mut shelves: Vec<_> = self.shelves.keys().map(|id| (id.clone(), 0)).collect();
        crate::shop::first_plan::in_order(&mut shelves);
        for (id, _) in shelves {
            let _ = writeln!(told, "  shelf {id}: {}", self.shelves[&id].told());
        }
        for (id, gate) in &self.gates {
            let way = match (gate.inward, gate.outward) {
                (false, false) => "its clock, no tap yet",
                (true, true) => "in and out",
                (true, false) => "taps or passages in",
                (false, true) => "taps or passages out",
            };
            let _ = writeln!(told, "  gate {id}: {way}");
        }
        for (id, camera) in &self.cameras {
            let _ = writeln!(told, "  camera {id}: sends people, sees {} now", camera.people);
        }
        for (kind, (count, detail)) in &self.refused {
            let _ = writeln!(told, "  not understood: {count} x {kind}, for instance: {detail}");
        }
        if let Some(state) = self.daemon.as_ref().filter(|state| *state != "offline") {
            let _ = writeln!(told, "  a carryout daemon speaks for this shop already; it says `{state}`");
        }
        told
    }
}

impl ShelfHeard {
    /// As the highest plate counts: a dead one in between sends nothing.
    pub fn plate_count(&self) -> PlateNo {
        self.plates.keys().last().copied().unwrap_or(0)
    }

    fn told(&self) -> String {
        let Some(rate) = self.rate_hz else {
            return match self.online {
                Some(false) => "offline, and no weights; check its power and network".into(),
                _ => "says it is online, and sends no weights".into(),
            };
        };
        let grams: f32 = self.plates.values().flatten().sum();
        let count = self.plate_count();
        let plates = if count == 1 { "1 plate".to_owned() } else { format!("{count} plates") };
        let mut told = format!("{plates}, {rate:.0} Hz, reads {:.1} kg", grams / 1000.0);
        let missing: BTreeSet<PlateNo> =
            (1..=count).filter(|no| self.plates.get(no).is_none_or(Option::is_none)).collect();
        if !missing.is_empty() {
            let list: Vec<String> = missing.iter().map(ToString::to_string).collect();
            let _ = write!(told, ", nothing from plate {}", list.join(", "));
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: ShopTime = ShopTime(1_790_000_000_000_000);

    fn heard(messages: &[(&str, &str, bool)]) -> Heard {
        let mut heard = Heard::default();
        for (topic, payload, retained) in messages {
            let message =
                Message { topic: (*topic).to_owned(), payload: payload.as_bytes().to_vec(), retained: *retained };
            heard.take(&message, NOW);
        }
        heard
    }

    const WEIGHTS: &str =
        r#"{"boot":"b","seq":1,"t0_us":1790000000000000,"dt_us":16667,"plates":{"1":[100.0,250.5],"3":[null,749.5]}}"#;

    #[test]
    fn devices_are_told_as_a_technician_wants_to_see_them() {
        let tap =
            r#"{"tap_id":"t","t_us":1790000000000000,"direction":"in","credential":{"kind":"card","token":"tok_1"}}"#;
        let heard = heard(&[
            ("carryout/v1/corner/shelf/1-10/weights", WEIGHTS, false),
            ("carryout/v1/corner/shelf/1-9/status", "offline", true),
            ("carryout/v1/corner/shelf/1-8/status", "online", true),
            ("carryout/v1/corner/gate/gate-1/tap", tap, false),
            ("carryout/v1/corner/gate/gate-2/status", r#"{"t_us":1790000000000000}"#, false),
            (
                "carryout/v1/corner/camera/eyes/people",
                r#"{"boot":"c","seq":1,"t_us":1790000000000000,"people":[]}"#,
                false,
            ),
            ("carryout/v1/corner/status", r#"{"state":"up"}"#, true),
            ("carryout/v1/corner/gate/gate-1/decision", "{}", false),
        ]);
        let told = heard.shops["corner"].told();
        let lines: Vec<&str> = told.lines().map(str::trim).collect();
        assert_eq!(
            lines,
            [
                "shelf 1-8: says it is online, and sends no weights",
                "shelf 1-9: offline, and no weights; check its power and network",
                "shelf 1-10: 3 plates, 60 Hz, reads 1.0 kg, nothing from plate 2",
                "gate gate-1: taps or passages in",
                "gate gate-2: its clock, no tap yet",
                "camera eyes: sends people, sees 0 now",
                "a carryout daemon speaks for this shop already; it says `up`",
            ]
        );
    }

    #[test]
    fn foreign_and_malformed_messages_are_counted_and_named() {
        let heard = heard(&[
            ("carryout/v1/corner/shelf/1-1/weights", "not JSON", false),
            ("carryout/v1/corner/shelf/1-1/weights", WEIGHTS, true),
            ("carryout/v1/corner/shelf/bad id/weights", WEIGHTS, false),
            ("carryout/v1/corner/fridge/1/door", "open", false),
            ("carryout/v1/corner/gate/gate-1/tap", r#"{"tap_id":"t"}"#, false),
            ("carryout/v1/a shop/shelf/1-1/weights", WEIGHTS, false),
            ("carryout/v1/corner", "hello", false),
            ("zigbee2mqtt/lamp", "on", false),
        ]);
        assert_eq!(heard.shops.len(), 1);
        let corner = &heard.shops["corner"];
        assert!(corner.shelves.is_empty() && corner.gates.is_empty(), "refused messages make no devices");
        let kinds: Vec<(&str, u64)> = corner.refused.iter().map(|(kind, (n, _))| (kind.as_str(), *n)).collect();
        assert_eq!(
            kinds,
            [
                ("tap.malformed", 1),
                ("unknown topic", 1),
                ("weights.malformed", 1),
                ("weights.retained", 1),
                ("weights.unknown_id", 1)
            ]
        );
    }
}
