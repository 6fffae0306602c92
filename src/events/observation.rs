//! What the floor is told: device messages as they came (device clocks included), answers, ticks.

use super::entry::Entry;
use super::weigh::Weighed;
use crate::base::{
    CameraId, Cents, ChargeId, GateId, PassageId, PlateNo, Point2, Point3, ProductId, RefundId, ShelfId, ShopTime,
    TapId, VisitId,
};
use crate::carts::ChargeState;
use serde::{Deserialize, Serialize};

/// An observation and when it reached us. What a recording holds, one after the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stamped {
    pub arrival: ShopTime,
    pub observation: Observation,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    /// The daemon started; ShopTime is anchored here.
    Started {
        anchor_us: i64,
    },
    Weights(Weights),
    ShelfOnline {
        shelf: ShelfId,
        online: bool,
    },
    Tap(Tap),
    Passage(Passage),
    /// A gate told its clock.
    GateClock {
        gate: GateId,
        t_us: i64,
    },
    People(People),
    Weighed(Weighed),
    Authorised(Authorised),
    /// Upstream's word on a charge.
    Charged(ChargeAnswer),
    Refunded {
        refund: RefundId,
        done: bool,
    },
    /// A closed visit's entries, before somebody changes it: it may be long forgotten.
    Recalled {
        visit: VisitId,
        entries: Vec<Entry>,
    },
    /// Staff bind a payer to a visit.
    Bind {
        visit: VisitId,
        credential: Credential,
    },
    /// Staff decided a receipt that was being checked: quantities that are to be charged.
    Reviewed {
        visit: VisitId,
        lines: Vec<(ProductId, i64)>,
    },
    /// A customer contests a receipt: claimed quantities per product.
    Contested {
        visit: VisitId,
        lines: Vec<(ProductId, i64)>,
    },
    /// Staff give money back on a charge.
    RefundAsked {
        charge: ChargeId,
        amount: Cents,
        reason: String,
        /// What it is to be known by; asked for twice, it is given once.
        #[serde(default)]
        refund: Option<RefundId>,
    },
    /// The broker connection for measurements came or went. `why`: what is to be done about it, in a sentence, where that
    /// is known (a certificate, a password).
    Broker {
        up: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// The shop opens or closes for new visits (disk, opening hours).
    Open {
        open: bool,
        /// Why not, for staff.
        #[serde(default)]
        why: String,
    },
    /// Entries up to this sequence number are on disk.
    Durable {
        seq: u64,
    },
    Tick,
}

impl Observation {
    /// When a device says this happened, by its own clock, us; `None` for what comes from no device. Of a weight batch
    /// it is the end: that is when it was sent.
    pub fn sent_us(&self) -> Option<i64> {
        match self {
            Observation::Weights(weights) => Some(weights.end_us()),
            Observation::Tap(tap) => Some(tap.t_us),
            Observation::Passage(passage) => Some(passage.t_us),
            Observation::GateClock { t_us, .. } => Some(*t_us),
            Observation::People(people) => Some(people.t_us),
            _ => None,
        }
    }
}

/// One batch of a shelf's load cells: equal-length rows, the first sample at `t0_us` of the device's clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Weights {
    pub shelf: ShelfId,
    pub boot: String,
    pub seq: u64,
    pub t0_us: i64,
    /// Microseconds between samples.
    pub dt_us: i64,
    pub plates: Vec<PlateSamples>,
}

impl Weights {
    /// Microseconds the batch covers.
    pub fn length_us(&self) -> i64 {
        self.plates.iter().map(|plate| plate.grams.len()).max().unwrap_or(0) as i64 * self.dt_us
    }

    /// The end of the last sample, by the device's clock.
    pub fn end_us(&self) -> i64 {
        self.t0_us.saturating_add(self.length_us())
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlateSamples {
    pub plate: PlateNo,
    /// Raw grams, not zeroed. `None` is a missing sample.
    pub grams: Vec<Option<f32>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    In,
    Out,
}

/// An opaque way to pay or to be let in. `token` is never a card number.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// card, wallet, code, staff or external.
    pub kind: String,
    pub token: String,
    #[serde(default)]
    pub brand: Option<String>,
    #[serde(default)]
    pub last4: Option<String>,
}

impl std::fmt::Debug for Credential {
    /// Logs show the kind, never the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credential({})", self.kind)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tap {
    pub gate: GateId,
    pub tap_id: TapId,
    pub t_us: i64,
    pub direction: Direction,
    pub credential: Credential,
    #[serde(default = "one")]
    pub group_size: u32,
}

fn one() -> u32 {
    1
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Passage {
    pub gate: GateId,
    pub passage_id: PassageId,
    pub t_us: i64,
    pub direction: Direction,
}

/// One look of one camera. An empty list says "looked, saw nobody".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct People {
    pub camera: CameraId,
    pub boot: String,
    pub seq: u64,
    pub t_us: i64,
    pub people: Vec<Person>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Person {
    /// Local to the camera; may break or swap.
    pub track: String,
    pub confidence: f64,
    /// x, y, width, height in fractions of the picture.
    #[serde(default, rename = "box")]
    pub bounds: Option<[f64; 4]>,
    /// Where they stand.
    #[serde(default)]
    pub floor: Option<Point2>,
    /// Middle of the head.
    #[serde(default)]
    pub head: Option<Point3>,
    /// Palms, seen ones only.
    #[serde(default)]
    pub hands: Vec<Point3>,
    #[serde(default)]
    pub appearance: Option<Vector>,
    #[serde(default)]
    pub in_hand: Option<Vector>,
}

/// A vector of a named space; vectors of different spaces are never compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vector {
    pub space: String,
    pub v: Vec<f32>,
}

/// Upstream's answer to an authorisation (asked with the tap's id).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Authorised {
    pub tap_id: TapId,
    pub answer: Answer,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Held {
        authorization_id: String,
        amount: Cents,
        expires_us: i64,
    },
    Declined {
        reason: String,
    },
    /// No answer at all: gone, timed out, 5xx.
    Unreachable,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChargeAnswer {
    pub charge: ChargeId,
    pub state: ChargeState,
    #[serde(default)]
    pub reason: Option<String>,
}
