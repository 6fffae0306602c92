//! What the page sees: a picture of the floor, made after a tick. The newest one wins; nothing waits for it.

use crate::base::{BodyId, CameraId, GateId, Point2, Point3, ShelfId, ShopTime, VisitId};
use crate::carts::{Cart, Receipt};
use crate::events::Reason;
use serde::Serialize;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum State {
    #[default]
    Up,
    /// Selling, with something broken; `reasons` say what.
    Degraded,
    /// No new visits.
    Closed,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Snapshot {
    pub t_us: ShopTime,
    pub state: State,
    pub since_us: ShopTime,
    /// Sentences for a person: what is broken and what to do.
    pub reasons: Vec<String>,
    pub bodies: Vec<BodyView>,
    /// Open visits, oldest first.
    pub visits: Vec<VisitView>,
    pub gates: Vec<GateView>,
    pub shelves: Vec<ShelfView>,
    pub cameras: Vec<CameraView>,
    /// The last 20 receipts, newest first.
    pub receipts: Vec<Receipt>,
    /// Last sequence number known to be on disk.
    pub durable_seq: u64,
}

impl Snapshot {
    /// Selling, with this broken besides.
    pub fn complain(&mut self, why: String) {
        self.reasons.push(why);
        self.state = self.state.max(State::Degraded);
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct BodyView {
    pub body: BodyId,
    pub floor: Point2,
    pub hands: Vec<Point3>,
    pub visit: Option<VisitId>,
    pub staff: bool,
    /// Seen within the last second.
    pub seen: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct VisitView {
    pub cart: Cart,
    pub entered_us: ShopTime,
    pub bodies: Vec<BodyId>,
    pub staff: bool,
    /// Why a human will look at it; empty is well.
    pub doubts: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct GateView {
    pub gate: GateId,
    /// Open for a passage until then.
    pub open_until_us: Option<ShopTime>,
    pub last: Option<(ShopTime, Reason)>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ShelfView {
    pub shelf: ShelfId,
    pub online: bool,
    pub ringing: bool,
    /// Sum over its plates, grams, not zeroed.
    pub level_g: Option<f64>,
    pub last_step: Option<(ShopTime, f64)>,
    /// What is wrong with it, if anything.
    pub fault: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct CameraView {
    pub camera: CameraId,
    pub alive: bool,
    pub last_seen_us: Option<ShopTime>,
}
