//! One person of one look, held against one body: how likely is it them?
//!
//! Costs are -ln of a likelihood ratio: 0 for a sighting just where a surely known body is expected, larger for worse. Who says
//! where they stand is compared on the floor; who is only a box, in the picture ([`super::shape`]).

use super::body::Body;
use super::clothes::Likeness;
use super::motion::Motion;
use super::shape::{Outline, Sketch, View, news};
use crate::base::{BodyId, CameraId, Point2, ShopTime};
use crate::events::{Person, Track};
use crate::shop::Layout;
use std::cell::OnceCell;

/// A camera's floor point is so far off, metres, one standard deviation an axis: 0.05-0.10 m of noise, and what two cameras do
/// not agree about.
pub const SIGMA_M: f64 = 0.15;
/// A place that is restored, imagined or half a second old, metres.
pub const ROUGHLY_M: f64 = 0.3;
/// A body less well known than this is compared by where a box would stand, not by what box it would make: that is not linear
/// over a metre.
pub const LINEAR_M: f64 = 2.0 * ROUGHLY_M;
/// What the same number by the same camera is worth: a camera's tracker takes one for another in one look of fifty, when people
/// cross.
const SAME_TRACK: f64 = 4.0;
/// A camera that has not seen somebody for longer than this, s, follows by guessing, and its number is worth less: in a quarter of a
/// second a walker's box moves by half its width.
const SAME_TRACK_S: f64 = 0.1;
/// Who is not surely seen is more often nobody: so much less does it take to leave them in doubt than to begin somebody new
/// ([`super::plan::ALONE`]). With anything from 2 to 10 drawn shops come out the same; boxes come out no better with it: a box that fits is a proof.
const UNSURE: f64 = 4.0;
/// A sighting that came after a younger one says where somebody was; they have gone on at up to this, m/s.
const LATE_M_S: f64 = 1.0;
/// Beyond this a track that goes on under the same number is somebody else, metres a sighting, plus [`RUN_M_S`] a second.
const JUMP_M: f64 = 1.5;
const RUN_M_S: f64 = 2.0;
/// A lost body's reach stops growing after this, s.
const BRIDGE_S: f64 = 5.0;
/// Where people come in, a new track is a new person unless its body was seen this lately, s, or stood just there.
const DOORWAY_BRIDGE_S: f64 = 1.0;

/// A person of one look, and what they say about where somebody stands.
pub struct Seen<'a> {
    pub person: &'a Person,
    pub track: Track,
    /// Whom this camera last gave that number.
    pub known: Option<BodyId>,
    /// Where that is, taken by itself; a box may be too little of somebody to tell.
    pub motion: Option<Motion>,
    /// The picture of them, of a camera whose geometry we know.
    pub outline: Option<Outline>,
    /// A camera that tells no boxes is less sure than it usually is of people ([`super::watch::Sights::is_sure`]).
    pub unsure: bool,
}

/// A sighting taken for a body.
pub struct Pair {
    /// How badly it fits, and all else that speaks for it or against.
    pub cost: f64,
    /// How badly it fits.
    pub fit: f64,
    /// How badly the clothes fit.
    pub clothes: f64,
    pub distance_m: f64,
    /// Its camera calls it what it called that body.
    pub named: bool,
    /// The body's, with the sighting taken in.
    pub motion: Motion,
    /// How much of the sighting agrees, 0..=1.
    pub share: f64,
    /// How far its box's edges are off from where they were expected ([`super::habits`]).
    pub off: [Option<f64>; 4],
}

/// `None`: it cannot be that body. `forecast`: where the body is now.
pub fn pair(
    body: &Body,
    forecast: &Forecast,
    seen: &Seen,
    t: ShopTime,
    view: Option<&View>,
    layout: &Layout,
    likeness: &Likeness,
) -> Option<Pair> {
    let unseen_s = t.secs_since(body.last().t).max(0.0);
    let named = seen.known == Some(body.id);
    let at = seen.motion.as_ref().map(Motion::floor);
    // Nobody runs that far; and most bodies are far away.
    let is_far = |at: Point2| body.last().floor.distance(at) > JUMP_M + RUN_M_S * unseen_s.min(BRIDGE_S);
    if seen.outline.is_none() && at.is_none_or(is_far) {
        return None;
    }
    let came_in = |at: Point2| layout.is_doorway(at) && unseen_s > DOORWAY_BRIDGE_S && !body.restored && !named;
    let stayed = at.is_some_and(came_in).then(|| Forecast::unmoved(&body.motion, t));
    let forecast = stayed.as_ref().unwrap_or(forecast);
    // Half a body's box says little about where it stands: it is compared in the picture.
    if !forecast.is_sharp() && at.is_none_or(is_far) {
        return None;
    }
    let Weighed { cost: fit, motion, share, off } = forecast.weigh(seen, view)?;
    let distance_m = body.last().floor.distance(motion.floor());
    // What a tracker of boxes knows is the box before; the body knows that better.
    let called = if named && seen.outline.is_none() { SAME_TRACK * news(view) } else { 0.0 };
    let bonus = called * (SAME_TRACK_S / followed_s(body, &seen.track.camera, t)).min(1.0);
    let unlikely = libm::log1p(libm::exp(-body.evidence));
    let clothes = likeness.cost(&body.clothes, seen.person.appearance.as_ref());
    Some(Pair { cost: fit - bonus + unlikely + clothes, fit, clothes, distance_m, named, motion, share, off })
}

