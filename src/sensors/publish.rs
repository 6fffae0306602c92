//! What the daemon says on MQTT (docs/wire.md): decisions, carts, events, its own status, a word to cameras that are looked
//! through elsewhere; and what those say, who look.
//!
//! Topics are below the shop's base; `mqtt` puts that in front. Everything is QoS 1 but what is said of cameras (0), and only
//! the status is retained.

use crate::base::{CameraId, GateId, ShopId, ShopTime, TapId};
use crate::carts::Cart;
use crate::events::{CartEvent, Decision, Effect, People, Person, Reason, cloud_event};
use crate::floor::{Snapshot, State};
use crate::sync::SyncStatus;
use serde::Serialize;
use serde_json::{Value, json};

/// A message on its way to the broker.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish {
    /// Below the shop's base: `gate/gate-1/decision`.
    pub topic: String,
    pub payload: Vec<u8>,
    /// 0, 1 or 2.
    pub qos: u8,
    /// The broker keeps it for those who subscribe later.
    pub retain: bool,
    /// Later than this it is not said any more; `None`: it keeps.
    pub good_until: Option<ShopTime>,
}

/// A decision is worth saying for so long, ms. Shorter than a gate stays open (`valid_ms`, 3 s): who passes on it still
/// counts.
const DECISION_GOOD_MS: i64 = 2_000;

/// And a word to a camera: the next picture after that comes anyway, ms.
const LOOK_GOOD_MS: i64 = 1_000;

/// The topic of the daemon's own status, retained, with a last will.
pub const STATUS: &str = "status";

/// The topic of CloudEvents.
pub const EVENTS: &str = "events";

impl Publish {
    /// The message of an effect that is told on MQTT; `None` for the other effects.
    pub fn of(effect: &Effect, shop: &ShopId) -> Option<Publish> {
        match effect {
            Effect::Decide { gate, decision } => Some(Publish::decision(gate, decision)),
            Effect::PublishCart(cart) => Some(Publish::cart(cart)),
            Effect::PublishEvent(event) => Some(Publish::event(shop, event)),
            Effect::Weigh(_) | Effect::Look { .. } | Effect::Authorise { .. } => None,
        }
    }

    pub fn decision(gate: &GateId, decision: &Decision) -> Publish {
        let good_until = Some(decision.t_us.plus_ms(DECISION_GOOD_MS));
        Publish { good_until, ..Publish::once(format!("gate/{gate}/decision"), decision) }
    }

    /// The answer to a tap that could not be read.
    pub fn malformed(gate: &GateId, tap_id: TapId, now: ShopTime) -> Publish {
        let decision =
            Decision { tap_id, open: false, valid_ms: 0, reason: Reason::Malformed, visit_id: None, t_us: now };
        Publish::decision(gate, &decision)
    }

    pub fn cart(cart: &Cart) -> Publish {
        Publish::once(format!("visit/{}/cart", cart.visit_id), cart)
    }

    pub fn event(shop: &ShopId, event: &CartEvent) -> Publish {
        Publish::once(EVENTS.to_owned(), &cloud_event(shop, event))
    }

    pub fn status(snapshot: &Snapshot, sync: &SyncStatus) -> Publish {
        Publish { retain: true, ..Publish::once(STATUS.to_owned(), &status_payload(snapshot, sync)) }
    }

    /// The last will, and the last word of an ordered stop. `since` is unknown to a will, which is written beforehand.
    pub fn offline(since: Option<ShopTime>) -> Publish {
        let payload = json!({
            "state": "offline", "since_us": since, "reasons": ["the daemon is not running"], "open_visits": 0, "people": 0,
            "queue_rows": 0, "queue_oldest_us": null, "offline_until_us": null,
        });
        Publish { retain: true, ..Publish::once(STATUS.to_owned(), &payload) }
    }

    /// `camera/{camera}/look`: what a process that looks for us listens to.
    pub fn look_topic(camera: &CameraId) -> String {
        format!("camera/{camera}/look")
    }

