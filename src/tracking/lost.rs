//! Who turns out to be somebody a step from where somebody was lost is whoever was lost there: while they were half hidden their boxes fitted
//! nobody, and began somebody new.

use super::body::Body;
use crate::base::ShopTime;

/// Whoever no camera has seen for this long is lost, us.
const LOST_US: i64 = 500_000;
/// Who is somebody new may have been seen so long before the other was lost, us: for a moment two boxes are one person.
const OVERLAP_US: i64 = 300_000;
/// They come to light within this of where they can have walked, metres: two cameras do not agree about more.
pub const FOUND_M: f64 = 1.0;
/// Half hidden people walk at up to this, m/s.
const WALKS_M_S: f64 = 1.0;
/// And no more than so long is reckoned, s: after that they may be anywhere.
pub const FOUND_S: f64 = 10.0;
/// Clothes that speak against it no more than this may be the same, natural log odds.
pub const OTHER_CLOTHES: f64 = 1.5;
/// Of two who may have been found the second would do nearly as well, as a share of the way that somebody can have gone.
pub const NEARLY: f64 = 0.3;

/// Whom of `bodies` somebody can be who has just turned out to be somebody at `t`; nobody where another would do nearly as well. `unlike`: how much
/// their clothes speak against it, natural log odds.
pub fn who_was_lost<'a>(
    new: &Body,
    bodies: impl Iterator<Item = &'a Body>,
    unlike: impl Fn(&Body) -> f64,
    t: ShopTime,
) -> Option<&'a Body> {
    // Who has left, whom only a beam has counted, and who was inside before a restart are the floor's to find.
    let known = |body: &&Body| !(body.doubtful || body.departed || body.imagined || body.restored);
    let way = |body: &Body| {
        let (was, born) = (body.last(), &new.born);
        let lost = t.since(was.t) >= LOST_US && born.t.since(was.t) >= -OVERLAP_US;
        let unseen_s = born.t.secs_since(was.t).max(0.0);
        let way = was.floor.distance(born.floor) / (FOUND_M + WALKS_M_S * unseen_s);
        (lost && unseen_s <= FOUND_S && way <= 1.0).then_some(way)
    };
    let others = bodies.filter(known).filter(|body| body.id != new.id);
    let mut lost: Vec<(f64, &Body)> = others.filter_map(|body| Some((way(body)?, body))).collect();
    lost.retain(|(_, body)| unlike(body) < OTHER_CLOTHES);
    lost.sort_by(|a, b| a.0.total_cmp(&b.0));
    match lost[..] {
        [] => None,
        [(one, _), (other, _), ..] if other - one < NEARLY => None,
        [(_, body), ..] => Some(body),
    }
}
