//! People as a camera or a perception worker saw them: `camera/{camera}/people`.

use super::wire::{self, Fields, Origin, Refusal, Why};
use crate::base::{CameraId, Point2, Point3, ShopTime, limits};
use crate::events::{People, Person, Vector};
use crate::shop::Shop;
use serde_json::Value;
use std::ops::RangeInclusive;

/// Metres of the shop frame: no shop is a kilometre wide.
const METRES: RangeInclusive<f64> = -1_000.0..=1_000.0;

/// Fractions of the picture; a person may reach past its edge.
const PICTURE: RangeInclusive<f64> = -1.0..=2.0;

/// Hands seen of one person. A detector may see a few too many; a hundred is not a person.
const HANDS: usize = 8;

/// Numbers in an appearance or in-hand vector.
const VECTOR: usize = 1_024;

/// Vectors are compared by direction: larger parts are an overflow on the other side.
const PART: RangeInclusive<f64> = -1e6..=1e6;

/// `camera/{camera}/people`.
pub fn people(camera: &str, payload: &[u8], arrival: ShopTime, shop: &Shop) -> Result<People, Refusal> {
    let from = Origin { what: "people", device: "camera", id: camera };
    let camera = CameraId::new(camera);
    if !shop.layout.cameras.contains_key(&camera) {
        return Err(from.unknown());
    }
    let map = wire::object(from, payload)?;
    wire::refuse_cards(from, &map)?;
    let fields = Fields::of(from, &map);
    let list = fields.list("people")?;
    if list.len() > limits::PEOPLE_PER_MESSAGE {
        let detail = format!("holds {}; at most {} are read", list.len(), limits::PEOPLE_PER_MESSAGE);
        return Err(fields.refuse(Why::Oversized, "people", &detail));
    }
    let one = |(n, value)| fields.element("people", n, value).and_then(|fields| person(&fields));
    Ok(People {
        boot: fields.text("boot", limits::ID_CHARS)?.to_owned(),
        seq: fields.count("seq")?,
        t_us: fields.time("t_us", arrival)?,
        people: list.iter().enumerate().map(one).collect::<Result<_, _>>()?,
        camera,
    })
}

fn person(fields: &Fields) -> Result<Person, Refusal> {
    let bounds = optional(fields, "box", |value| fields.numbers::<4>("box", value, PICTURE))?;
    if bounds.is_some_and(|[_, _, width, height]| width <= 0.0 || height <= 0.0) {
        return Err(fields.refuse(Why::OutOfRange, "box", "has no width or no height"));
    }
    let floor = optional(fields, "floor", |value| fields.numbers::<2>("floor", value, METRES).map(Point2::from))?;
    if bounds.is_none() && floor.is_none() {
        return Err(fields.refuse(Why::Malformed, "floor", "and `box` are both missing; one is needed"));
    }
    Ok(Person {
        track: fields.text("track", limits::ID_CHARS)?.to_owned(),
        confidence: fields.number_within("confidence", 0.0..=1.0)?,
        bounds,
        floor,
        head: optional(fields, "head", |value| fields.numbers::<3>("head", value, METRES).map(Point3::from))?,
        hands: hands(fields)?,
        appearance: optional(fields, "appearance", |_| vector(fields, "appearance"))?,
        in_hand: optional(fields, "in_hand", |_| vector(fields, "in_hand"))?,
    })
}

fn hands(fields: &Fields) -> Result<Vec<Point3>, Refusal> {
    if fields.optional("hands").is_none() {
        return Ok(Vec::new());
    }
    let list = fields.list("hands")?;
    if list.len() > HANDS {
        return Err(fields.refuse(Why::Oversized, "hands", &format!("are more than {HANDS}")));
    }
    list.iter().map(|value| fields.numbers::<3>("hands", value, METRES).map(Point3::from)).collect()
}

fn vector(fields: &Fields, key: &'static str) -> Result<Vector, Refusal> {
    let inside = fields.object(key)?;
    let list = inside.list("v")?;
    if list.len() > VECTOR {
        return Err(fields.refuse(Why::Oversized, key, &format!("has more than {VECTOR} numbers")));
    }
    let part = |value: &Value| match value.as_f64() {
        Some(x) if PART.contains(&x) => Ok(x as f32),
        Some(_) => Err(fields.refuse(Why::OutOfRange, key, "has a number beyond a million")),
        None => Err(fields.refuse(Why::Malformed, key, "has something that is not a number")),
    };
    Ok(Vector {
        space: inside.text("space", limits::ID_CHARS)?.to_owned(),
        v: list.iter().map(part).collect::<Result<_, _>>()?,
    })
}

fn optional<T>(
    fields: &Fields,
    key: &str,
    read: impl FnOnce(&Value) -> Result<T, Refusal>,
) -> Result<Option<T>, Refusal> {
    fields.optional(key).map(read).transpose()
}
