//! Payload bytes to checked fields: what every device's parser shares.
//!
//! Parse at the door, then trust. A message that is not as docs/wire.md says becomes a [`Refusal`]: a name to count it
//! under (`tap.malformed`) and a sentence that names the device and the key and never quotes what was sent, because
//! what was sent may be a card number. Keys we do not know are ignored.

use crate::base::card;
use crate::base::{Counters, ShopTime, TapId, limits, time::SECOND_US};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Not JSON or CBOR, a required key missing or of the wrong type.
    Malformed,
    /// More bytes, samples or people than base/limits.rs allows.
    Oversized,
    /// A number no real device sends.
    OutOfRange,
    /// A shelf, plate, gate or camera that shop.toml does not declare.
    UnknownId,
    /// More than a day ahead of its arrival (smaller leaps are the floor's to judge, which knows the device's offset).
    FutureDated,
    CardNumber,
    /// Kept by the broker from an unknown time; measurements and taps must not be retained.
    Retained,
}

impl Why {
    fn name(self) -> &'static str {
        match self {
            Why::Malformed => "malformed",
            Why::Oversized => "oversized",
            Why::OutOfRange => "out_of_range",
            Why::UnknownId => "unknown_id",
            Why::FutureDated => "future_dated",
            Why::CardNumber => "card_number",
            Why::Retained => "retained",
        }
    }
}

/// A message that goes no further.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// weights, scale, shelf_status, tap, passage, gate_status or people.
    pub what: &'static str,
    pub why: Why,
    /// Names the device and the key; holds nothing of the payload.
    pub detail: String,
    /// The tap to be answered `malformed`, where it could be read and is itself clean.
    pub tap: Option<TapId>,
}

impl Refusal {
    pub fn new(what: &'static str, why: Why, detail: impl Into<String>) -> Refusal {
        Refusal { what, why, detail: detail.into(), tap: None }
    }

    /// The counter's name: `tap.malformed`.
    pub fn kind(&self) -> String {
        format!("{}.{}", self.what, self.why.name())
    }

    pub fn count(&self, counters: &Counters) {
        counters.refuse(&self.kind(), &self.detail);
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind(), self.detail)
    }
}

/// The device a message came from, for the refusal's sentence.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    pub what: &'static str,
    /// shelf, gate or camera.
    pub device: &'static str,
    pub id: &'a str,
}

impl Origin<'_> {
    pub fn refuse(&self, why: Why, detail: impl fmt::Display) -> Refusal {
        Refusal::new(self.what, why, format!("{} {}: {detail}", self.device, self.shown()))
    }

    pub fn unknown(&self) -> Refusal {
        self.refuse(Why::UnknownId, format_args!("shop.toml declares no such {}", self.device))
    }

    /// The device's name, unless it is odd enough to be something else: topics come from outside too.
    fn shown(&self) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let digits = self.id.chars().filter(char::is_ascii_digit).count();
        if self.id.len() <= 40 && digits < 12 && self.id.chars().all(plain) {
            format!("`{}`", self.id)
        } else {
            "(name not shown)".to_owned()
        }
    }
}

/// CBOR maps begin with major type 5 or with the self-describing tag; a JSON object never begins with such a byte.
pub fn is_cbor(payload: &[u8]) -> bool {
    matches!(payload.first(), Some(0xa0..=0xbf | 0xd9))
}

/// Says "this is CBOR" and nothing else (RFC 8949, 3.4.6).
const CBOR_TAG: [u8; 3] = [0xd9, 0xd9, 0xf7];

/// The one thing a CBOR payload is; `None`: it is none, or something follows it, which JSON would not let pass either.
pub fn cbor<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    let mut rest = payload.strip_prefix(&CBOR_TAG).unwrap_or(payload);
    let value = ciborium::from_reader(&mut rest).ok()?;
    rest.is_empty().then_some(value)
}

pub fn check_size(from: Origin, payload: &[u8]) -> Result<(), Refusal> {
    if payload.len() <= limits::PAYLOAD_BYTES {
        return Ok(());
    }
    let detail = format!("{} bytes; at most {} are read", payload.len(), limits::PAYLOAD_BYTES);
    Err(from.refuse(Why::Oversized, detail))
}

/// The payload as an object, free of card numbers.
///
/// A tap's refusal for a card number still has to find the tap's id, so that check is separate: [`refuse_cards`].
pub fn object(from: Origin, payload: &[u8]) -> Result<Map<String, Value>, Refusal> {
    check_size(from, payload)?;
    let value = if is_cbor(payload) {
        cbor(payload).ok_or_else(|| from.refuse(Why::Malformed, "begins like CBOR and is none of the shape of JSON"))?
    } else {
        // serde_json's own words quote the payload; its position does not.
        serde_json::from_slice(payload).map_err(|error| {
            from.refuse(Why::Malformed, format_args!("no JSON after line {} column {}", error.line(), error.column()))
        })?
    };
    match value {
        Value::Object(map) => Ok(map),
        _ => Err(from.refuse(Why::Malformed, "not an object")),
    }
}

pub fn refuse_cards(from: Origin, map: &Map<String, Value>) -> Result<(), Refusal> {
    // `Value::Object` would need the map by value: look at its parts.
    let holds = map.iter().any(|(key, value)| {
        let a_time = key.ends_with("_us") && value.is_number();
        card::looks_like_card_number(key) || (!a_time && card::holds_card_number(value))
    });
    if holds {
        return Err(from.refuse(Why::CardNumber, "holds what looks like a card number; send a token instead"));
    }
    Ok(())
}

/// 2000-01-01. A device whose clock was never set says 1970.
const YEAR_2000_US: i64 = 946_684_800 * SECOND_US;

