//! The examples of docs/wire.md, read by the daemon itself.
//!
//! A block marked ```json NAME is what NAME says: a topic we listen to goes through its parser, what the daemon says is
//! read into the type it is written from and must come out the same.

use carryout::base::ShopTime;
use carryout::carts::{Cart, Charge, Receipt};
use carryout::events::Decision;
use carryout::floor::Snapshot;
use carryout::sensors::publish;
use carryout::sensors::topic::{self, Topic};
use carryout::sync::SyncStatus;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;

/// `(name, first line, text)` of every marked block.
fn examples() -> Vec<(String, usize, String)> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/wire.md")).expect("docs/wire.md");
    let mut examples: Vec<(String, usize, String)> = Vec::new();
    let mut open = false;
    for (n, line) in text.lines().enumerate() {
        match line.strip_prefix("```") {
            Some("") => open = false,
            Some(mark) => {
                let marked = mark.strip_prefix("json ").or(mark.strip_prefix("cbor ").map(|_| mark));
                let name = marked.unwrap_or_else(|| panic!("line {}: which message?", n + 1));
                examples.push((name.to_owned(), n + 1, String::new()));
                open = true;
            }
            None if open => {
                let (_, _, text) = examples.last_mut().expect("an open block");
                text.push_str(line);
                text.push('\n');
            }
            None => {}
        }
    }
    examples
}

/// Through the type and back: the same keys and values.
fn survives<T: Serialize + DeserializeOwned>(value: &Value) -> Result<(), String> {
    let typed: T = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
    let back = serde_json::to_value(typed).map_err(|error| error.to_string())?;
    if back == *value { Ok(()) } else { Err(format!("comes out as {back}")) }
}

fn same_keys(a: &Value, b: &Value) -> Result<(), String> {
    let keys = |value: &Value| value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>());
    if keys(a) == keys(b) { Ok(()) } else { Err(format!("keys differ from {b}")) }
}

/// `61 32 83 # a comment` to bytes.
fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.lines().flat_map(|line| line.split('#').next().unwrap_or_default().chars());
    let digits: Vec<u8> = digits.filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn an_example_in_cbor_says_what_the_one_in_json_says() {
    let (shop, arrival) = (crate::small_shop::small_shop(), ShopTime(1_760_000_000_000_000));
    let examples = examples();
    let mut compared = 0;
    for (name, line, hex) in examples.iter().filter(|(name, ..)| name.starts_with("cbor ")) {
        let topic = name.trim_start_matches("cbor ");
        let (_, _, json) = examples.iter().find(|(name, ..)| name == topic).expect("the same in JSON");
        let read = |payload: &[u8]| {
            topic::read(Topic::of(topic).expect("a topic"), false, payload, arrival, &shop).map_err(|e| e.to_string())
        };
        let said = read(&bytes(hex));
        assert!(said.is_ok(), "docs/wire.md line {line}: {said:?}");
        assert_eq!(said, read(json.as_bytes()), "docs/wire.md line {line}");
        compared += 1;
    }
    assert_eq!(compared, 2, "weights and people");
}

#[test]
fn every_example_of_the_wire_is_true() {
    let (shop, arrival) = (crate::small_shop::small_shop(), ShopTime(1_760_000_000_000_000));
    let mut seen = BTreeMap::new();
    for (name, line, text) in examples().into_iter().filter(|(name, ..)| !name.starts_with("cbor ")) {
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("line {line}, {name}: {error}"));
        let kind = name.rsplit('/').next().unwrap_or_default();
        let truth = match Topic::of(&name) {
            Some(topic) => {
                let read = topic::read(topic, false, text.as_bytes(), arrival, &shop);
                let mut cbor = Vec::new();
                ciborium::into_writer(&value, &mut cbor).expect("CBOR");
                let marked = matches!(topic, Topic::Weights(_) | Topic::People(_));
                let same = !marked || topic::read(topic, false, &cbor, arrival, &shop) == read;
                read.map_err(|refusal| refusal.to_string()).and_then(|_| same.then_some(()).ok_or("not as CBOR".into()))
            }
            None => match kind {
                "decision" => survives::<Decision>(&value),
                "cart" => survives::<Cart>(&value),
                "receipt" => survives::<Receipt>(&value),
                "charge" => {
                    // The wire adds whose money it is.
                    let mut charge = value.clone();
                    let map = charge.as_object_mut().expect("an object");
                    let both = map.remove("shop").is_some() && map.remove("credential").is_some();
                    survives::<Charge>(&charge).and_then(|()| both.then_some(()).ok_or("no shop or credential".into()))
                }
                "events" => {
                    let event = carryout::events::CartEvent {
                        id: value["id"].as_str().unwrap_or_default().into(),
                        kind: value["type"].as_str().unwrap_or_default().into(),
                        subject: value["subject"].as_str().map(str::to_owned),
                        t: ShopTime(1_760_000_000_090_000),
                        data: value["data"].clone(),
                    };
                    let said = carryout::events::cloud_event(&shop.id, &event);
                    if said == value { Ok(()) } else { Err(format!("the daemon would say {said}")) }
                }
                "look" => {
                    let said = publish::Publish::look(
                        &carryout::base::CameraId::new("cam-1"),
                        ShopTime(1_760_000_000_000_000),
                    );
                    let same = said.topic == name && serde_json::from_slice::<Value>(&said.payload).ok() == Some(value);
                    same.then_some(()).ok_or(format!("the daemon would say {said:?}"))
                }
                "status" => same_keys(&value, &publish::status_payload(&Snapshot::default(), &SyncStatus::default())),
                _ => Err("nothing here knows this message".into()),
            },
        };
        assert_eq!(truth, Ok(()), "docs/wire.md line {line}, {name}");
        *seen.entry(kind.to_owned()).or_insert(0) += 1;
    }
    for kind in ["weights", "tap", "decision", "passage", "status", "people", "cart", "events", "receipt", "charge"] {
        assert!(seen.contains_key(kind), "docs/wire.md has no example of {kind}");
    }
}
