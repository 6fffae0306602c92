//! The whole way from pictures to bodies, on pictures of the synthetic shop: four cameras at ten pictures a second are drawn, looked at
//! by our own detector, numbered camera by camera and followed on the floor. In shops of the kinds that training never saw, with cameras
//! that hang with care.
//!
//! * `recall`: of people in a picture of whom half or more is to be seen, how many have a box (intersection over union 0.5).
//! * `floor_error_m`: mean distance between where somebody stands and where their body is, of those within 0.5 m.
//! * `idf1`: bodies against people on the floor, as `cmc` counts them.

use super::floor::{GATE_M, Standing, moment, said};
use super::measures::{Moment, Scores, score};
use crate::base::{Box2, Point2, ShopTime};
use crate::commands::simulate::RECORDED_START_US;
use crate::perception::VisionOptions;
use crate::perception::appearance::Wardrobe;
use crate::perception::detector::Detector;
use crate::perception::place::Eye;
use crate::sensors::camera::{Frame, Pixels, Plane};
use crate::shop::Layout;
use crate::sim::render::views::equipped;
use crate::sim::render::{Filming, Label, Scene, View, hung, views};
use crate::sim::shops::{self, Part};
use crate::sim::suite;
use crate::tracking::Plan;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Our own detector.
pub const MODEL: &str = "models/carryout.toml";
/// How sure it must be of somebody, as its card (models/carryout.md) advises.
pub const SURE: f64 = 0.35;
/// Between pictures of a camera, us.
const EVERY_US: i64 = 100_000;
/// Who is hidden to this share is not asked for.
const VISIBLE: f64 = 0.5;
/// After so long all are inside who will be at once, us.
const COME_US: i64 = 40_000_000;

/// How many parties come, into how large a shop.
#[derive(Clone, Copy)]
pub struct Crowd {
    pub parties: u32,
    pub floor_m2: f64,
    /// Measured from when so many are inside, or from [`COME_US`] after the first.
    pub people: usize,
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
}

pub fn detector() -> Result<Detector, String> {
    let options = VisionOptions { model: MODEL.into(), confidence_min: SURE, ..VisionOptions::default() };
    Detector::of(&options).map_err(|error| error.to_string())
}

/// Watches a crowd for so many seconds.
pub fn watch(crowd: Crowd, seed: u64, seconds: f64, detector: &mut Detector) -> Result<Seen, String> {
    let shop = Arc::new(shops::sized(Part::HeldBack, seed, crowd.floor_m2));
    let play = suite::crowd(format!("crowd of {}", crowd.people), shop.clone(), crowd.parties, 0.0)?;
    let planned = play.plan(seed, RECORDED_START_US)?;
    let (until_us, seen_from) = (planned.until_us, hung(&shop, planned.seed));
    let mut filming = Filming::new(&play, planned, RECORDED_START_US, &seen_from)?;
    let wardrobe = Wardrobe::open().map_err(|error| format!("opening a wardrobe: {error}"))?;
    let eye = |view: &View| Eye::new(view.camera.clone(), view.lens, "1".into(), SURE);
    let mut eyes: Vec<Eye> = seen_from.iter().map(eye).collect();
    let mut room = Room::new(equipped(&shop, &seen_from).layout);

    let mut t_us = RECORDED_START_US;
    let (mut first_us, mut full_us) = (None, None);
    loop {
        t_us += EVERY_US;
        let over = full_us.is_some_and(|full_us| t_us as f64 > full_us as f64 + seconds * 1e6);
        if over || t_us >= until_us {
            return Ok(room.seen);
        }
        let scene = filming.scene(t_us);
        let standing = room.standing(&scene);
        // Nobody draws an empty shop for nothing.
        if standing.is_empty() && full_us.is_none() {
            continue;
        }
        let first_us = *first_us.get_or_insert(t_us);
        if standing.len() >= crowd.people || t_us - first_us >= COME_US {
            full_us.get_or_insert(t_us);
        }
        let t = ShopTime(t_us);
        for (renderer, eye) in filming.cameras.iter_mut().zip(&mut eyes) {
            let (picture, labels) = renderer.labelled(&scene);
            let frame = frame(renderer.size(), &picture, t)?;
            let mut found = detector.look(&frame).map_err(|error| error.to_string())?;
            wardrobe.dress(&frame, &mut found);
            if full_us.is_some() {
                let boxes: Vec<Box2> = found.iter().map(|found| found.bounds).collect();
                room.seen.count(&labels, &boxes, renderer.size());
            }
            let people = eye.saw(found, detector.manifest().people, t);
            room.plan.look(&people, t, &room.layout);
        }
        room.moment(&standing, t, full_us.is_some());
    }
}

