//! What is durably so. The ledger chains these; the floor is rebuilt from them after a restart.
//!
//! A [`Fact`] is public and kept for the books' years. Whatever names or follows a person is a [`Subject`], stored
//! apart under a key of its visit, so that it can be erased and the chain still verifies.

use super::effect::Reason;
use super::observation::{Credential, Direction};
use super::weigh::InteractionId;
use crate::base::{
    BodyId, CameraId, Cents, ChargeId, GateId, PassageId, Point2, Probability, ProductId, RefundId, ShelfId, ShopTime,
    TapId, VisitId,
};
use crate::carts::{Charge, ChargeState, Receipt, Refund};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub t: ShopTime,
    pub visit: Option<VisitId>,
    pub fact: Fact,
    /// The personal part, if there is one (and, read back, if it was not erased).
    #[serde(default)]
    pub subject: Option<Subject>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    Credential(Credential),
    /// Where a visit's bodies are.
    Whereabouts(Vec<Position>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Position {
    pub body: BodyId,
    pub floor: Point2,
    /// What the cameras that saw it just then call it: a camera that goes on while we restart goes on calling it so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tracks: Vec<Track>,
}

/// A camera's name for somebody it follows, unique within one run (`boot`) of the camera.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Track {
    pub camera: CameraId,
    pub boot: String,
    pub track: String,
}

/// Money that upstream keeps ready.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hold {
    pub authorization_id: String,
    pub amount: Cents,
    pub expires_us: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Opening {
    Tap,
    /// A body came in on no opening: nobody pays until a tap or staff say so.
    Tailgate,
    /// A body was first seen in the staff zone, or tapped a staff credential.
    Staff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Charged,
    /// Nothing taken; any hold is released.
    Empty,
    Review,
    /// Goods left and nobody pays.
    Loss,
    Staff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InteractionKind {
    Step,
    /// The shelf changed while we were blind; the shelf itself is the memory.
    Gap,
    /// Arrived after its visit closed.
    Correction,
}

/// Who took or put back what, as settled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    pub visit: Option<VisitId>,
    pub body: Option<BodyId>,
    pub product: Option<ProductId>,
    /// Units off the shelf: +1 taken, -1 put back.
    pub count: i64,
    pub probability: Probability,
    pub plates: Vec<u16>,
    /// Price and its sum as of taking.
    pub unit_price: Cents,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Fact {
    Started {
        anchor_us: i64,
        version: String,
    },
    /// Shelves and people were not heard from `since` until now: the broker was gone.
    Blind {
        since: ShopTime,
    },
    /// A tap is being authorised. Subject: credential.
    Asked {
        tap_id: TapId,
        gate: GateId,
        direction: Direction,
        group_size: u32,
        amount: Cents,
    },
    /// The gate's answer. Subject: credential, unless `Asked` carried it.
    Decided {
        tap_id: TapId,
        gate: GateId,
        direction: Direction,
        open: bool,
        reason: Reason,
        valid_ms: i64,
        hold: Option<Hold>,
        offline: bool,
        group_size: u32,
    },
    VisitOpened {
        by: Opening,
        gate: Option<GateId>,
    },
    /// `tap_id` pays for this visit. Subject: credential.
    PayerBound {
        tap_id: Option<TapId>,
        hold: Option<Hold>,
        offline: bool,
    },
    /// Upstream answered late for a visit opened by the offline rule.
    HoldAdopted {
        tap_id: TapId,
        hold: Hold,
    },
    HoldReleased {
        tap_id: TapId,
        why: String,
    },
    Joined {
        body: BodyId,
    },
    Left {
        body: BodyId,
    },
    /// Who joined as `body` is `is`: the two had been taken for each other before.
    Mistaken {
        body: BodyId,
        is: BodyId,
    },
    /// A beam counted somebody; remembered so that the same passage sent twice counts once.
    Passed {
        passage_id: PassageId,
        gate: GateId,
        direction: Direction,
    },
    /// How far a gate's clock is behind ours, us: after a restart it tells a tap that waited for us from a new one.
    GateClock {
        gate: GateId,
        offset_us: i64,
    },
    /// Settled grams of every plate of a shelf, in plate order; `None` for a dead plate.
    Levels {
        shelf: ShelfId,
        plates_g: Vec<Option<f64>>,
    },
    /// Subject: whereabouts of the visit's bodies.
    Whereabouts,
    Claimed {
        interaction: InteractionId,
        shelf: ShelfId,
        how: InteractionKind,
        begin: ShopTime,
        end: ShopTime,
        delta_g: f64,
        model: String,
        claims: Vec<Claim>,
    },
    /// The visit could not be followed without a gap (crash, broker loss); policy decides what that means.
    Doubted {
        why: String,
        /// The shelf that changed in the dark, where this visit is one of several that could have done it.
        #[serde(default)]
        shelf: Option<ShelfId>,
    },
    /// Staff decided what is on the receipt: units per product.
    Reviewed {
        lines: Vec<(ProductId, i64)>,
    },
    /// A customer says what it should be: units per product.
    Contested {
        lines: Vec<(ProductId, i64)>,
    },
    VisitClosed {
        outcome: Outcome,
        entered_us: ShopTime,
        left_us: ShopTime,
    },
    /// The receipt as it now stands; a later one replaces it. Its payer is never in here: it is the visit's credential.
    Receipt {
        receipt: Receipt,
    },
    ChargeQueued {
        charge: Charge,
    },
    ChargeAnswered {
        charge_id: ChargeId,
        state: ChargeState,
        reason: Option<String>,
    },
    RefundQueued {
        refund: Refund,
    },
    RefundAnswered {
        refund_id: RefundId,
        done: bool,
    },
    /// Goods that left with no payer.
    Loss {
        total: Cents,
    },
    /// The personal parts of a visit were erased on request, or expired.
    Erased {
        why: String,
    },
}
