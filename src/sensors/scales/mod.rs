//! Scales that publish plain numbers: ESPHome, Tasmota and what people solder together, one topic a plate.
//!
//! `[[mqtt.scales]]` of the config says which topics they are and what stands in them; a reading is `1012.3`, or a number
//! inside a JSON object. It is stamped on arrival and gathered into the batches of `shelf/{shelf}/weights`, so that behind
//! the door nobody knows the difference. What is lost with such scales is in docs/wire.md.

mod gather;
mod template;

use self::gather::Gather;
pub use self::template::Template;
use super::wire::{self, Origin, Refusal, Why};
use crate::base::{Counters, PlateNo, ShelfId, ShopTime, card};
use crate::events::{Observation, Weights};
use crate::shop::Shop;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One entry of `[[mqtt.scales]]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScaleOptions {
    /// Where readings come, with `{shelf}` and `{plate}` in the place of ids.
    pub topic: Template,
    /// For a topic without `{shelf}`.
    #[serde(default)]
    pub shelf: Option<ShelfId>,
    /// For a topic without `{plate}`.
    #[serde(default)]
    pub plate: Option<PlateNo>,
    pub unit: Unit,
    /// Where the number stands in a JSON object, as RFC 6901 writes it: `/HX711/Weight`. Unset: it is all there is.
    #[serde(default)]
    pub value: Option<String>,
    /// Where the device says `online` and `offline`.
    #[serde(default)]
    pub availability: Option<Template>,
    /// Milliseconds from one reading to the next.
    #[serde(default = "usual_interval_ms")]
    pub interval_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Unit {
    #[serde(rename = "g")]
    Grams,
    #[serde(rename = "kg")]
    Kilograms,
}

/// The slow setting of the usual amplifier (HX711): 10 readings a second.
fn usual_interval_ms() -> i64 {
    100
}

/// Slower scales than the last cannot tell a take from a touch in time; faster ones send batches.
const INTERVAL_MS: std::ops::RangeInclusive<i64> = 20..=2_000;

/// As for batches: beyond this a cell is broken or the unit is wrong.
const GRAMS: f64 = 1e6;

/// A plain number is not longer than this, bytes.
const NUMBER_BYTES: usize = 64;

impl ScaleOptions {
    /// Whether two entries would read the same number twice.
    pub fn reads_the_same(&self, other: &ScaleOptions) -> bool {
        (&self.topic, &self.shelf, self.plate, &self.value) == (&other.topic, &other.shelf, other.plate, &other.value)
    }

    /// What is wrong with an entry, in sentences that go on from "topic `…`"; empty is well.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (hole, in_topic, given) in [
            ("shelf", self.topic.has_shelf(), self.shelf.is_some()),
            ("plate", self.topic.has_plate(), self.plate.is_some()),
        ] {
            match (in_topic, given) {
                (false, false) => {
                    problems.push(format!("has neither {{{hole}}} in its topic nor a `{hole}` beside it"))
                }
                (true, true) => {
                    problems.push(format!("has {{{hole}}} in its topic and a `{hole}` beside it: one of them"))
                }
                _ => {}
            }
        }
        if self.plate == Some(0) {
            problems.push("is of plate 0: plates count from 1".into());
        }
        if self.value.as_ref().is_some_and(|value| !value.starts_with('/')) {
            problems.push("has a `value` that does not begin with `/`: write it like \"/HX711/Weight\"".into());
        }
        if !INTERVAL_MS.contains(&self.interval_ms) {
            let (low, high) = (INTERVAL_MS.start(), INTERVAL_MS.end());
            problems.push(format!("has an `interval_ms` of {}: use {low} to {high}", self.interval_ms));
        }
        if let Some(availability) = &self.availability {
            if availability.has_plate() {
                problems.push("has {plate} in its `availability`, which speaks of a whole shelf".into());
            }
            if !availability.has_shelf() && self.shelf.is_none() {
                problems.push("has no {shelf} in its `availability`, and no `shelf` beside it".into());
            }
        }
        problems
    }
}

/// All scales of this kind.
pub struct Scales {
    entries: Vec<ScaleOptions>,
    shop: Arc<Shop>,
    counters: Counters,
    boot: String,
    shelves: BTreeMap<ShelfId, Gather>,
}

/// One entry's word on a message.
enum Word {
    Reading(ShelfId, PlateNo, f64),
    Online(ShelfId, bool),
}

impl Scales {
    /// `started` tells this run's batches from the last one's.
    pub fn new(entries: &[ScaleOptions], shop: Arc<Shop>, counters: Counters, started: ShopTime) -> Scales {
        let boot = format!("gathered-{}", started.0);
        Scales { entries: entries.to_vec(), shop, counters, boot, shelves: BTreeMap::new() }
    }

    /// What the broker is asked for.
    pub fn filters(entries: &[ScaleOptions]) -> Vec<String> {
        let topics = entries.iter().flat_map(|entry| [Some(&entry.topic), entry.availability.as_ref()]);
        let mut filters: Vec<String> = topics.flatten().map(Template::filter).collect();
        filters.sort();
        filters.dedup();
        filters
    }

    /// What a message says, entry by entry: several may find theirs in one (a device with all plates in one object).
    /// Nothing for a topic that only lies beside ours. Everything is counted.
    pub fn heard(&mut self, topic: &str, retained: bool, payload: &[u8], arrival: ShopTime) -> Vec<Observation> {
        let mut said = Vec::new();
        for entry in &self.entries {
            for word in words(entry, topic, retained, payload, &self.shop) {
                match word {
                    Ok(Word::Online(shelf, online)) => {
                        self.counters.count("shelf_status.received");
                        said.push(Observation::ShelfOnline { shelf, online });
                    }
                    Ok(Word::Reading(shelf, plate, grams)) => {
                        self.counters.count("scale.received");
                        let slot_us = entry.interval_ms * 1_000;
                        let gather = self.shelves.entry(shelf.clone());
                        let gather = gather.or_insert_with(|| Gather::new(shelf, &self.boot, slot_us));
                        if gather.is_late(plate, arrival) {
                            self.counters.count("scale.late");
                        }
                        said.extend(gather.reading(plate, grams, arrival, slot_us).map(Observation::Weights));
                    }
                    Err(refusal) => refusal.count(&self.counters),
                }
            }
        }
        said
    }

    /// When the next batch is due.
    pub fn due(&self) -> Option<ShopTime> {
        self.shelves.values().filter_map(Gather::due).min()
    }

    /// The batches that are due.
    pub fn close(&mut self, now: ShopTime) -> Vec<Weights> {
        self.shelves.values_mut().filter_map(|gather| gather.close(now)).collect()
    }
}

/// An entry's words on a message: a reading, a state, or neither.
fn words(entry: &ScaleOptions, topic: &str, retained: bool, payload: &[u8], shop: &Shop) -> Vec<Result<Word, Refusal>> {
    let mut words = Vec::new();
    if let Some(found) = entry.topic.find(topic) {
        let shelf = found.shelf.or(entry.shelf.as_ref().map(ShelfId::as_str)).unwrap_or_default();
        let plate = found.plate.or(entry.plate).unwrap_or_default();
        words.push(reading(entry, shelf, plate, retained, payload, shop));
    }
    if let Some(found) = entry.availability.as_ref().and_then(|availability| availability.find(topic)) {
        let shelf = found.shelf.or(entry.shelf.as_ref().map(ShelfId::as_str)).unwrap_or_default();
        words.push(
            super::shelf::status(shelf, &payload.to_ascii_lowercase(), shop)
                .map(|(shelf, online)| Word::Online(shelf, online)),
        );
    }
    words
}

fn reading(
    entry: &ScaleOptions,
    shelf: &str,
    plate: PlateNo,
    retained: bool,
    payload: &[u8],
    shop: &Shop,
) -> Result<Word, Refusal> {
    let from = Origin { what: "scale", device: "shelf", id: shelf };
    let id = ShelfId::new(shelf);
    let known = shop.layout.shelves.get(&id).ok_or_else(|| from.unknown())?;
    if known.plate(plate).is_none() {
        let detail = format!("has no plate {plate}: shop.toml declares {}", known.plates.len());
        return Err(from.refuse(Why::UnknownId, detail));
    }
    if retained {
        let detail =
            format!("plate {plate}: what the broker kept is of unknown age; let the device publish without retain");
        return Err(from.refuse(Why::Retained, detail));
    }
    let number = match &entry.value {
        None => plain_number(from, plate, payload)?,
        Some(pointer) => number_at(from, pointer, payload)?,
    };
    let grams = match entry.unit {
        Unit::Grams => number,
        Unit::Kilograms => number * 1_000.0,
    };
    // Not-a-number and infinity fail this comparison too.
    if grams.abs() <= GRAMS {
        Ok(Word::Reading(id, plate, grams))
    } else {
        Err(from.refuse(Why::OutOfRange, format_args!("plate {plate} reads beyond {GRAMS} g; is its `unit` right?")))
    }
}

fn plain_number(from: Origin, plate: PlateNo, payload: &[u8]) -> Result<f64, Refusal> {
    wire::check_size(from, payload)?;
    let text = std::str::from_utf8(payload).map(str::trim).unwrap_or_default();
    // `nan` is what ESPHome says of a sensor that has no value.
    let number = text.parse::<f64>().ok().filter(|number| text.len() <= NUMBER_BYTES && number.is_finite());
    match number {
        Some(number) if number.abs() <= GRAMS => Ok(number),
        _ if card::holds_digits_of_a_card(payload) => {
            Err(from.refuse(Why::CardNumber, "holds what looks like a card number"))
        }
        Some(number) => Ok(number),
        None => Err(from.refuse(Why::Malformed, format_args!("plate {plate}: not a plain number"))),
    }
}

fn number_at(from: Origin, pointer: &str, payload: &[u8]) -> Result<f64, Refusal> {
    let map = wire::object(from, payload)?;
    wire::refuse_cards(from, &map)?;
    let value = serde_json::Value::Object(map);
    let number = value.pointer(pointer).and_then(serde_json::Value::as_f64);
    number.ok_or_else(|| from.refuse(Why::Malformed, format_args!("no number at `{pointer}`")))
}
