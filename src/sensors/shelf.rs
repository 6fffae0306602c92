//! Weighing shelves: `shelf/{shelf}/weights` and `shelf/{shelf}/status`.
//!
//! Weights are most of what a shop says (86 000 samples a second from 20 bays), so they are read straight into their
//! rows; only a message that cannot be read is looked at a second time, to say what is wrong with it. What the grams
//! mean is fusion's question.

use super::wire::{self, Origin, Refusal, Why};
use crate::base::card;
use crate::base::{PlateNo, ShelfId, ShopTime, limits};
use crate::events::{PlateSamples, Weights};
use crate::shop::{Shelf, Shop};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Grams beyond this are a broken cell or a wrong unit: plates are rated for 20 kg and read 18 kg unloaded at worst.
const GRAMS: f32 = 1e6;

/// Longest pause between two samples, us.
const DT_US: i64 = 10_000_000;

/// `shelf/{shelf}/weights`.
pub fn weights(shelf: &str, payload: &[u8], arrival: ShopTime, shop: &Shop) -> Result<Weights, Refusal> {
    let from = Origin { what: "weights", device: "shelf", id: shelf };
    let id = ShelfId::new(shelf);
    let known = shop.layout.shelves.get(&id).ok_or_else(|| from.unknown())?;
    wire::check_size(from, payload)?;
    // Raw JSON may look like a card number by accident (a fraction of a gram); the closer look knows.
    if card::holds_digits_of_a_card(payload) {
        wire::refuse_cards(from, &wire::object(from, payload)?)?;
    }
    let message: Message = if wire::is_cbor(payload) {
        wire::cbor(payload).ok_or_else(|| diagnose(from, payload))?
    } else {
        serde_json::from_slice(payload).map_err(|_| diagnose(from, payload))?
    };
    check(from, known, &message, arrival)?;
    let Message { boot, seq, t0_us, dt_us, plates: Rows(mut plates) } = message;
    plates.sort_by_key(|row| row.plate);
    Ok(Weights { shelf: id, boot, seq, t0_us, dt_us, plates })
}

/// `shelf/{shelf}/status`: the words `online` and `offline`.
pub fn status(shelf: &str, payload: &[u8], shop: &Shop) -> Result<(ShelfId, bool), Refusal> {
    let from = Origin { what: "shelf_status", device: "shelf", id: shelf };
    let id = ShelfId::new(shelf);
    if !shop.layout.shelves.contains_key(&id) {
        return Err(from.unknown());
    }
    wire::check_size(from, payload)?;
    match payload.trim_ascii() {
        b"online" => Ok((id, true)),
        b"offline" => Ok((id, false)),
        _ if card::holds_digits_of_a_card(payload) => {
            Err(from.refuse(Why::CardNumber, "holds what looks like a card number"))
        }
        _ => Err(from.refuse(Why::Malformed, "status is neither online nor offline")),
    }
}

fn check(from: Origin, known: &Shelf, message: &Message, arrival: ShopTime) -> Result<(), Refusal> {
    if message.boot.is_empty() || message.boot.len() > limits::ID_CHARS || message.boot.chars().any(char::is_control) {
        return Err(from.refuse(Why::Malformed, format_args!("`boot` is not 1 to {} characters", limits::ID_CHARS)));
    }
    let rows = &message.plates.0;
    let Some(samples) = rows.first().map(|row| row.grams.len()) else {
        return Err(from.refuse(Why::Malformed, "`plates` is empty"));
    };
    for (n, row) in rows.iter().enumerate() {
        if known.plate(row.plate).is_none() {
            let detail = format!("has no plate {}: shop.toml declares {}", row.plate, known.plates.len());
            return Err(from.refuse(Why::UnknownId, detail));
        }
        if row.grams.len() != samples {
            return Err(from.refuse(Why::Malformed, "`plates` rows differ in length"));
        }
        if rows[..n].iter().any(|earlier| earlier.plate == row.plate) {
            return Err(from.refuse(Why::Malformed, format_args!("plate {} comes twice", row.plate)));
        }
        // Not-a-number and infinity fail this comparison too.
        if !row.grams.iter().flatten().all(|grams| grams.abs() <= GRAMS) {
            let detail = format!("plate {} reads beyond {GRAMS} g; is its unit grams?", row.plate);
            return Err(from.refuse(Why::OutOfRange, detail));
        }
    }
    if samples == 0 {
        return Err(from.refuse(Why::Malformed, "`plates` rows are empty"));
    }
    if !(1..=DT_US).contains(&message.dt_us) {
        return Err(from.refuse(Why::OutOfRange, format_args!("`dt_us` is not within 1 to {DT_US}")));
    }
    wire::check_time(from, "t0_us", message.t0_us, arrival)?;
    Ok(())
}

