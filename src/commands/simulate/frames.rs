//! Pictures with labels: what cameras would see of a shop while people shop in it, and who is where in each picture.
//!
//! A directory a case: `CAMERA.i420` is one picture after the other, `labels.jsonl` a line a picture (of one camera in the
//! order of its pictures), `cameras.json` where cameras hang and how their lenses bend, `shop/` the shop files with them.
//! Whoever trains on pictures takes `--drawn training`, whoever measures `--drawn held-back`: neither shop nor product of
//! one is in the other.

use super::{Drawn, RECORDED_START_US, SimulateArgs, file_name, listed};
use crate::base::CameraId;
use crate::commands::cores;
use crate::shop::Shop;
use crate::sim::chance::Chance;
use crate::sim::play::Play;
use crate::sim::record::write_lines;
use crate::sim::render::views::equipped;
use crate::sim::render::{Cast, Goods, Label, Renderer, Studio, views};
use crate::sim::shops;
use crate::sim::{Gates, suite};
use serde::Serialize;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// Parties that come one after the other as fast as the gates let them: nobody to 20 people are in sight.
const CROWDS: [u32; 8] = [1, 2, 3, 5, 8, 12, 16, 24];

/// A line of `labels.jsonl`.
#[derive(Serialize)]
struct Frame<'a> {
    camera: &'a CameraId,
    /// Of this camera, from 0: its place in the camera's file.
    frame: usize,
    t_us: i64,
    size: (usize, usize),
    people: Vec<Label>,
}

/// A script's cases, a family's, or as many crowds: each in a new shop, where shops are drawn.
pub fn plays(args: &SimulateArgs) -> Result<Vec<Play>, String> {
    if args.script.is_some() || args.family.is_some() {
        return super::plays(args);
    }
    let seed = Chance::seed_of(args.seed, "frames");
    let own = match &args.shop {
        Some(dir) => Some(Arc::new(Shop::read(dir).map_err(|problems| listed(dir, &problems))?.0)),
        None => None,
    };
    let drawn = args.drawn.unwrap_or(Drawn::Training);
    let play = |n: usize| {
        let shop = match &own {
            Some(shop) => shop.clone(),
            // Large shops hide most people from each camera: two of three are small.
            None if n % 3 == 2 => Arc::new(shops::shop(drawn.part(), seed.wrapping_add(n as u64))),
            None => {
                let floor_m2 = Chance::new(seed, &format!("floor/{n}")).between(14.0, 60.0);
                Arc::new(shops::sized(drawn.part(), seed.wrapping_add(n as u64), floor_m2))
            }
        };
        suite::crowd(format!("{}-{}", n + 1, shop.id), shop, CROWDS[n % CROWDS.len()], 0.0)
    };
    (0..args.cases).map(play).collect()
}

/// Answers with a line for the report.
pub fn write(dir: &Path, plays: &[Play], seed: u64, per_second: f64) -> Result<String, String> {
    if !(0.001..=50.0).contains(&per_second) {
        return Err(format!("--frames-per-second {per_second} is not between 0.001 and 50"));
    }
    let (mut frames, mut people) = (0, 0);
    for drawn in cores::each(plays, |play| draw(&dir.join(file_name(&play.name)), play, seed, per_second)) {
        let (drawn, seen) = drawn?;
        frames += drawn;
        people += seen;
    }
    Ok(format!("{frames} pictures with {people} people of {} cases in {}\n", plays.len(), dir.display()))
}

/// Pictures, and people in them.
fn draw(dir: &Path, play: &Play, seed: u64, per_second: f64) -> Result<(usize, usize), String> {
    let failed = |err: io::Error| format!("drawing {} into {}: {err}", play.name, dir.display());
    let planned = play.plan(seed, RECORDED_START_US)?;
    let (seed, until_us) = (planned.seed, planned.until_us);
    let shop = play.world.shop.clone();
    let seen_from = views(&shop, seed);
    let studio = Studio::new(shop.clone(), seed, &seen_from);
    let goods = Arc::new(Goods::of(&shop, seed));
    let mut cast = Cast::new(seed, play.world.parameters.looks.clone());
    let mut playback = play.playback(RECORDED_START_US, Gates::Assumed, planned);
    playback.stock(goods.clone());

    std::fs::create_dir_all(dir).map_err(failed)?;
    let create = |name: String| File::create(dir.join(name)).map(io::BufWriter::new).map_err(failed);
    let mut cameras = Vec::new();
    for view in &seen_from {
        cameras.push((Renderer::new(&studio, view, &goods)?, create(format!("{}.i420", view.camera.id))?));
    }
    let equipped = equipped(&shop, &seen_from);
    equipped.write(dir.join("shop")).map_err(|err| format!("writing {}: {err}", dir.display()))?;
    let described: Vec<_> = seen_from.iter().map(|view| view.described()).collect();
    write_lines(&dir.join("cameras.json"), &[described]).map_err(failed)?;

    let mut labels = create("labels.jsonl".to_owned())?;
    let mut moments = Chance::new(seed, "frames");
    let every_us = 1e6 / per_second;
    let (mut frame, mut people) = (0, 0);
    loop {
        let t_us = RECORDED_START_US + ((frame as f64 + moments.unit()) * every_us) as i64;
        if t_us >= until_us {
            break;
        }
        while playback.now_us() < t_us {
            playback.step();
        }
        // Nobody asks for it; it must not pile up.
        playback.truth();
        let scene = cast.scene(&playback);
        for (renderer, file) in &mut cameras {
            let (picture, seen) = renderer.labelled(&scene);
            file.write_all(&picture).map_err(failed)?;
            people += seen.len();
            let size = renderer.size();
            let line = Frame { camera: &renderer.camera, frame, t_us: scene.t_us, size, people: seen };
            serde_json::to_writer(&mut labels, &line).map_err(|err| failed(err.into()))?;
            labels.write_all(b"\n").map_err(failed)?;
        }
        frame += 1;
    }
    cameras.iter_mut().try_for_each(|(_, file)| file.flush()).and_then(|()| labels.flush()).map_err(failed)?;
    Ok((frame * cameras.len(), people))
}
