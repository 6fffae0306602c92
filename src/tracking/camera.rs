//! Keeps one number on one person while one camera sees them, from boxes alone.
//!
//! Only local: it may break or swap, and nobody believes more of it than "probably the same as a moment ago". Who is who across
//! cameras is the floor plan's question. A box's middle and size each have a Kalman filter with constant velocity; a look is read in
//! rounds, each an exact assignment by overlap:
//!
//! 1. sure boxes to tracks where these are expected;
//! 2. faint boxes to tracks seen a moment ago that got none: half hidden people are faint (Zhang et al., "ByteTrack", 2022);
//! 3. sure boxes to tracks where they were last seen: who is lost behind somebody has often stood still (Cao et al.,
//!    "Observation-Centric SORT", 2023);
//! 4. sure boxes to tracks that have been seen once. Who is seen twice is somebody.

use super::assign;
use crate::base::{Box2, ShopTime};

/// A box this much surer than `sure` begins a track.
const BIRTH: f64 = 0.1;
/// One minus the least overlap (intersection over union) of a round.
const EXPECTED: f64 = 0.8;
const FAINT: f64 = 0.5;
const LAST_SEEN: f64 = 0.7;
/// A track unseen for longer is over, us: longer than a blink of the detector, shorter than somebody else's arrival.
const FORGET_US: i64 = 1_200_000;
/// People speed up and slow down by this, m/s²; a box is a person of 1.7 m, which makes it pixels.
const ACCELERATION_M_S2: f64 = 2.0;
const HEIGHT_M: f64 = 1.7;
/// Boxes grow and shrink by this share of their height, 1/s².
const GROWTH_S2: f64 = 0.3;
/// A detector's box is off by this share of its height.
const SIGMA: f64 = 0.05;
/// Nobody knows how fast a new box moves: body lengths a second, as a walker's.
const SPEED: f64 = 0.9;

#[derive(Debug)]
pub struct CameraTracks {
    /// Boxes from this score on are somebody; fainter ones only if somebody was expected there.
    sure: f64,
    open: Vec<Track>,
    last_id: u64,
    looked: Option<ShopTime>,
}

#[derive(Debug)]
struct Track {
    id: u64,
    /// Middle across, middle down, width, height.
    axes: [Axis; 4],
    seen: ShopTime,
    last: Box2,
    confirmed: bool,
}

impl CameraTracks {
    pub fn new(sure: f64) -> CameraTracks {
        CameraTracks { sure, open: Vec::new(), last_id: 0, looked: None }
    }

    /// The track of each box, in the boxes' order; `None` for one that is nobody yet. `boxes` are in any unit that is the same
    /// across and down.
    pub fn follow(&mut self, boxes: &[Box2], now: ShopTime) -> Vec<Option<u64>> {
        self.open.retain(|track| now.since(track.seen) <= FORGET_US);
        let dt = self.looked.map_or(0.0, |before| now.secs_since(before).max(0.0));
        // What the first look shows was there before.
        let first = self.looked.is_none();
        let before = self.looked.replace(now);
        self.open.iter_mut().for_each(|track| track.predict(dt, before));

        let mut of_box: Vec<Option<usize>> = vec![None; boxes.len()];
        let sure = |found: &Box2| found.score >= self.sure;
        let faint = |found: &Box2| found.score < self.sure;
        let known = |track: &Track| track.confirmed;
        let just_seen = |track: &Track| track.confirmed && Some(track.seen) == before;
        let new = |track: &Track| !track.confirmed;
        self.pair(boxes, &mut of_box, known, sure, EXPECTED, Track::expected);
        self.pair(boxes, &mut of_box, just_seen, faint, FAINT, Track::expected);
        self.pair(boxes, &mut of_box, known, sure, LAST_SEEN, |track| track.last);
        self.pair(boxes, &mut of_box, new, sure, EXPECTED, Track::expected);

        for (found, track) in boxes.iter().zip(&mut of_box) {
            match track {
                Some(track) => self.open[*track].see(found, now, before),
                None if found.score >= self.sure + BIRTH => {
                    self.last_id += 1;
                    *track = Some(self.open.len());
                    self.open.push(Track::born(self.last_id, found, now, first));
                }
                None => {}
            }
        }
        let named = |track: &Track| track.confirmed.then_some(track.id);
        let ids = of_box.into_iter().map(|track| named(&self.open[track?])).collect();
        self.open.retain(|track| track.confirmed || track.seen == now);
        ids
    }

