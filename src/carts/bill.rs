//! What a closed visit owes: the receipt, its charges and refunds (wire.md, upstream table).

use super::cart::Cart;
use crate::base::{Cents, ChargeId, ProductId, ReceiptId, RefundId, ShopTime, VisitId};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptStatus {
    Draft,
    /// A human decides before anything is charged.
    BeingChecked,
    Final,
    Contested,
    Adjusted,
}

impl ReceiptStatus {
    /// A human has to decide.
    pub fn waits(self) -> bool {
        matches!(self, ReceiptStatus::BeingChecked | ReceiptStatus::Contested)
    }
}

/// The cart plus what makes it a document. `number` is gap-free per shop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    #[serde(flatten)]
    pub cart: Cart,
    pub receipt_id: ReceiptId,
    pub number: u64,
    pub status: ReceiptStatus,
    pub charge_ids: Vec<ChargeId>,
    /// `line_id`s a human should look at.
    pub in_doubt: Vec<String>,
    pub entered_us: ShopTime,
    pub left_us: ShopTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeState {
    Queued,
    /// On its way; an answer is awaited.
    Sent,
    Captured,
    Declined,
    /// No answer, or one that says nothing (5xx, timeout): asked for, never re-sent blindly.
    Unknown,
    WrittenOff,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChargeLine {
    pub product: ProductId,
    pub name: String,
    pub quantity: i64,
    pub unit_price: Cents,
    pub tax: Cents,
    pub deposit: Cents,
    pub total: Cents,
}

/// One demand on a payer. The body under a charge id never changes; a changed body is a new `sequence`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Charge {
    pub charge_id: ChargeId,
    pub visit_id: VisitId,
    /// 0 the settlement, 1.. supplements.
    pub sequence: u32,
    pub entered_us: ShopTime,
    pub left_us: ShopTime,
    pub authorization_id: Option<String>,
    pub currency: String,
    pub lines: Vec<ChargeLine>,
    pub total: Cents,
    pub tax_total: Cents,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundState {
    Queued,
    Done,
    /// Upstream will not give it back: it never was.
    Refused,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refund {
    pub refund_id: RefundId,
    pub visit_id: VisitId,
    pub charge_id: ChargeId,
    pub amount: Cents,
    pub lines: Vec<ChargeLine>,
    pub reason: String,
}