/// Raw I420 films of a crowd of five, a file a view, ten pictures a second, 640 x 360.
pub fn films(dir: &Path, seed: u64, seconds: f64) -> Result<Vec<PathBuf>, String> {
    let failed = |error: std::io::Error| format!("writing films into {}: {error}", dir.display());
    let shop = Arc::new(shops::sized(Part::HeldBack, seed, 30.0));
    let play = suite::crowd("film".into(), shop.clone(), 6, 0.0)?;
    let planned = play.plan(seed, RECORDED_START_US)?;
    let seen_from = views(&shop, planned.seed);
    let mut filming = Filming::new(&play, planned, RECORDED_START_US, &seen_from)?;
    let mut films = Vec::new();
    for n in 0..seen_from.len() {
        let path = dir.join(format!("{n}.i420"));
        films.push((std::io::BufWriter::new(std::fs::File::create(&path).map_err(failed)?), path));
    }
    // Half a minute on they are inside.
    let begin_us = RECORDED_START_US + 30_000_000;
    for n in 0..(seconds * 1e6) as i64 / EVERY_US {
        let scene = filming.scene(begin_us + n * EVERY_US);
        for (renderer, (file, _)) in filming.cameras.iter_mut().zip(&mut films) {
            file.write_all(&renderer.picture(&scene)).map_err(failed)?;
        }
    }
    films.iter_mut().try_for_each(|(file, _)| file.flush()).map_err(failed)?;
    Ok(films.into_iter().map(|(_, path)| path).collect())
}

struct Room {
    layout: Layout,
    plan: Plan,
    seen: Seen,
    /// In the order of their first appearance.
    numbers: BTreeMap<String, u64>,
}

impl Room {
    fn new(layout: Layout) -> Room {
        Room { layout, plan: Plan::default(), seen: Seen::default(), numbers: BTreeMap::new() }
    }

    /// Who is inside, by their numbers.
    fn standing(&mut self, scene: &Scene) -> Vec<Standing> {
        let mut standing = Vec::new();
        for figure in &scene.figures {
            let at = figure.floor();
            if self.layout.is_inside(at) {
                let next = self.numbers.len() as u64;
                standing.push((*self.numbers.entry(figure.body.clone()).or_insert(next), at));
            }
        }
        standing
    }

    fn moment(&mut self, standing: &[Standing], t: ShopTime, counts: bool) {
        let mut said = said(&mut self.plan, t);
        said.retain(|(_, at)| self.layout.is_inside(*at));
        if !counts {
            return;
        }
        let off = |a: Point2| said.iter().map(|(_, b)| a.distance(*b)).fold(f64::INFINITY, f64::min);
        for off_m in standing.iter().map(|(_, at)| off(*at)).filter(|off_m| *off_m <= GATE_M) {
            self.seen.off_m += off_m;
            self.seen.close += 1;
        }
        self.seen.inside += standing.len();
        self.seen.moments.push(moment(standing, &said));
    }
}

impl Seen {
    fn count(&mut self, labels: &[Label], boxes: &[Box2], (width, height): (usize, usize)) {
        let (width, height) = (width as f64, height as f64);
        let cut = |[x, y, w, h]: [f64; 4]| {
            let (left, top) = (x.clamp(0.0, width), y.clamp(0.0, height));
            let (right, bottom) = ((x + w).clamp(0.0, width), (y + h).clamp(0.0, height));
            Box2 { x: left, y: top, w: right - left, h: bottom - top, score: 1.0 }
        };
        let boxes: Vec<Box2> = boxes
            .iter()
            .map(|found| cut([found.x * width, found.y * height, found.w * width, found.h * height]))
            .collect();
        for label in labels.iter().filter(|label| label.visible >= VISIBLE) {
            let whole = cut(label.whole);
            self.there += 1;
            self.found += usize::from(boxes.iter().any(|found| found.iou(&whole) >= 0.5));
        }
    }
}

fn frame((width, height): (usize, usize), picture: &[u8], t: ShopTime) -> Result<Frame, String> {
    let (y, chroma) = picture.split_at(width * height);
    let (u, v) = chroma.split_at(width * height / 4);
    let planes = [(y, width), (u, width / 2), (v, width / 2)].map(|(data, stride)| Plane { data, stride });
    Frame::copy((width, height), Pixels::I420, &planes, t).ok_or_else(|| "a picture of no size".to_owned())
}
