//! One human shape and where it has been lately.

use super::clothes::Clothes;
use super::motion::Motion;
use super::shape::{Edges, overlap};
use crate::base::{BodyId, CameraId, Point2, Point3, ShopTime};
use crate::events::Track;
use std::collections::{BTreeMap, VecDeque};

/// Sightings kept a body: 60 s at 20 a second, so that a weight message a minute late still finds who stood there.
const KEEP: usize = 1_200;
/// How long back one look at [`Whereabouts`] tells where a body can have been: this long to twice as long, us. Steps are
/// explained within 8 s of their beginning.
const RECENT_US: i64 = 10_000_000;

/// Who has moved makes a box that overlaps the first one less than this, intersection over union: who has gone by half their width, or
/// nearer by two fifths of the way.
const UNMOVED: f64 = 0.4;
/// And on the floor, m: points of unsure looks wander by 0.2.
const UNMOVED_M: f64 = 1.0;

/// A camera sees a body if it did within this, us.
const FRESH_US: i64 = 500_000;

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
    pub tracks: BTreeMap<CameraId, (Track, ShopTime)>,
    history: VecDeque<Sighting>,
    /// The second is younger and takes the first one's place in time.
    recent: [Whereabouts; 2],
    /// Nobody has seen it yet: a beam said that it must be there.
    pub imagined: bool,
    /// Known from the journal and not seen since: it may have walked on, or out, while we were blind.
    pub restored: bool,
    /// It has left the shop ([`super::Plan::depart`]).
    pub(super) departed: bool,
    /// Where it was first seen.
    pub born: Sighting,
    /// Where it is and where to, as far as anybody can tell.
    pub(super) motion: Motion,
    /// What they wear: stays with them when two are exchanged.
    pub(super) clothes: Clothes,
    /// Log odds that it is somebody, from looks that saw it and looks that should have.
    pub(super) evidence: f64,
    /// It may be nobody: only the plan knows of it.
    pub(super) doubtful: bool,
    /// The camera that saw it first and where, as long as no other one has seen it and it has not moved there: it may be a
    /// thing that looks like somebody.
    pub(super) unmoved: Option<(CameraId, Spot)>,
}

/// Where a camera sees somebody: in what box, pixels, or, of one that tells no boxes, where on the floor.
#[derive(Clone, Copy, Debug)]
pub(super) enum Spot {
    Box(Edges),
    Floor(Point2),
}

impl Spot {
    fn is_same(&self, other: &Spot) -> bool {
        match (self, other) {
            (Spot::Box(one), Spot::Box(other)) => overlap(one, other) > UNMOVED,
            (Spot::Floor(one), Spot::Floor(other)) => one.distance(*other) < UNMOVED_M,
            _ => false,
        }
    }
}

/// A box on the floor that holds every floor point, head and hand seen since some time.
#[derive(Clone, Copy, Debug)]
struct Whereabouts {
    since: ShopTime,
    low: Point2,
    high: Point2,
}

impl Whereabouts {
    fn of(since: ShopTime, sighting: &Sighting) -> Whereabouts {
        let mut here = Whereabouts { since, low: sighting.floor, high: sighting.floor };
        here.include(sighting);
        here
    }

    fn include(&mut self, sighting: &Sighting) {
        let seen = sighting.hands.iter().chain(&sighting.head).map(|point| point.floor());
        for p in seen.chain([sighting.floor]) {
            self.low = Point2::new(self.low.x.min(p.x), self.low.y.min(p.y));
            self.high = Point2::new(self.high.x.max(p.x), self.high.y.max(p.y));
        }
    }

    fn distance(&self, p: Point2) -> f64 {
        p.distance(Point2::new(p.x.clamp(self.low.x, self.high.x), p.y.clamp(self.low.y, self.high.y)))
    }
}

impl Body {
    pub fn born(id: BodyId, sighting: Sighting, motion: Motion) -> Body {
        Body {
            id,
            motion,
            clothes: Clothes::default(),
            evidence: 0.0,
            doubtful: false,
            unmoved: None,
            tracks: BTreeMap::new(),
            imagined: false,
            restored: false,
            departed: false,
            history: VecDeque::from([sighting.clone()]),
            recent: [Whereabouts::of(sighting.t, &sighting); 2],
            born: sighting,
        }
    }

    /// What either was seen to do after `since`, the other did.
    pub(super) fn exchange(&mut self, other: &mut Body, since: ShopTime) {
        std::mem::swap(&mut self.tracks, &mut other.tracks);
        std::mem::swap(&mut self.evidence, &mut other.evidence);
        let cut = |history: &mut VecDeque<Sighting>| {
            // Somebody born since keeps their first sighting: a body has been seen at least once.
            let at = history.partition_point(|sighting| sighting.t < since).max(1);
            history.split_off(at)
        };
        let (mine, theirs) = (cut(&mut self.history), cut(&mut other.history));
        self.history.extend(theirs);
        other.history.extend(mine);
        for body in [self, other] {
            let from = body.recent[0].since;
            let mut box_ = Whereabouts::of(from, &body.history[0]);
            body.history.iter().filter(|sighting| sighting.t >= from).for_each(|sighting| box_.include(sighting));
            body.recent = [box_; 2];
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
        self.recent.iter_mut().for_each(|whereabouts| whereabouts.include(&sighting));
        self.history.insert(at, sighting);
        let last = self.last();
        if last.t.since(self.recent[1].since) > RECENT_US {
            self.recent = [self.recent[1], Whereabouts::of(last.t, last)];
        }
    }

    /// False when no sighting that [`Body::during`] gives from `from` on has anything within `within_m` of any of these
    /// places, measured along the floor. True may mean nothing: it saves looking at a body that was elsewhere.
    pub fn may_have_been_near(&self, places: impl IntoIterator<Item = Point2>, within_m: f64, from: ShopTime) -> bool {
        let [whereabouts, _] = &self.recent;
        // One second for `during`, which falls back on the sighting before.
        from.0 - 1_000_000 <= whereabouts.since.0
            || places.into_iter().any(|place| whereabouts.distance(place) <= within_m + 1e-6)
    }

    /// Takes in where a camera sees it.
    pub(super) fn seen_at(&mut self, camera: &CameraId, spot: &Spot) {
        let same = |(first, before): &(CameraId, Spot)| first == camera && before.is_same(spot);
        self.unmoved = self.unmoved.take().filter(same);
    }

    /// What cameras that see it now call it.
    pub fn fresh_tracks(&self, now: ShopTime) -> impl Iterator<Item = &Track> {
        self.tracks.values().filter(move |(_, at)| now.since(*at) <= FRESH_US).map(|(track, _)| track)
    }

    /// Whether looks of late agree that somebody is there.
    pub fn is_likely(&self) -> bool {
        self.evidence > 0.0
    }

    /// Things do not.
    pub(super) fn has_walked(&self) -> bool {
        self.born.floor.distance(self.last().floor) >= UNMOVED_M
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
}
