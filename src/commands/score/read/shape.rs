//! What the lines of the files look like, key by key, and what is wrong with one that does not look like it.
//!
//! serde decides whether a line is taken; this is asked only about one that was not, and has to name the key.

use serde_json::{Map, Value};

/// What a key should hold.
pub enum Kind {
    Text,
    TextOrNull,
    Whole,
    WholeOrNull,
    Number,
    YesNo,
    Any,
    /// Objects, each with these keys.
    List(Keys),
}

pub type Keys = &'static [(&'static str, Kind)];

const TAKEN: Keys = &[("product", Kind::Text), ("quantity", Kind::Whole)];
const VISIT: Keys = &[
    ("case", Kind::Text),
    ("visit", Kind::Text),
    ("token", Kind::TextOrNull),
    ("entered_us", Kind::Whole),
    ("left_us", Kind::WholeOrNull),
    ("cart", Kind::List(TAKEN)),
    ("payer", Kind::YesNo),
];
const EVENT: Keys = &[
    ("case", Kind::Text),
    ("t_us", Kind::Whole),
    ("action", Kind::Text),
    ("visit", Kind::Text),
    ("product", Kind::Text),
    ("quantity", Kind::Whole),
    ("plates", Kind::Any),
];
const BODY: Keys = &[("t_us", Kind::Whole), ("body", Kind::Text), ("visit", Kind::Text), ("floor", Kind::Any)];
const LINE: Keys = &[
    ("line_id", Kind::Text),
    ("product", Kind::Text),
    ("name", Kind::Text),
    ("quantity", Kind::Whole),
    ("unit_price", Kind::Whole),
    ("tax", Kind::Whole),
    ("deposit", Kind::Whole),
    ("total", Kind::Whole),
    ("probability", Kind::Number),
    ("draft", Kind::YesNo),
];
const RECEIPT: Keys = &[
    ("token", Kind::Text),
    ("visit_id", Kind::Text),
    ("state", Kind::Text),
    ("revision", Kind::Whole),
    ("currency", Kind::Text),
    ("lines", Kind::List(LINE)),
    ("total", Kind::Whole),
    ("tax_total", Kind::Whole),
    ("t_us", Kind::Whole),
    ("receipt_id", Kind::Text),
    ("number", Kind::Whole),
    ("status", Kind::Text),
    ("charge_ids", Kind::Any),
    ("in_doubt", Kind::Any),
    ("entered_us", Kind::Whole),
    ("left_us", Kind::Whole),
];

const CEILING: Keys = &[("token", Kind::Text), ("cart", Kind::List(TAKEN))];

/// What a line of a kind looks like: its keys, and a sentence for who has it wrong.
pub type Shape = fn(&Map<String, Value>) -> Result<(Keys, &'static str), String>;

pub fn truth_line(line: &Map<String, Value>) -> Result<(Keys, &'static str), String> {
    match line.get("kind").and_then(Value::as_str) {
        Some("visit") => Ok((VISIT, "a visit line has case, visit, token, entered_us, left_us, cart and payer")),
        Some("event") => {
            Ok((EVENT, "an event line has case, t_us, action, visit, to, product, quantity, gondola, shelf and plates"))
        }
        Some("body") => Ok((BODY, "a body line has t_us, body, visit and floor")),
        _ if line.contains_key("receipt_id") => Err("a receipt; are the two files swapped?".to_owned()),
        _ => Err("key \"kind\" has to be visit, event or body".to_owned()),
    }
}

pub fn receipt_line(line: &Map<String, Value>) -> Result<(Keys, &'static str), String> {
    match line.get("kind") {
        Some(_) => Err("a line of truth; are the two files swapped?".to_owned()),
        // `carryout export` writes this of who asked to be forgotten.
        None if line.get("token").is_some_and(Value::is_null) => {
            Err("key \"token\" is null, so nobody can say whose receipt it is; take it and its visit out".to_owned())
        }
        None => Ok((RECEIPT, "a receipt line is the receipt of wire.md plus \"token\"")),
    }
}

pub fn ceiling_line(_: &Map<String, Value>) -> Result<(Keys, &'static str), String> {
    Ok((CEILING, "a ceiling line has token and cart"))
}

/// Of a line that serde refused with `err`.
pub fn what_is_wrong(line: &str, err: &serde_json::Error, shape: Shape) -> String {
    let object = match serde_json::from_str(line) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return "this is not a JSON object".to_owned(),
        Err(err) if err.is_eof() => return "the line ends too early; was the file cut off?".to_owned(),
        Err(err) => return format!("this is not JSON (column {})", err.column()),
    };
    match shape(&object) {
        Err(what) => what,
        Ok((keys, expected)) => match wrong_key(&object, keys) {
            Some(what) => format!("{what}; {expected}"),
            None => {
                // serde counts lines from the beginning of this one.
                let said = err.to_string();
                format!("{}; {expected}", said.split(" at line ").next().unwrap_or_default())
            }
        },
    }
}

/// The first key that is missing or holds something else.
fn wrong_key(object: &Map<String, Value>, keys: Keys) -> Option<String> {
    keys.iter().find_map(|(key, kind)| {
        let Some(value) = object.get(*key) else {
            let may_lack = matches!(kind, Kind::TextOrNull | Kind::WholeOrNull);
            return (!may_lack).then(|| format!("key \"{key}\" is missing"));
        };
        let (is_right, wanted) = match kind {
            Kind::Text => (value.is_string(), "a text"),
            Kind::TextOrNull => (value.is_string() || value.is_null(), "a text or null"),
            Kind::Whole => (value.is_i64(), "a whole number"),
            Kind::WholeOrNull => (value.is_i64() || value.is_null(), "a whole number or null"),
            Kind::Number => (value.is_number(), "a number"),
            Kind::YesNo => (value.is_boolean(), "true or false"),
            Kind::Any => (true, ""),
            Kind::List(inner) => {
                let Some(list) = value.as_array() else { return Some(format!("key \"{key}\" should be a list")) };
                return list.iter().enumerate().find_map(|(n, item)| {
                    let what = match item.as_object() {
                        None => Some("is not an object".to_owned()),
                        Some(item) => wrong_key(item, inner),
                    };
                    what.map(|what| format!("number {} of \"{key}\": {what}", n + 1))
                });
            }
        };
        (!is_right).then(|| format!("key \"{key}\" should be {wanted}"))
    })
}
