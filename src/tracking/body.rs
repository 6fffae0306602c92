//! One human shape and where it has been lately.

use crate::base::{BodyId, CameraId, Point2, Point3, ShopTime};
use std::collections::{BTreeMap, VecDeque};

/// Sightings kept a body: 60 s at 20 a second, so that a weight message a minute late still finds who stood there.
const KEEP: usize = 1_200;

#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    pub t: ShopTime,
    /// Where they stand.
    pub floor: Point2,
    pub head: Option<Point3>,
    pub hands: Vec<Point3>,
}

#[derive(Clone, Debug)]
pub struct Body {
    pub id: BodyId,
    /// Last sighting by each camera, with that camera's track.
    pub tracks: BTreeMap<CameraId, (String, ShopTime)>,
    history: VecDeque<Sighting>,
    /// Nobody has seen it yet: a beam said that it must be there.
    pub imagined: bool,
    /// Known from the journal and not seen since: it may have walked on, or out, while we were blind.
    pub restored: bool,
    /// Where it was first seen.
    pub born: Sighting,
}

impl Body {
    pub fn born(id: BodyId, sighting: Sighting) -> Body {
        Body {
            id,
            tracks: BTreeMap::new(),
            imagined: false,
            restored: false,
            history: VecDeque::from([sighting.clone()]),
            born: sighting,
        }
    }

    pub fn see(&mut self, sighting: Sighting) {
        self.imagined = false;
        self.restored = false;
        if self.history.len() == KEEP {
            self.history.pop_front();
        }
        // Cameras differ by some milliseconds: keep the history in time order.
        let at = self.history.iter().rposition(|s| s.t <= sighting.t).map_or(0, |i| i + 1);
        self.history.insert(at, sighting);
    }

    pub fn last(&self) -> &Sighting {
        self.history.back().expect("a body has been seen at least once")
    }

    /// Sightings from `from` to `to`; if there are none, the nearest before `from`, at most 1 s old.
    pub fn during(&self, from: ShopTime, to: ShopTime) -> impl Iterator<Item = &Sighting> {
        let first = self.history.partition_point(|s| s.t < from);
        let end = self.history.partition_point(|s| s.t <= to).max(first);
        let stale = first > 0 && first == end && from.since(self.history[first - 1].t) <= 1_000_000;
        self.history.range(if stale { first - 1..end } else { first..end })
    }

    /// Metres a second over the last half second, at most a runner's 3 m/s.
    pub fn velocity(&self) -> (f64, f64) {
        let last = self.last();
        let from = ShopTime(last.t.0 - 500_000);
        let Some(early) = self.history.iter().find(|s| s.t >= from) else { return (0.0, 0.0) };
        let dt = last.t.secs_since(early.t);
        if dt < 0.15 {
            return (0.0, 0.0);
        }
        let (vx, vy) = ((last.floor.x - early.floor.x) / dt, (last.floor.y - early.floor.y) / dt);
        let speed = (vx * vx + vy * vy).sqrt();
        let scale = if speed > 3.0 { 3.0 / speed } else { 1.0 };
        (vx * scale, vy * scale)
    }
}
