//! What cameras saw of a crowd in the synthetic shop, with the truth beside it, followed as the daemon would: eye by eye, then on the
//! floor. The same looks once more with other boxes ([`Boxes`]) tell the detector's share of what went wrong from tracking's.
//!
//! * `recall`: of people in a picture of whom half or more is to be seen, how many have a box (intersection over union 0.5).
//! * `floor_error_m`: mean distance between where somebody stands and where their body is, of those within 0.5 m.
//! * `idf1`: bodies against people on the floor, as `cmc` counts them.

use super::floor::{GATE_M, Standing, moment, said};
use super::measures::{Moment, Scores, score};
use crate::base::{Box2, Point2, ShopTime};
use crate::perception::detection::{Detection, Spot};
use crate::perception::manifest::Placing;
use crate::perception::place::Eye;
use crate::shop::Layout;
use crate::sim::render::{Label, View};
use crate::tracking::Plan;

/// Who is hidden to this share is not asked for.
const VISIBLE: f64 = 0.5;
/// A box is somebody's who overlaps it so much, intersection over union.
const THEIRS: f64 = 0.5;
/// A box that overlaps nobody's even so much shows no one.
const NOBODYS: f64 = 0.1;

pub struct Looks {
    pub layout: Layout,
    pub seen_from: Vec<View>,
    pub placing: Placing,
    /// The share of the floor that some camera shows, 0..=1.
    pub floor_shown: f64,
    /// How sure a box must be of somebody.
    pub sure: f64,
    pub instants: Vec<Instant>,
}

/// All cameras look at once.
pub struct Instant {
    pub t: ShopTime,
    /// Who is inside.
    pub standing: Vec<Standing>,
    /// False while the crowd is still coming in: followed, and not measured.
    pub counts: bool,
    /// A picture a camera, in the order of `seen_from`.
    pub pictures: Vec<Picture>,
}

pub struct Picture {
    /// In fractions of the picture.
    pub found: Vec<Detection>,
    pub labels: Vec<Label>,
}

/// Whose boxes are followed.
#[derive(Clone, Copy)]
pub enum Boxes {
    Found,
    /// But for those that show no one.
    FoundOfPeople,
    /// Of everybody of whom half is to be seen, exactly, clothes as they were found.
    True,
}

#[derive(Default)]
pub struct Seen {
    pub found: usize,
    pub there: usize,
    moments: Vec<Moment>,
    off_m: f64,
    close: usize,
    inside: usize,
}

impl Looks {
    pub fn follow(&self, boxes: Boxes) -> Seen {
        let eye = |view: &View| Eye::new(view.camera.clone(), view.lens, "1".into(), self.sure);
        let mut eyes: Vec<Eye> = self.seen_from.iter().map(eye).collect();
        let (mut plan, mut seen) = (Plan::default(), Seen::default());
        for Instant { t, standing, counts, pictures } in &self.instants {
            for ((picture, eye), view) in pictures.iter().zip(&mut eyes).zip(&self.seen_from) {
                let size = (f64::from(view.camera.size.0), f64::from(view.camera.size.1));
                let found = picture.of(boxes, size);
                if *counts {
                    seen.count(&found, picture, size);
                }
                let people = eye.saw(found, self.placing, *t);
                plan.look(&people, *t, &self.layout);
            }
            let mut said = said(&mut plan, *t);
            said.retain(|(_, at)| self.layout.is_inside(*at));
            if *counts {
                seen.moment(standing, &said);
            }
        }
        seen
    }
}

impl Picture {
    fn of(&self, boxes: Boxes, size: (f64, f64)) -> Vec<Detection> {
        let is_somebodys = |found: &&Detection| {
            self.labels.iter().any(|label| found.bounds.in_picture().iou(&shown(label, size)) >= NOBODYS)
        };
        match boxes {
            Boxes::Found => self.found.clone(),
            Boxes::FoundOfPeople => self.found.iter().filter(is_somebodys).cloned().collect(),
            Boxes::True => self.asked_for().map(|label| self.truth(label, size)).collect(),
        }
    }

    fn asked_for(&self) -> impl Iterator<Item = &Label> {
        self.labels.iter().filter(|label| label.visible >= VISIBLE)
    }

    fn truth(&self, label: &Label, size: (f64, f64)) -> Detection {
        let bounds = shown(label, size);
        let overlap = |found: &&Detection| found.bounds.in_picture().iou(&bounds);
        let theirs = self.found.iter().filter(|found| overlap(found) >= THEIRS);
        let theirs = theirs.max_by(|a, b| overlap(a).total_cmp(&overlap(b)));
        let (x, y, is_seen) = label.floor;
        let floor = Some(Spot { x: x / size.0, y: y / size.1, seen: f64::from(u8::from(is_seen)) });
        Detection { floor, appearance: theirs.and_then(|found| found.appearance.clone()), ..Detection::of(bounds) }
    }
}

/// What of a body's box lies in a picture of so many pixels, in fractions of it.
fn shown(label: &Label, (width, height): (f64, f64)) -> Box2 {
    let [x, y, w, h] = label.whole;
    Box2 { x: x / width, y: y / height, w: w / width, h: h / height, score: 1.0 }.in_picture()
}

impl Seen {
    pub fn scores(&self) -> Scores {
        score(&self.moments)
    }

    pub fn recall(&self) -> f64 {
        self.found as f64 / self.there.max(1) as f64
    }

    pub fn error_m(&self) -> f64 {
        self.off_m / self.close.max(1) as f64
    }

    /// People inside, on average.
    pub fn people(&self) -> f64 {
        self.inside as f64 / self.moments.len().max(1) as f64
    }

    pub fn add(&mut self, other: Seen) {
        // One shop's people are not another's.
        let moved = |id: &u64| id + (1 << 32) * (1 + self.moments.len() as u64);
        let other_moments = other.moments.into_iter().map(|moment| Moment {
            truth: moment.truth.iter().map(moved).collect(),
            said: moment.said.iter().map(moved).collect(),
            ..moment
        });
        let other_moments: Vec<Moment> = other_moments.collect();
        self.moments.extend(other_moments);
        self.found += other.found;
        self.there += other.there;
        self.off_m += other.off_m;
        self.close += other.close;
        self.inside += other.inside;
    }

    fn moment(&mut self, standing: &[Standing], said: &[Standing]) {
        let off = |a: Point2| said.iter().map(|(_, b)| a.distance(*b)).fold(f64::INFINITY, f64::min);
        for off_m in standing.iter().map(|(_, at)| off(*at)).filter(|off_m| *off_m <= GATE_M) {
            self.off_m += off_m;
            self.close += 1;
        }
        self.inside += standing.len();
        self.moments.push(moment(standing, said));
    }

    fn count(&mut self, found: &[Detection], picture: &Picture, size: (f64, f64)) {
        let boxes: Vec<Box2> = found.iter().map(|found| found.bounds.in_picture()).collect();
        for label in picture.asked_for() {
            let whole = shown(label, size);
            self.there += 1;
            self.found += usize::from(boxes.iter().any(|found| found.iou(&whole) >= THEIRS));
        }
    }
}
