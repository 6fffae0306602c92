//! A checkerboard before the camera, live or in pictures somebody took: where it was seen, and the lens that follows.

use super::subject::Subject;
use super::{CalibrateArgs, Failure};
use crate::perception::checkerboard::{self, Board, BoardFit, Corners, VIEWS_ENOUGH, VIEWS_MIN};
use crate::sensors::camera::{Frame, Peek, gst};
use crate::shop::Lens;
use crate::supervise::StopSignals;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Between two looks at a film or a camera: the board has to move, and to be held still again.
const APART: Duration = Duration::from_millis(500);

/// How long a person is waited for, if they do not say.
const LASTS: Duration = Duration::from_secs(180);

/// A board that reaches over less than this share of the picture says nothing about the lens's edge.
const REACH: f64 = 0.7;

type Found = ((u32, u32), Lens, String);

pub async fn measure(args: &CalibrateArgs, subject: &Subject, board: Board) -> Result<Found, Failure> {
    let mut views = Views { board, size: None, seen: Vec::new(), looked: 0 };
    if args.pictures.is_empty() {
        let (camera, _) = subject.opened()?;
        let peek = Peek::open(camera, &subject.config.vision.cameras)?;
        let mut stops = StopSignals::listen()?;
        let (stop, lasts) = (Arc::new(AtomicBool::new(false)), args.lasts.unwrap_or(LASTS));
        println!(
            "hold the board before camera {}: near, far, in every corner, at a slant; Ctrl-C when it is enough",
            subject.camera
        );
        let ask = stop.clone();
        let mut watching = tokio::task::spawn_blocking(move || watch(&peek, &mut views, lasts, &ask).map(|()| views));
        let ended = tokio::select! {
            ended = &mut watching => ended,
            () = stops.told() => {
                stop.store(true, Ordering::Relaxed);
                watching.await
            }
        };
        views = ended??;
    } else {
        let files = files(&args.pictures)?;
        // Shared, because a film's frames are handed out while it is read.
        let views_of = Mutex::new(&mut views);
        for file in &files {
            read(file, &mut views_of.lock().expect("views"))?;
        }
    }
    let Some(size) = views.size else { return Err("there was no picture to look at".into()) };
    let places: Vec<Corners> = views.seen.iter().map(|(_, corners)| corners.clone()).collect();
    println!("{} pictures, the board in {} different places", views.looked, places.len());
    let fit = checkerboard::lens(&places, board, size)?;
    let names: Vec<&str> = views.seen.iter().map(|(name, _)| name.as_str()).collect();
    Ok((size, fit.lens, told(&fit, &names)))
}

struct Views {
    board: Board,
    size: Option<(u32, u32)>,
    /// Where from, and where in the picture.
    seen: Vec<(String, Corners)>,
    looked: usize,
}

impl Views {
    /// Whether this was a view that there was not before.
    fn look(&mut self, frame: &Frame, name: String) -> Result<bool, Failure> {
        let size = (frame.width() as u32, frame.height() as u32);
        if *self.size.get_or_insert(size) != size {
            let (w, h) = self.size.unwrap_or(size);
            return Err(format!(
                "{name} is {} x {}, the pictures before {w} x {h}; a lens is measured in one size",
                size.0, size.1
            )
            .into());
        }
        self.looked += 1;
        let Some(corners) = checkerboard::find(frame, self.board)? else { return Ok(false) };
        let known: Vec<Corners> = self.seen.iter().map(|(_, corners)| corners.clone()).collect();
        let is_new = checkerboard::is_new(&corners, &known, size.0);
        if is_new {
            self.seen.push((name, corners));
        }
        Ok(is_new)
    }

    fn place_of_last(&self) -> String {
        let (Some((_, corners)), Some((width, height))) = (self.seen.last(), self.size) else { return String::new() };
        let n = corners.len().max(1) as f32;
        let (x, y) = corners.iter().fold((0.0, 0.0), |(x, y), c| (x + c.0 / n, y + c.1 / n));
        let third = |share: f32, names: [&'static str; 3]| names[((share * 3.0) as usize).min(2)];
        let across = third(x / width as f32, ["left", "middle", "right"]);
        format!("{} {across}", third(y / height as f32, ["top", "centre", "bottom"]))
    }
}

fn watch(peek: &Peek, views: &mut Views, lasts: Duration, stop: &AtomicBool) -> Result<(), Failure> {
    let until = Instant::now() + lasts;
    let mut looked = None;
    while !stop.load(Ordering::Relaxed) && Instant::now() < until && views.seen.len() < VIEWS_ENOUGH {
        let Some(frame) = peek.next(Duration::from_millis(100)) else { continue };
        if looked.is_some_and(|looked: Instant| looked.elapsed() < APART) {
            continue;
        }
        looked = Some(Instant::now());
        let name = format!("view {}", views.seen.len() + 1);
        if views.look(&frame, name)? {
            println!("view {} of {VIEWS_MIN} or more: {}", views.seen.len(), views.place_of_last());
        }
    }
    if views.looked == 0 { Err(peek.silence().into()) } else { Ok(()) }
}

/// Pictures have one frame, films many.
fn read(file: &Path, views: &mut Views) -> Result<(), Failure> {
    let name = file.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned());
    let (mut looked, mut failed) = (None, None);
    gst::read_file(file, |frame| {
        let at = frame.arrival;
        let too_soon = looked.is_some_and(|looked| at.since(looked) < APART.as_micros() as i64);
        if too_soon || failed.is_some() {
            return;
        }
        let name = if looked.is_none() { name.clone() } else { format!("{name} at {:.1} s", at.0 as f64 / 1e6) };
        looked = Some(at);
        failed = views.look(&frame, name).err();
    })?;
    match failed {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

/// What is in folders, by name.
fn files(given: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in given {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let failed = |error: std::io::Error| format!("--pictures {}: {error}", path.display());
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?.path();
            if entry.is_file() {
                inside.push(entry);
            }
        }
        inside.sort();
        files.append(&mut inside);
    }
    Ok(files)
}

fn told(fit: &BoardFit, names: &[&str]) -> String {
    let Lens { fx, fy, cx, cy, k1, k2, .. } = fit.lens;
    let mut out = format!(
        "focal length {fx:.1} x {fy:.1} px, give or take {:.1}; principal point [{cx:.1}, {cy:.1}]; k1 {k1:.4}, k2 {k2:.4}\n",
        fit.focal_std_px
    );
    let used = fit.views.iter().filter(|(_, used)| *used).count();
    let _ = writeln!(out, "error {:.2} px over {used} views", fit.rms_px);
    for (name, (off_px, _)) in names.iter().zip(&fit.views).filter(|(_, (_, used))| !used) {
        let _ = writeln!(out, "  left out: {name}, {off_px:.1} px off (blurred, or the board bent?)");
    }
    for (share, side) in [(fit.reach.0, "width"), (fit.reach.1, "height")] {
        if share < REACH {
            let _ = writeln!(
                out,
                "the board was in {:.0} % of the picture's {side}: towards the edge the lens is a guess",
                100.0 * share
            );
        }
    }
    out
}
