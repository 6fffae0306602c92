//! Device messages as they go over MQTT (wire.md). Written by hand, apart from the daemon's reader, so that a mistake
//! on one side does not hide behind the same mistake on the other.

use crate::events::{Observation, People, Tap, Weights};
use serde_json::{Map, Value, json};
use std::fmt::Write;

#[derive(Clone, Debug, PartialEq)]
pub struct Mqtt {
    /// Below `carryout/v1/{shop}/`.
    pub topic_suffix: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub retain: bool,
}

/// `None` for what no device says (ticks, answers).
pub fn on_the_wire(observation: &Observation) -> Option<Mqtt> {
    let message = |topic: String, payload: Vec<u8>, qos, retain| Mqtt { topic_suffix: topic, payload, qos, retain };
    let event = |topic: String, body: Value| message(topic, body.to_string().into_bytes(), 1, false);
    Some(match observation {
        Observation::Weights(weights) => {
            message(format!("shelf/{}/weights", weights.shelf), batch(weights).into_bytes(), 0, false)
        }
        Observation::ShelfOnline { shelf, online } => {
            let word: &[u8] = if *online { b"online" } else { b"offline" };
            message(format!("shelf/{shelf}/status"), word.to_vec(), 1, true)
        }
        Observation::People(people) => {
            message(format!("camera/{}/people", people.camera), look(people).to_string().into_bytes(), 0, false)
        }
        Observation::GateClock { gate, t_us } => {
            let body = json!({ "t_us": t_us });
            message(format!("gate/{gate}/status"), body.to_string().into_bytes(), 0, false)
        }
        Observation::Tap(tap) => event(format!("gate/{}/tap", tap.gate), tapped(tap)),
        Observation::Passage(passage) => event(
            format!("gate/{}/passage", passage.gate),
            json!({ "passage_id": passage.passage_id, "t_us": passage.t_us, "direction": passage.direction }),
        ),
        _ => return None,
    })
}

/// Text by hand: 86 000 samples a second for 20 bays, and a load cell prints hundredths.
fn batch(weights: &Weights) -> String {
    let samples: usize = weights.plates.iter().map(|plate| plate.grams.len()).sum();
    let mut text = String::with_capacity(100 + 10 * samples);
    let boot = Value::from(weights.boot.as_str());
    let Weights { seq, t0_us, dt_us, .. } = weights;
    write!(text, r#"{{"boot":{boot},"seq":{seq},"t0_us":{t0_us},"dt_us":{dt_us},"plates":{{"#).expect("to memory");
    for (i, plate) in weights.plates.iter().enumerate() {
        write!(text, r#"{}"{}":["#, if i > 0 { "," } else { "" }, plate.plate).expect("to memory");
        for (k, grams) in plate.grams.iter().enumerate() {
            let comma = if k > 0 { "," } else { "" };
            match grams {
                Some(grams) => write!(text, "{comma}{grams:.2}").expect("to memory"),
                None => write!(text, "{comma}null").expect("to memory"),
            }
        }
        text.push(']');
    }
    text.push_str("}}");
    text
}

fn look(people: &People) -> Value {
    let person = |person: &crate::events::Person| {
        let mut body = Map::new();
        body.insert("track".into(), json!(person.track));
        body.insert("confidence".into(), json!(person.confidence));
        let mut add = |key: &str, value: Option<Value>| value.map(|value| body.insert(key.into(), value));
        add("box", person.bounds.map(|bounds| json!(bounds)));
        add("floor", person.floor.map(|floor| json!(floor)));
        add("head", person.head.map(|head| json!(head)));
        add("hands", (!person.hands.is_empty()).then(|| json!(person.hands)));
        add("appearance", person.appearance.as_ref().map(|vector| json!(vector)));
        add("in_hand", person.in_hand.as_ref().map(|vector| json!(vector)));
        Value::Object(body)
    };
    let seen: Vec<Value> = people.people.iter().map(person).collect();
    json!({ "boot": people.boot, "seq": people.seq, "t_us": people.t_us, "people": seen })
}

fn tapped(tap: &Tap) -> Value {
    let credential = &tap.credential;
    let mut body = json!({ "kind": credential.kind, "token": credential.token });
    for (key, value) in [("brand", &credential.brand), ("last4", &credential.last4)] {
        if let Some(value) = value {
            body[key] = json!(value);
        }
    }
    json!({
        "tap_id": tap.tap_id, "t_us": tap.t_us, "direction": tap.direction, "credential": body,
        "group_size": tap.group_size,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{CameraId, GateId, Point2, Point3, ShelfId, TapId};
    use crate::events::{Credential, Direction, Person, PlateSamples};

    #[test]
    fn messages_look_as_the_wire_says() {
        let weights = Weights {
            shelf: ShelfId::new("1-4"),
            boot: "b7".into(),
            seq: 812,
            t0_us: 1_000,
            dt_us: 16_667,
            plates: vec![
                PlateSamples { plate: 1, grams: vec![Some(1012.3), None] },
                PlateSamples { plate: 2, grams: vec![Some(-2.04), Some(0.0)] },
            ],
        };
        let tap = Tap {
            gate: GateId::new("gate-1"),
            tap_id: TapId::new("t-1"),
            t_us: 5,
            direction: Direction::In,
            credential: Credential {
                kind: "card".into(),
                token: "tok_a".into(),
                brand: Some("visa".into()),
                last4: None,
            },
            group_size: 2,
        };
        let person = Person {
            track: "17".into(),
            confidence: 0.9,
            floor: Some(Point2::new(1.0, 2.0)),
            hands: vec![Point3::new(1.0, 2.0, 0.9)],
            ..Person::default()
        };
        let people = People { camera: CameraId::new("wall"), boot: "c1".into(), seq: 9, t_us: 7, people: vec![person] };
        let shelf = ShelfId::new("1-4");
        for (observation, topic, payload, qos, retain) in [
            (
                Observation::Weights(weights),
                "shelf/1-4/weights",
                r#"{"boot":"b7","seq":812,"t0_us":1000,"dt_us":16667,"plates":{"1":[1012.30,null],"2":[-2.04,0.00]}}"#,
                0,
                false,
            ),
            (Observation::ShelfOnline { shelf, online: true }, "shelf/1-4/status", "online", 1, true),
            (
                Observation::Tap(tap),
                "gate/gate-1/tap",
                r#"{"tap_id":"t-1","t_us":5,"direction":"in","credential":{"kind":"card","token":"tok_a","brand":"visa"},"group_size":2}"#,
                1,
                false,
            ),
            (
                Observation::People(people),
                "camera/wall/people",
                r#"{"boot":"c1","seq":9,"t_us":7,"people":[{"track":"17","confidence":0.9,"floor":[1.0,2.0],"hands":[[1.0,2.0,0.9]]}]}"#,
                0,
                false,
            ),
        ] {
            let sent = on_the_wire(&observation).expect("a device message");
            assert_eq!((sent.topic_suffix.as_str(), sent.qos, sent.retain), (topic, qos, retain));
            let text = String::from_utf8(sent.payload).unwrap();
            match serde_json::from_str::<Value>(payload) {
                Ok(expected) => assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected, "{topic}"),
                Err(_) => assert_eq!(text, payload, "{topic}"),
            }
        }
        assert_eq!(on_the_wire(&Observation::Tick), None);
    }
}