/// The message as it is sent, read without an intermediate tree.
#[derive(Deserialize)]
struct Message {
    boot: String,
    seq: u64,
    t0_us: i64,
    dt_us: i64,
    plates: Rows,
}

/// `{"1":[1012.3,null,…],"2":[…]}`
struct Rows(Vec<PlateSamples>);

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rows, D::Error> {
        struct Plates;
        impl<'de> Visitor<'de> for Plates {
            type Value = Rows;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("rows by plate")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Rows, A::Error> {
                let mut rows: Vec<PlateSamples> = Vec::new();
                while let Some(PlateKey(plate)) = map.next_key()? {
                    // Rows are of equal length, so the first one's is a good guess.
                    let expected = rows.first().map_or(0, |row| row.grams.len());
                    rows.push(PlateSamples { plate, grams: map.next_value_seed(Row { expected })? });
                }
                Ok(Rows(rows))
            }
        }
        deserializer.deserialize_map(Plates)
    }
}

struct PlateKey(PlateNo);

impl<'de> Deserialize<'de> for PlateKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PlateKey, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = PlateKey;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a plate's number")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<PlateKey, E> {
                plate_no(text).map(PlateKey).ok_or_else(|| E::custom("not a plate's number"))
            }
        }
        deserializer.deserialize_str(Number)
    }
}

/// Digits only: no sign, no leading zero.
fn plate_no(text: &str) -> Option<PlateNo> {
    if text.starts_with(['+', '0']) { None } else { text.parse().ok() }
}

struct Row {
    expected: usize,
}

impl<'de> DeserializeSeed<'de> for Row {
    type Value = Vec<Option<f32>>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        // Not `deserialize_seq`: in CBOR that takes a string of bytes for a row, and a packed float for four weights.
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Row {
    type Value = Vec<Option<f32>>;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a row of grams")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut grams = Vec::with_capacity(self.expected);
        while let Some(Sample(sample)) = seq.next_element()? {
            if grams.len() == limits::BATCH_SAMPLES {
                return Err(A::Error::custom("too many samples"));
            }
            grams.push(sample);
        }
        Ok(grams)
    }
}

/// Grams or null. CBOR senders write whole grams as integers, which serde's own `f32` does not take.
struct Sample(Option<f32>);

impl<'de> Deserialize<'de> for Sample {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Sample, D::Error> {
        struct Grams;
        impl Visitor<'_> for Grams {
            type Value = Sample;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("grams")
            }
            fn visit_f64<E: Error>(self, grams: f64) -> Result<Sample, E> {
                Ok(Sample(Some(grams as f32)))
            }
            fn visit_u64<E: Error>(self, grams: u64) -> Result<Sample, E> {
                Ok(Sample(Some(grams as f32)))
            }
            fn visit_i64<E: Error>(self, grams: i64) -> Result<Sample, E> {
                Ok(Sample(Some(grams as f32)))
            }
            fn visit_unit<E: Error>(self) -> Result<Sample, E> {
                Ok(Sample(None))
            }
            fn visit_none<E: Error>(self) -> Result<Sample, E> {
                Ok(Sample(None))
            }
        }
        deserializer.deserialize_any(Grams)
    }
}

/// Says what is wrong with a message that could not be read. Slow, and seldom needed.
fn diagnose(from: Origin, payload: &[u8]) -> Refusal {
    let map = match wire::object(from, payload) {
        Ok(map) => map,
        Err(refusal) => return refusal,
    };
    let fields = wire::Fields::of(from, &map);
    let named = fields
        .text("boot", limits::ID_CHARS)
        .and_then(|_| fields.count("seq"))
        .and_then(|_| fields.integer("t0_us"))
        .and_then(|_| fields.integer("dt_us"))
        .and_then(|_| fields.object("plates"));
    match (named, map.get("plates")) {
        (Err(refusal), _) => refusal,
        (Ok(_), Some(Value::Object(rows))) => diagnose_rows(from, rows),
        (Ok(_), _) => from.refuse(Why::Malformed, "not a weights message"),
    }
}

fn diagnose_rows(from: Origin, rows: &Map<String, Value>) -> Refusal {
    for (key, row) in rows {
        let Some(plate) = plate_no(key) else {
            return from.refuse(Why::Malformed, "`plates` has a key that is no plate number");
        };
        let Some(samples) = row.as_array() else {
            return from.refuse(Why::Malformed, format_args!("plate {plate} is not a list of grams"));
        };
        if samples.len() > limits::BATCH_SAMPLES {
            let detail = format!("plate {plate} has {} samples; at most {}", samples.len(), limits::BATCH_SAMPLES);
            return from.refuse(Why::Oversized, detail);
        }
        if !samples.iter().all(|sample| sample.is_null() || sample.is_number()) {
            return from.refuse(Why::Malformed, format_args!("plate {plate} has a sample that is no number"));
        }
    }
    from.refuse(Why::Malformed, "a key comes twice")
}