/// For how long a camera has followed a body by guessing, s. One that went on while we were down has not.
fn followed_s(body: &Body, camera: &CameraId, t: ShopTime) -> f64 {
    match body.tracks.get(camera) {
        Some((_, seen)) if !body.restored => t.secs_since(*seen).abs(),
        _ => 0.0,
    }
}

/// Where it is at `t`, but no less sure than after [`BRIDGE_S`].
pub fn bridged(motion: &Motion, t: ShopTime) -> Motion {
    let mut ahead = motion.ahead(t.min(motion.at.plus_ms((BRIDGE_S * 1e3) as i64)));
    ahead.at = ahead.at.max(t);
    ahead
}

/// How far somebody may have gone on since a look that came late, m.
fn late_m(motion: &Motion, t: ShopTime) -> f64 {
    LATE_M_S * motion.at.secs_since(t).max(0.0)
}

/// A sighting held against where somebody is expected.
pub struct Weighed {
    pub cost: f64,
    pub motion: Motion,
    pub share: f64,
    /// Of a box of somebody well known: [`super::shape::Fit::off`].
    pub off: [Option<f64>; 4],
}

/// Where somebody is expected when a look comes in.
pub struct Forecast {
    pub motion: Motion,
    late_m: f64,
    /// What box that would make; drawn when the first box asks.
    sketch: OnceCell<Option<Sketch>>,
}

impl Forecast {
    pub fn of(motion: &Motion, t: ShopTime) -> Forecast {
        Forecast { motion: bridged(motion, t), late_m: late_m(motion, t), sketch: OnceCell::new() }
    }

    /// Who has not gone on since they were last seen.
    fn unmoved(motion: &Motion, t: ShopTime) -> Forecast {
        Forecast { motion: motion.clone(), late_m: late_m(motion, t), sketch: OnceCell::new() }
    }

    /// Known well enough to be compared in a picture.
    fn is_sharp(&self) -> bool {
        self.motion.sigma_m() < LINEAR_M
    }

    /// `None`: it cannot be them.
    pub fn weigh(&self, seen: &Seen, view: Option<&View>) -> Option<Weighed> {
        let expected = &self.motion;
        if let (Some(outline), Some(view)) = (&seen.outline, view)
            && self.is_sharp()
        {
            let sketch = self.sketch.get_or_init(|| view.sketch(expected)).as_ref()?;
            let fit = view.fit(expected, sketch, outline)?;
            let share = fit.own.iter().filter(|own| **own).count() as f64 / 4.0;
            let off = if expected.sigma_m() <= ROUGHLY_M { fit.off } else { [None; 4] };
            return Some(Weighed { cost: fit.cost, motion: fit.motion, share, off });
        }
        let unsure = if seen.unsure { UNSURE } else { 0.0 };
        let seen = seen.motion.as_ref()?;
        let at = seen.floor();
        let (own, theirs) = (seen.spread(), expected.spread());
        let late2 = self.late_m * self.late_m;
        let spread = [0, 1].map(|i| [0, 1].map(|k| own[i][k] + theirs[i][k] + if i == k { late2 } else { 0.0 }));
        // The narrowest a sighting gets costs nothing where it fits.
        let sharpest = (SIGMA_M * SIGMA_M * SIGMA_M * SIGMA_M).max(det(&own));
        let cost = off(at, expected.floor(), &spread) / 2.0 + libm::log(det(&spread) / sharpest) / 2.0 + unsure;
        let mut motion = expected.clone();
        motion.see(at, (own[0][0].max(own[1][1]) + late2).sqrt());
        Some(Weighed { cost, motion, share: 1.0, off: [None; 4] })
    }
}

fn det(m: &[[f64; 2]; 2]) -> f64 {
    m[0][0] * m[1][1] - m[0][1] * m[1][0]
}

/// Squared Mahalanobis distance.
fn off(one: Point2, other: Point2, spread: &[[f64; 2]; 2]) -> f64 {
    let (dx, dy) = (one.x - other.x, one.y - other.y);
    (dx * dx * spread[1][1] - 2.0 * dx * dy * spread[0][1] + dy * dy * spread[0][0]) / det(spread)
}
