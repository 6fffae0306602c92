//! What goes upstream, in the shapes of wire.md.

use crate::base::{Cents, ShopId, TapId};
use crate::carts::{Charge, Refund};
use crate::events::Credential;
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