/// How far ahead of its arrival a time may be before it is not even looked at: a day, more than any time zone mix-up
/// within reach of a learned offset.
const AHEAD_US: i64 = 24 * 3600 * SECOND_US;

pub fn check_time(from: Origin, key: &str, t_us: i64, arrival: ShopTime) -> Result<i64, Refusal> {
    if t_us < YEAR_2000_US {
        return Err(from.refuse(Why::OutOfRange, format_args!("`{key}` is before the year 2000; is its clock set?")));
    }
    if t_us > arrival.0.saturating_add(AHEAD_US) {
        return Err(from.refuse(Why::FutureDated, format_args!("`{key}` is more than a day ahead; is its clock set?")));
    }
    Ok(t_us)
}

/// The keys of one object of a message, taken one by one.
#[derive(Clone, Copy)]
pub struct Fields<'a> {
    pub from: Origin<'a>,
    map: &'a Map<String, Value>,
    /// Where this object is in the message: empty, or `credential.`.
    inside: &'static str,
    /// Which element of a list this object is.
    nth: Option<usize>,
}

impl<'a> Fields<'a> {
    pub fn of(from: Origin<'a>, map: &'a Map<String, Value>) -> Fields<'a> {
        Fields { from, map, inside: "", nth: None }
    }

    pub fn refuse(&self, why: Why, key: &str, detail: &str) -> Refusal {
        let nth = self.nth.map(|n| format!("[{n}]")).unwrap_or_default();
        let dot = if self.inside.is_empty() { "" } else { "." };
        self.from.refuse(why, format_args!("`{}{nth}{dot}{key}` {detail}", self.inside))
    }

    /// `None` for a key that is missing or null.
    pub fn optional(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    pub fn required(&self, key: &str) -> Result<&'a Value, Refusal> {
        self.optional(key).ok_or_else(|| self.refuse(Why::Malformed, key, "is missing"))
    }

    pub fn object(&self, key: &'static str) -> Result<Fields<'a>, Refusal> {
        match self.required(key)? {
            Value::Object(map) => Ok(Fields { map, inside: key, nth: None, ..*self }),
            _ => Err(self.refuse(Why::Malformed, key, "is not an object")),
        }
    }

    pub fn list(&self, key: &str) -> Result<&'a [Value], Refusal> {
        match self.required(key)? {
            Value::Array(values) => Ok(values),
            _ => Err(self.refuse(Why::Malformed, key, "is not a list")),
        }
    }

    /// The `n`th element of the list `key`, as an object.
    pub fn element(&self, key: &'static str, n: usize, value: &'a Value) -> Result<Fields<'a>, Refusal> {
        match value {
            Value::Object(map) => Ok(Fields { map, inside: key, nth: Some(n), ..*self }),
            _ => Err(self.refuse(Why::Malformed, key, "holds something that is not an object")),
        }
    }

    /// Printable text of 1 to `most` characters.
    pub fn text(&self, key: &str, most: usize) -> Result<&'a str, Refusal> {
        let Value::String(text) = self.required(key)? else {
            return Err(self.refuse(Why::Malformed, key, "is not text"));
        };
        if text.is_empty() || text.chars().count() > most || text.chars().any(char::is_control) {
            return Err(self.refuse(Why::Malformed, key, &format!("is not 1 to {most} printable characters")));
        }
        Ok(text)
    }

    pub fn optional_text(&self, key: &str, most: usize) -> Result<Option<&'a str>, Refusal> {
        self.optional(key).map(|_| self.text(key, most)).transpose()
    }

    /// An id: letters, digits and `-_.:`, at most [`limits::ID_CHARS`].
    pub fn id(&self, key: &str) -> Result<&'a str, Refusal> {
        let text = self.text(key, limits::ID_CHARS)?;
        if text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c)) {
            Ok(text)
        } else {
            Err(self.refuse(Why::Malformed, key, "is no id: letters, digits and -_.: only"))
        }
    }

    pub fn integer(&self, key: &str) -> Result<i64, Refusal> {
        self.required(key)?.as_i64().ok_or_else(|| self.refuse(Why::Malformed, key, "is not a whole number"))
    }

    pub fn count(&self, key: &str) -> Result<u64, Refusal> {
        self.required(key)?.as_u64().ok_or_else(|| self.refuse(Why::Malformed, key, "is not a count (0, 1, 2, …)"))
    }

    pub fn time(&self, key: &str, arrival: ShopTime) -> Result<i64, Refusal> {
        check_time(self.from, key, self.integer(key)?, arrival)
    }

    pub fn number_within(&self, key: &str, range: std::ops::RangeInclusive<f64>) -> Result<f64, Refusal> {
        let x = self.required(key)?.as_f64().ok_or_else(|| self.refuse(Why::Malformed, key, "is not a number"))?;
        self.within(key, x, range)
    }

    fn within(&self, key: &str, x: f64, range: std::ops::RangeInclusive<f64>) -> Result<f64, Refusal> {
        if range.contains(&x) {
            Ok(x)
        } else {
            let detail = format!("is not within {} to {}", range.start(), range.end());
            Err(self.refuse(Why::OutOfRange, key, &detail))
        }
    }

    /// `N` numbers, each within `range`.
    pub fn numbers<const N: usize>(
        &self,
        key: &str,
        value: &Value,
        range: std::ops::RangeInclusive<f64>,
    ) -> Result<[f64; N], Refusal> {
        let wrong = || self.refuse(Why::Malformed, key, &format!("is not a list of {N} numbers"));
        let values = value.as_array().filter(|values| values.len() == N).ok_or_else(wrong)?;
        let mut numbers = [0.0; N];
        for (number, value) in numbers.iter_mut().zip(values) {
            *number = self.within(key, value.as_f64().ok_or_else(wrong)?, range.clone())?;
        }
        Ok(numbers)
    }
}