    /// Look at your next picture, moved or not: a shelf that you see is moving. Late, it is worth nothing.
    pub fn look(camera: &CameraId, now: ShopTime) -> Publish {
        let said = Publish::once(Publish::look_topic(camera), &json!({ "t_us": now }));
        Publish { qos: 0, good_until: Some(now.plus_ms(LOOK_GOOD_MS)), ..said }
    }

    /// Who a camera sees, as the process says it that looks through it.
    pub fn people(people: &People) -> Publish {
        let person = |person: &Person| {
            let mut said = serde_json::to_value(person).expect("our own types have text keys and finite numbers");
            // Left out is the same as null, and shorter.
            if let Some(keys) = said.as_object_mut() {
                keys.retain(|_, value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()));
            }
            said
        };
        let seen: Vec<Value> = people.people.iter().map(person).collect();
        let said = json!({ "boot": people.boot, "seq": people.seq, "t_us": people.t_us, "people": seen });
        Publish { qos: 0, ..Publish::once(format!("camera/{}/people", people.camera), &said) }
    }

    fn once(topic: String, payload: &impl Serialize) -> Publish {
        let payload = serde_json::to_vec(payload).expect("our own types have text keys and finite numbers");
        Publish { topic, payload, qos: 1, retain: false, good_until: None }
    }
}

/// The `status` message.
pub fn status_payload(snapshot: &Snapshot, sync: &SyncStatus) -> Value {
    let state = match snapshot.state {
        State::Up => "up",
        State::Degraded => "degraded",
        State::Closed => "closed",
    };
    json!({
        "state": state,
        "since_us": snapshot.since_us,
        "reasons": snapshot.reasons,
        "open_visits": snapshot.visits.len(),
        "people": snapshot.bodies.iter().filter(|body| body.seen).count(),
        "queue_rows": sync.queue_rows,
        "queue_oldest_us": sync.queue_oldest_us,
        "offline_until_us": null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(publish: &Publish) -> Value {
        serde_json::from_slice(&publish.payload).unwrap()
    }

    #[test]
    fn messages_are_shaped_as_the_wire_says() {
        let shop = ShopId::new("corner");
        let event = CartEvent {
            id: "e1".into(),
            kind: "visit.started".into(),
            subject: Some("v1".into()),
            t: ShopTime(1_760_000_000_123_456),
            data: json!({"n": 1}),
        };
        let publish = Publish::of(&Effect::PublishEvent(event), &shop).unwrap();
        assert_eq!((publish.topic.as_str(), publish.qos, publish.retain), ("events", 1, false));
        assert_eq!(
            said(&publish),
            json!({
                "specversion": "1.0", "id": "e1", "source": "carryout/corner", "type": "visit.started",
                "time": "2025-10-09T08:53:20.123456Z", "datacontenttype": "application/json", "subject": "v1",
                "data": {"n": 1},
            })
        );

        let publish = Publish::malformed(&GateId::new("gate-1"), TapId::new("t1"), ShopTime(5));
        assert_eq!(publish.topic, "gate/gate-1/decision");
        assert_eq!(
            said(&publish),
            json!({"tap_id": "t1", "open": false, "valid_ms": 0, "reason": "malformed", "visit_id": null, "t_us": 5})
        );

        let snapshot =
            Snapshot { since_us: ShopTime(7), reasons: vec!["a scale is silent".into()], ..Default::default() };
        let publish = Publish::status(&snapshot, &SyncStatus { queue_rows: 2, ..Default::default() });
        assert!(publish.retain);
        assert_eq!(
            said(&publish),
            json!({
                "state": "up", "since_us": 7, "reasons": ["a scale is silent"], "open_visits": 0, "people": 0,
                "queue_rows": 2, "queue_oldest_us": null, "offline_until_us": null,
            })
        );
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&said(&Publish::offline(None))), keys(&said(&publish)), "the last will has the same keys");
    }
}