    /// One round: `tracks` that have no box yet and `boxes` that have no track.
    fn pair(
        &self,
        boxes: &[Box2],
        of_box: &mut [Option<usize>],
        tracks: impl Fn(&Track) -> bool,
        which: impl Fn(&Box2) -> bool,
        cost_max: f64,
        place: impl Fn(&Track) -> Box2,
    ) {
        let rows: Vec<usize> =
            (0..self.open.len()).filter(|t| tracks(&self.open[*t]) && !of_box.contains(&Some(*t))).collect();
        let columns: Vec<usize> = (0..boxes.len()).filter(|b| which(&boxes[*b]) && of_box[*b].is_none()).collect();
        let places: Vec<Box2> = rows.iter().map(|t| place(&self.open[*t])).collect();
        let pairs =
            assign(rows.len(), columns.len(), cost_max, |row, column| 1.0 - places[row].iou(&boxes[columns[column]]));
        for (row, column) in pairs.into_iter().enumerate() {
            if let Some(column) = column {
                of_box[columns[column]] = Some(rows[row]);
            }
        }
    }
}

impl Track {
    fn born(id: u64, found: &Box2, now: ShopTime, confirmed: bool) -> Track {
        let (sigma, speed) = (SIGMA * found.h, SPEED * found.h);
        let mut axes = measures(found).map(|at| Axis::new(at, sigma, speed));
        // Sizes change slowly.
        axes[2..]
            .iter_mut()
            .zip(&measures(found)[2..])
            .for_each(|(axis, at)| *axis = Axis::new(*at, sigma, 0.1 * found.h));
        Track { id, axes, seen: now, last: *found, confirmed }
    }

    /// `before`: when the camera looked last.
    fn predict(&mut self, dt: f64, before: Option<ShopTime>) {
        let height = self.axes[3].at.max(0.0);
        let lost = Some(self.seen) != before;
        for (i, axis) in self.axes.iter_mut().enumerate() {
            let size = i >= 2;
            if lost && size {
                axis.speed = 0.0;
            }
            axis.predict(dt, if size { GROWTH_S2 } else { ACCELERATION_M_S2 / HEIGHT_M } * height);
        }
    }

    fn expected(&self) -> Box2 {
        let [x, y, w, h] = self.axes.map(|axis| axis.at);
        let (w, h) = (w.max(0.0), h.max(0.0));
        Box2 { x: x - w / 2.0, y: y - h / 2.0, w, h, score: self.last.score }
    }

    fn see(&mut self, found: &Box2, now: ShopTime, before: Option<ShopTime>) {
        let sigma = SIGMA * found.h / found.score.max(0.3);
        let gap_s = now.secs_since(self.seen);
        if Some(self.seen) != before && gap_s > 0.0 {
            // While it was lost the filter made its way up; it walked straight from there to here.
            for i in 0..2 {
                let speed = (measures(found)[i] - measures(&self.last)[i]) / gap_s;
                self.axes[i] = Axis { speed, ..Axis::new(measures(found)[i], sigma, 1.5 * sigma / gap_s) };
            }
        }
        for (axis, at) in self.axes.iter_mut().zip(measures(found)) {
            axis.update(at, sigma);
        }
        self.seen = now;
        self.last = *found;
        self.confirmed = true;
    }
}

