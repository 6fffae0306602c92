//! Events as CloudEvents 1.0 JSON, the same over MQTT and to upstream.

use super::CartEvent;
use crate::base::{ShopId, ShopTime};
use serde_json::{Value, json};

pub fn cloud_event(shop: &ShopId, event: &CartEvent) -> Value {
    let mut cloud = json!({
        "specversion": "1.0",
        "id": event.id,
        "source": format!("carryout/{shop}"),
        "type": event.kind,
        "time": rfc3339(event.t),
        "datacontenttype": "application/json",
        "data": event.data,
    });
    // CloudEvents attributes are left out, not null.
    if let Some(subject) = &event.subject {
        cloud["subject"] = json!(subject);
    }
    cloud
}

/// UTC to the microsecond, as RFC 3339 writes it. A ShopTime of another age has no such name; the event still says when.
fn rfc3339(t: ShopTime) -> String {
    jiff::Timestamp::from_microsecond(t.0).map_or_else(|_| "1970-01-01T00:00:00Z".to_owned(), |t| format!("{t:.6}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_cloud_event() {
        let event = CartEvent {
            id: "v/receipt.final".into(),
            kind: "receipt.final".into(),
            subject: Some("v".into()),
            t: ShopTime(1_772_438_400_250_000),
            data: json!({"total": 250}),
        };
        assert_eq!(
            cloud_event(&ShopId::new("corner"), &event),
            json!({
                "specversion": "1.0", "id": "v/receipt.final", "source": "carryout/corner", "type": "receipt.final",
                "subject": "v", "time": "2026-03-02T08:00:00.250000Z", "datacontenttype": "application/json",
                "data": {"total": 250}
            })
        );
    }
}
