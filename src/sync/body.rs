//! What goes upstream, in the shapes of wire.md.

use crate::base::{Cents, ShopId, ShopTime, TapId};
use crate::carts::{Charge, Refund};
use crate::events::{CartEvent, Credential};
use serde_json::{Value, json};

/// `POST /v1/authorizations`.
pub fn authorization(shop: &ShopId, tap: &TapId, credential: &Credential, amount: Cents, currency: &str) -> Value {
    json!({"tap_id": tap, "shop": shop, "credential": credential, "amount": amount, "currency": currency})
}

/// `POST /v1/charges`. The same charge id is always the same bytes: charge and credential are entries, keys are sorted.
pub fn charge(shop: &ShopId, charge: &Charge, credential: Option<&Credential>) -> Value {
    json!({
        "charge_id": charge.charge_id,
        "visit_id": charge.visit_id,
        "sequence": charge.sequence,
        "shop": shop,
        "entered_us": charge.entered_us,
        "left_us": charge.left_us,
        "credential": credential,
        "authorization_id": charge.authorization_id,
        "currency": charge.currency,
        "lines": charge.lines,
        "total": charge.total,
        "tax_total": charge.tax_total,
    })
}

/// `POST /v1/refunds`.
pub fn refund(refund: &Refund) -> Value {
    json!({
        "refund_id": refund.refund_id,
        "charge_id": refund.charge_id,
        "amount": refund.amount,
        "lines": refund.lines,
        "reason": refund.reason,
    })
}

/// A CloudEvent 1.0, as it goes upstream and over MQTT.
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
    if let Some(subject) = &event.subject {
        cloud["subject"] = json!(subject);
    }
    cloud
}

fn rfc3339(t: ShopTime) -> String {
    match jiff::Timestamp::from_microsecond(t.0) {
        Ok(t) => format!("{t:.6}"),
        // Only a ShopTime of another age has no such name; the event still says when.
        Err(_) => jiff::Timestamp::UNIX_EPOCH.to_string(),
    }
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
