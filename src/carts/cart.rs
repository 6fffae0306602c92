//! The cart as the page, the wire and the receipt show it (wire.md), in integer minor units.

use crate::base::{Cents, Probability, ProductId, ShopTime, VisitId};
use serde::{Deserialize, Serialize};

/// Who pays, as far as anyone but the ledger may know: never a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payer {
    pub kind: String,
    #[serde(default)]
    pub brand: Option<String>,
    #[serde(default)]
    pub last4: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CartState {
    Shopping,
    Settling,
    Closed,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Stable from the first draft to the receipt.
    pub line_id: String,
    pub product: ProductId,
    pub name: String,
    pub quantity: i64,
    pub unit_price: Cents,
    /// Tax of the line; inside `total` or added to it, as the shop's prices say.
    pub tax: Cents,
    /// Deposit of the line, all units.
    pub deposit: Cents,
    /// What the line costs, tax and deposit included.
    pub total: Cents,
    pub probability: Probability,
    /// Seen but not settled; a draft is never charged.
    pub draft: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cart {
    pub visit_id: VisitId,
    pub payer: Option<Payer>,
    pub state: CartState,
    /// Counts up with every change.
    pub revision: u64,
    pub currency: String,
    pub lines: Vec<Line>,
    pub total: Cents,
    pub tax_total: Cents,
    pub t_us: ShopTime,
}
