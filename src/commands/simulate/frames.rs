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
use crate::sim::render::{Filming, Label, View, hung, views};
use crate::sim::script::Planned;
use crate::sim::shops;
use crate::sim::suite;
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
pub fn write(dir: &Path, plays: &[Play], args: &SimulateArgs) -> Result<String, String> {
    let per_second = args.frames_per_second;
    if !(0.001..=50.0).contains(&per_second) {
        return Err(format!("--frames-per-second {per_second} is not between 0.001 and 50"));
    }
    let (mut frames, mut people) = (0, 0);
    for drawn in cores::each(plays, |play| draw(&dir.join(file_name(&play.name)), play, args)) {
        let (drawn, seen) = drawn?;
        frames += drawn;
        people += seen;
    }
    Ok(format!("{frames} pictures with {people} people of {} cases in {}\n", plays.len(), dir.display()))
}

fn draw(dir: &Path, play: &Play, args: &SimulateArgs) -> Result<(usize, usize), String> {
    let planned = play.plan(args.seed, RECORDED_START_US)?;
    let hang = if args.hung { hung } else { views };
    let seen_from = hang(&play.world.shop, planned.seed);
    film(dir, play, planned, &seen_from, args.frames_per_second)
}

/// Pictures, and people in them.
fn film(
    dir: &Path,
    play: &Play,
    planned: Planned,
    seen_from: &[View],
    per_second: f64,
) -> Result<(usize, usize), String> {
    let failed = |err: io::Error| format!("drawing {} into {}: {err}", play.name, dir.display());
    let (seed, until_us) = (planned.seed, planned.until_us);
    let mut filming = Filming::new(play, planned, RECORDED_START_US, seen_from)?;
    std::fs::create_dir_all(dir).map_err(failed)?;
    let create = |name: String| File::create(dir.join(name)).map(io::BufWriter::new).map_err(failed);
    let film = |view: &View| create(format!("{}.i420", view.camera.id));
    let mut films: Vec<_> = seen_from.iter().map(film).collect::<Result<_, _>>()?;
    let equipped = equipped(&play.world.shop, seen_from);
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
        let scene = filming.scene(t_us);
        for (renderer, file) in filming.cameras.iter_mut().zip(&mut films) {
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
    films.iter_mut().try_for_each(|film| film.flush()).and_then(|()| labels.flush()).map_err(failed)?;
    Ok((frame * films.len(), people))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::Lens;
    use serde_json::Value;
    use std::collections::BTreeMap;

    /// The same camera with pictures a tenth as wide: quick to draw.
    fn small(view: &View) -> View {
        let mut view = view.clone();
        let projection = view.camera.projection.as_mut().unwrap();
        projection[..2].iter_mut().flatten().for_each(|x| *x /= 10.0);
        view.camera.size = (64, 36);
        view.lens = view.lens.map(|l| Lens { fx: l.fx / 10.0, fy: l.fy / 10.0, cx: l.cx / 10.0, cy: l.cy / 10.0, ..l });
        view
    }

    #[test]
    fn every_picture_has_its_line_and_the_shop_can_be_read_again() {
        let shop = Arc::new(shops::sized(shops::Part::Training, 2, 16.0));
        let play = suite::crowd("c".to_owned(), shop, 4, 0.0).unwrap();
        let planned = play.plan(1, RECORDED_START_US).unwrap();
        let seen_from: Vec<View> = views(&play.world.shop, planned.seed).iter().map(small).collect();
        let dir = tempfile::tempdir().unwrap();
        let (pictures, people) = film(dir.path(), &play, planned, &seen_from, 0.2).unwrap();
        let text = std::fs::read_to_string(dir.path().join("labels.jsonl")).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut of_camera: BTreeMap<&str, u64> = BTreeMap::new();
        for line in &lines {
            let next = of_camera.entry(line["camera"].as_str().unwrap()).or_default();
            assert_eq!(line["frame"].as_u64(), Some(*next), "{line}");
            *next += 1;
        }
        assert_eq!((pictures, of_camera.len()), (lines.len(), 4));
        for (camera, frames) in of_camera {
            let bytes = std::fs::metadata(dir.path().join(format!("{camera}.i420"))).unwrap().len();
            assert_eq!(bytes, frames * 64 * 36 * 3 / 2, "{camera}");
        }
        let seen: Vec<&Value> = lines.iter().flat_map(|line| line["people"].as_array().unwrap()).collect();
        assert!(seen.len() == people && people > 0);
        for key in
            ["id", "box", "visible_box", "visible", "head", "left_hand", "right_hand", "floor", "floor_m", "items"]
        {
            assert!(seen.iter().all(|person| person.get(key).is_some()), "somebody has no {key}");
        }
        let (again, _) = Shop::read(dir.path().join("shop")).unwrap();
        for view in &seen_from {
            let (known, meant) = (&again.layout.cameras[&view.camera.id], &view.camera);
            let off = |(a, b): (&f64, &f64)| (a - b).abs();
            let wrong = known
                .projection
                .as_ref()
                .unwrap()
                .iter()
                .flatten()
                .zip(meant.projection.as_ref().unwrap().iter().flatten());
            assert!(wrong.map(off).fold(0.0, f64::max) < 1e-6, "{} is another camera in its shop files", meant.id);
        }
    }
}