fn measures(found: &Box2) -> [f64; 4] {
    let (x, y) = found.middle();
    [x, y, found.w, found.h]
}

/// One figure and its speed, with their covariance.
#[derive(Clone, Copy, Debug)]
struct Axis {
    at: f64,
    speed: f64,
    /// Variance of the figure, what both share, variance of the speed.
    covariance: [f64; 3],
}

impl Axis {
    fn new(at: f64, sigma: f64, speed_sigma: f64) -> Axis {
        Axis { at, speed: 0.0, covariance: [sigma * sigma, 0.0, speed_sigma * speed_sigma] }
    }

    /// `acceleration` is that of a piecewise constant one, standard deviation.
    fn predict(&mut self, dt: f64, acceleration: f64) {
        let [at, both, speed] = self.covariance;
        let noise = acceleration * acceleration * dt * dt;
        self.at += self.speed * dt;
        self.covariance = [
            at + 2.0 * dt * both + dt * dt * speed + noise * dt * dt / 4.0,
            both + dt * speed + noise * dt / 2.0,
            speed + noise,
        ];
    }

    fn update(&mut self, measured: f64, sigma: f64) {
        let [at, both, speed] = self.covariance;
        let variance = at + sigma * sigma;
        let surprise = measured - self.at;
        self.at += at / variance * surprise;
        self.speed += both / variance * surprise;
        self.covariance = [at - at * at / variance, both - at * both / variance, speed - both * both / variance];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(x: f64, score: f64) -> Box2 {
        Box2 { x, y: 100.0, w: 40.0, h: 120.0, score }
    }

    #[test]
    fn a_person_keeps_their_number() {
        let mut tracks = CameraTracks::new(0.6);
        let mut now = ShopTime(0);
        let mut look = |boxes: &[Box2], after_ms: i64| {
            now = now.plus_ms(after_ms);
            tracks.follow(boxes, now)
        };
        for (story, boxes, after_ms, ids) in [
            ("two are there", vec![body(100.0, 0.9), body(400.0, 0.9)], 0, vec![Some(1), Some(2)]),
            (
                "they walk, named in another order",
                vec![body(403.0, 0.9), body(110.0, 0.9)],
                100,
                vec![Some(2), Some(1)],
            ),
            ("one is missed once", vec![body(120.0, 0.9)], 100, vec![Some(1)]),
            ("and found again", vec![body(130.0, 0.9), body(409.0, 0.9)], 100, vec![Some(1), Some(2)]),
            ("half hidden: a faint box where somebody is expected", vec![body(140.0, 0.3)], 100, vec![Some(1)]),
            ("a faint box where nobody is", vec![body(600.0, 0.3)], 100, vec![None]),
            ("a third comes: is it somebody?", vec![body(800.0, 0.9)], 100, vec![None]),
            ("it is", vec![body(805.0, 0.9)], 100, vec![Some(3)]),
            ("all are gone for two seconds", vec![], 2_000, vec![]),
            ("somebody stands where one was", vec![body(140.0, 0.9)], 100, vec![None]),
            ("somebody else", vec![body(140.0, 0.9)], 100, vec![Some(4)]),
        ] {
            assert_eq!(look(&boxes, after_ms), ids, "{story}");
        }
    }

    #[test]
    fn two_who_cross_are_told_apart_by_where_they_were_going() {
        let mut tracks = CameraTracks::new(0.6);
        let mut last = Vec::new();
        for step in 0..30 {
            let x = 10.0 * f64::from(step);
            // They pass each other in the middle; there is one box less while they do.
            let both = vec![body(100.0 + x, 0.9), body(400.0 - x, 0.9)];
            let boxes = if (14..=16).contains(&step) { both[..1].to_vec() } else { both };
            last = tracks.follow(&boxes, ShopTime(i64::from(step) * 100_000));
        }
        assert_eq!(last, [Some(1), Some(2)]);
    }
}
