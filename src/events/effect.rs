//! What is to be done about an observation, and when: at once, or once its entries are durable.

use super::entry::Entry;
use super::observation::Credential;
use super::weigh::WeighRequest;
use crate::base::{CameraId, Cents, ChargeId, GateId, RefundId, ShopTime, TapId, VisitId};
use crate::carts::Cart;
use serde::{Deserialize, Serialize};

/// The outcome of one observation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// May happen before anything is durable: looks, weigh requests, draft carts.
    pub now: Vec<Effect>,
    /// One transaction.
    pub entries: Vec<Entry>,
    /// Rows for upstream, in the same transaction.
    pub outbox: Vec<Outgoing>,
    /// Once the transaction is durable (at once if there are no entries).
    pub then: Vec<Effect>,
}

impl Effects {
    pub fn is_empty(&self) -> bool {
        self.now.is_empty() && self.entries.is_empty() && self.outbox.is_empty() && self.then.is_empty()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    Weigh(WeighRequest),
    /// Look again now: a shelf these cameras see is moving.
    Look {
        cameras: Vec<CameraId>,
    },
    /// Ask upstream to keep `amount` ready. Idempotency key: the tap's id.
    Authorise {
        tap_id: TapId,
        credential: Credential,
        amount: Cents,
    },
    /// Tell the gate.
    Decide {
        gate: GateId,
        decision: Decision,
    },
    /// Publish `visit/{visit}/cart`.
    PublishCart(Cart),
    /// Publish on `events` (the same event goes upstream by the outbox).
    PublishEvent(CartEvent),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    Ok,
    Declined,
    Expired,
    AlreadyUsed,
    UnknownCode,
    ShopClosed,
    OfflineLimit,
    Malformed,
    Restricted,
}

/// `gate/{gate}/decision`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub tap_id: TapId,
    pub open: bool,
    pub valid_ms: i64,
    pub reason: Reason,
    pub visit_id: Option<VisitId>,
    pub t_us: ShopTime,
}

/// A CloudEvent about a visit, a charge or a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CartEvent {
    /// Dedupe key: derived from what happened, never drawn.
    pub id: String,
    /// `visit.started`, `cart.changed`, `receipt.final`, …
    #[serde(rename = "type")]
    pub kind: String,
    pub subject: Option<String>,
    pub t: ShopTime,
    pub data: serde_json::Value,
}

/// A row of the outbox. Charges and refunds are looked up by id: their bodies are entries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Outgoing {
    Charge {
        charge_id: ChargeId,
        visit: VisitId,
    },
    Refund {
        refund_id: RefundId,
        visit: VisitId,
    },
    /// By authorisation if upstream answered, else by the tap that asked.
    Release {
        authorization_or_tap: String,
        visit: Option<VisitId>,
    },
    Event(CartEvent),
}
