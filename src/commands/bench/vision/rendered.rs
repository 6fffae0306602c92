//! The whole way from pictures to bodies, on pictures of the synthetic shop: four cameras at ten pictures a second are drawn, looked at
//! by our own detector, numbered camera by camera and followed on the floor. In shops of the kinds that training never saw.
//!
//! * `recall`: of people in a picture of whom half or more is to be seen, how many have a box (intersection over union 0.5).
//! * `floor_error_m`: mean distance between where somebody stands and where their body is, of those within 0.5 m.
//! * `idf1`: bodies against people on the floor, as `cmc` counts them.

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
use crate::sim::render::{Cast, Goods, Label, Renderer, Studio, views};
use crate::sim::shops::{self, Part};
use crate::sim::{Gates, Playback, suite};
use crate::tracking::Plan;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Our own detector.
pub const MODEL: &str = "models/carryout.toml";
/// How sure it must be of somebody, as its card (models/carryout.md) advises.
pub const SURE: f64 = 0.3;
/// Between pictures of a camera, us.
const EVERY_US: i64 = 100_000;
/// Who is hidden to this share is not asked for.
const VISIBLE: f64 = 0.5;
/// Whoever was seen this lately is said to be there, us.
const THERE_US: i64 = 1_000_000;
/// Further off is somebody else, m.
const GATE_M: f64 = 0.5;
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
    let (seed, until_us) = (planned.seed, planned.until_us);
    let seen_from = views(&shop, seed);
    let (studio, goods) = (Studio::new(shop.clone(), seed, &seen_from), Arc::new(Goods::of(&shop, seed)));
    let mut cast = Cast::new(seed, play.world.parameters.looks.clone());
    let mut playback = play.playback(RECORDED_START_US, Gates::Assumed, planned);
    playback.stock(goods.clone());
    let wardrobe = Wardrobe::open().map_err(|error| format!("opening a wardrobe: {error}"))?;
    let mut eyes = Vec::new();
    for view in &seen_from {
        let eye = Eye::new(view.camera.clone(), view.lens, "1".into(), SURE);
        eyes.push((Renderer::new(&studio, view, &goods)?, eye));
    }
    let mut room = Room { layout: equipped(&shop, &seen_from).layout, plan: Plan::default(), seen: Seen::default() };

    let mut t_us = RECORDED_START_US;
    let (mut first_us, mut full_us) = (None, None);
    loop {
        t_us += EVERY_US;
        let over = full_us.is_some_and(|full_us| t_us as f64 > full_us as f64 + seconds * 1e6);
        if over || t_us >= until_us {
            return Ok(room.seen);
        }
        advance(&mut playback, t_us);
        let scene = cast.scene(&playback);
        let standing: Vec<(u64, Point2)> = scene
            .figures
            .iter()
            .map(|figure| (name(&figure.body), Point2::new(figure.stance.floor.x.into(), figure.stance.floor.y.into())))
            .filter(|(_, at)| room.layout.is_inside(*at))
            .collect();
        // Nobody draws an empty shop for nothing.
        if standing.is_empty() && full_us.is_none() {
            continue;
        }
        let first_us = *first_us.get_or_insert(t_us);
        if standing.len() >= crowd.people || t_us - first_us >= COME_US {
            full_us.get_or_insert(t_us);
        }
        let t = ShopTime(t_us);
        for (renderer, eye) in &mut eyes {
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
    let seed = planned.seed;
    let seen_from = views(&shop, seed);
    let (studio, goods) = (Studio::new(shop.clone(), seed, &seen_from), Arc::new(Goods::of(&shop, seed)));
    let mut cast = Cast::new(seed, play.world.parameters.looks.clone());
    let mut playback = play.playback(RECORDED_START_US, Gates::Assumed, planned);
    playback.stock(goods.clone());
    let mut cameras = Vec::new();
    for (n, view) in seen_from.iter().enumerate() {
        let path = dir.join(format!("{n}.i420"));
        let file = std::io::BufWriter::new(std::fs::File::create(&path).map_err(failed)?);
        cameras.push((Renderer::new(&studio, view, &goods)?, file, path));
    }
    // Half a minute on they are inside.
    let begin_us = RECORDED_START_US + 30_000_000;
    for n in 0..(seconds * 1e6) as i64 / EVERY_US {
        advance(&mut playback, begin_us + n * EVERY_US);
        let scene = cast.scene(&playback);
        for (renderer, file, _) in &mut cameras {
            file.write_all(&renderer.picture(&scene)).map_err(failed)?;
        }
    }
    cameras.iter_mut().try_for_each(|(_, file, _)| file.flush()).map_err(failed)?;
    Ok(cameras.into_iter().map(|(_, _, path)| path).collect())
}

struct Room {
    layout: Layout,
    plan: Plan,
    seen: Seen,
}

impl Room {
    fn moment(&mut self, standing: &[(u64, Point2)], t: ShopTime, counts: bool) {
        for (older, newer) in self.plan.twins(t) {
            self.plan.merge(older, newer);
        }
        let there = self.plan.bodies().filter(|body| t.since(body.last().t) <= THERE_US && body.is_likely());
        let said: Vec<(u64, Point2)> = there.map(|body| (body.id.0, body.last().floor)).collect();
        let said: Vec<(u64, Point2)> = said.into_iter().filter(|(_, at)| self.layout.is_inside(*at)).collect();
        if !counts {
            return;
        }
        let off = |a: Point2| said.iter().map(|(_, b)| a.distance(*b)).fold(f64::INFINITY, f64::min);
        for off_m in standing.iter().map(|(_, at)| off(*at)).filter(|off_m| *off_m <= GATE_M) {
            self.seen.off_m += off_m;
            self.seen.close += 1;
        }
        self.seen.inside += standing.len();
        let similarity = |a: Point2, b: Point2| (1.0 - a.distance(b) / (2.0 * GATE_M)).max(0.0);
        self.seen.moments.push(Moment {
            truth: standing.iter().map(|(id, _)| *id).collect(),
            said: said.iter().map(|(id, _)| *id).collect(),
            similarity: standing.iter().map(|(_, a)| said.iter().map(|(_, b)| similarity(*a, *b)).collect()).collect(),
        });
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

fn advance(playback: &mut Playback, t_us: i64) {
    while playback.now_us() < t_us {
        playback.step();
    }
    // Nobody asks for it; it must not pile up.
    playback.truth();
}

/// A number for a name, the same for the same (FNV-1a).
fn name(body: &str) -> u64 {
    let hash = body
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash >> 32
}

fn frame((width, height): (usize, usize), picture: &[u8], t: ShopTime) -> Result<Frame, String> {
    let (y, chroma) = picture.split_at(width * height);
    let (u, v) = chroma.split_at(width * height / 4);
    let planes = [(y, width), (u, width / 2), (v, width / 2)].map(|(data, stride)| Plane { data, stride });
    Frame::copy((width, height), Pixels::I420, &planes, t).ok_or_else(|| "a picture of no size".to_owned())
}
