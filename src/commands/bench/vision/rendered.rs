//! Pictures of the synthetic shop: four cameras at ten pictures a second are drawn and looked at by our own detector. In shops of the kinds
//! that training never saw, with cameras that hang with care. What becomes of it is told by [`super::looks`].

use super::floor::Standing;
use super::looks::{Instant, Looks, Picture};
use crate::base::ShopTime;
use crate::commands::simulate::RECORDED_START_US;
use crate::perception::VisionOptions;
use crate::perception::appearance::Wardrobe;
use crate::perception::background::Background;
use crate::perception::detector::Detector;
use crate::sensors::camera::{Frame, Pixels, Plane};
use crate::shop::Layout;
use crate::sim::render::views::equipped;
use crate::sim::render::{Filming, Scene, floor_shown, hung, views};
use crate::sim::shops::{self, Part};
use crate::sim::suite;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Our own detector.
pub const MODEL: &str = "models/carryout.toml";
/// Between pictures of a camera, us.
const EVERY_US: i64 = 100_000;
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

pub fn detector() -> Result<Detector, String> {
    let options = VisionOptions { model: MODEL.into(), ..VisionOptions::default() };
    Detector::of(&options).map_err(|error| error.to_string())
}

/// Looks at a crowd for so many seconds.
pub fn look(crowd: Crowd, seed: u64, seconds: f64, detector: &mut Detector) -> Result<Looks, String> {
    let shop = Arc::new(shops::sized(Part::HeldBack, seed, crowd.floor_m2));
    let play = suite::crowd(format!("crowd of {}", crowd.people), shop.clone(), crowd.parties, 0.0)?;
    let planned = play.plan(seed, RECORDED_START_US)?;
    let (until_us, planned_seed) = (planned.until_us, planned.seed);
    let seen_from = hung(&shop, planned_seed);
    let mut filming = Filming::new(&play, planned, RECORDED_START_US, &seen_from)?;
    let wardrobe = Wardrobe::open().map_err(|error| format!("opening a wardrobe: {error}"))?;
    let layout = equipped(&shop, &seen_from).layout;
    let placing = detector.manifest().people;
    let floor_shown = floor_shown(&shop, &seen_from).well;
    let mut looks = Looks { layout, seen_from, placing, floor_shown, sure: detector.sure(), instants: Vec::new() };

    let mut backgrounds: Vec<Background> = filming.cameras.iter().map(|_| Background::default()).collect();
    let mut numbers = BTreeMap::new();
    let mut t_us = RECORDED_START_US;
    let (mut first_us, mut full_us) = (None, None);
    loop {
        t_us += EVERY_US;
        let over = full_us.is_some_and(|full_us| t_us as f64 > full_us as f64 + seconds * 1e6);
        if over || t_us >= until_us {
            return Ok(looks);
        }
        let scene = filming.scene(t_us);
        let standing = standing(&scene, &looks.layout, &mut numbers);
        // Nobody draws an empty shop for nothing.
        if standing.is_empty() && full_us.is_none() {
            continue;
        }
        let first_us = *first_us.get_or_insert(t_us);
        if standing.len() >= crowd.people || t_us - first_us >= COME_US {
            full_us.get_or_insert(t_us);
        }
        let t = ShopTime(t_us);
        let mut pictures = Vec::new();
        for (renderer, background) in filming.cameras.iter_mut().zip(&mut backgrounds) {
            let (picture, labels) = renderer.labelled(&scene);
            let frame = frame(renderer.size(), &picture, t)?;
            let foreground = background.compare(&frame);
            let mut found = detector.look(&frame, foreground.as_ref()).map_err(|error| error.to_string())?;
            if let Some(foreground) = &foreground {
                background.learn(foreground, &mut found);
            }
            wardrobe.dress(&frame, foreground.as_ref(), &mut found);
            pictures.push(Picture { found, labels });
        }
        looks.instants.push(Instant { t, standing, counts: full_us.is_some(), pictures });
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

/// Who is inside, by their numbers: in the order of their first appearance.
fn standing(scene: &Scene, layout: &Layout, numbers: &mut BTreeMap<String, u64>) -> Vec<Standing> {
    let mut standing = Vec::new();
    for figure in &scene.figures {
        let at = figure.floor();
        if layout.is_inside(at) {
            let next = numbers.len() as u64;
            standing.push((*numbers.entry(figure.body.clone()).or_insert(next), at));
        }
    }
    standing
}

fn frame((width, height): (usize, usize), picture: &[u8], t: ShopTime) -> Result<Frame, String> {
    let (y, chroma) = picture.split_at(width * height);
    let (u, v) = chroma.split_at(width * height / 4);
    let planes = [(y, width), (u, width / 2), (v, width / 2)].map(|(data, stride)| Plane { data, stride });
    Frame::copy((width, height), Pixels::I420, &planes, t).ok_or_else(|| "a picture of no size".to_owned())
}
