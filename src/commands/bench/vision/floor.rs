//! Bodies held against people, in metres on the floor.

use super::measures::{Moment, Scores};
use crate::base::{Point2, ShopTime};
use crate::tracking::Plan;

/// Further off is somebody else, m.
pub const GATE_M: f64 = 0.5;
/// Whoever was seen this lately is said to be there, us.
const THERE_US: i64 = 1_000_000;

/// Somebody, and where they stand.
pub type Standing = (u64, Point2);

/// Who is said to be there, as the daemon would at the end of a look.
pub fn said(plan: &mut Plan, t: ShopTime) -> Vec<Standing> {
    for (older, newer) in plan.twins(t) {
        plan.merge(older, newer);
    }
    let there = plan.bodies().filter(|body| t.since(body.last().t) <= THERE_US && body.is_likely());
    there.map(|body| (body.id.0, body.last().floor)).collect()
}

/// Half as similar at the gate as in the same place.
pub fn moment(truth: &[Standing], said: &[Standing]) -> Moment {
    let similarity = |a: Point2, b: Point2| (1.0 - a.distance(b) / (2.0 * GATE_M)).max(0.0);
    Moment {
        truth: truth.iter().map(|(id, _)| *id).collect(),
        said: said.iter().map(|(id, _)| *id).collect(),
        similarity: truth.iter().map(|(_, a)| said.iter().map(|(_, b)| similarity(*a, *b)).collect()).collect(),
    }
}

/// Mean distance of what was found, cm.
pub fn error_cm(scores: &Scores) -> f64 {
    scores.mean_loss * 2.0 * GATE_M * 100.0
}
