//! Films of a crowd, and the whole of perception looking at many of them.

use super::super::figure::quantile;
use super::super::processor;
use super::super::vision::rendered;
use crate::base::time::Clock;
use crate::base::{CameraId, Counters, ShopTime};
use crate::events::Observation;
use crate::perception::{self, VisionOptions};
use crate::sensors::Incoming;
use crate::shop::{Camera, CameraKind, Layout};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// What a camera must get.
const LOOKS_PER_S: f64 = 5.0;
const P95_MS: f64 = 300.0;
/// The bar's number first; then what the machine can do.
pub const CAMERAS: usize = 8;
const MORE: [usize; 3] = [12, 16, 24];
const FEWER: [usize; 3] = [6, 4, 2];

pub struct Load {
    pub looks_per_s: f64,
    pub p95_ms: f64,
    /// Cores this process kept busy.
    pub cores: f64,
}

impl Load {
    fn is_met(&self) -> bool {
        self.looks_per_s >= LOOKS_PER_S && self.p95_ms <= P95_MS
    }
}

/// The largest number of cameras that get what they must, and how it is at [`CAMERAS`].
pub fn loads(
    dir: &Path,
    seed: u64,
    (film_s, seconds): (f64, f64),
    notes: &mut Vec<String>,
) -> Result<(usize, Load), String> {
    let films = films(dir, seed, film_s)?;
    let mut tried = |cameras: usize| {
        let load = load(&films, cameras, seconds)?;
        notes.push(format!(
            "{cameras:2} cameras: {:5.1} looks/s each, p95 {:4.0} ms, {:.2} cores",
            load.looks_per_s, load.p95_ms, load.cores
        ));
        Ok::<Load, String>(load)
    };
    let at = tried(CAMERAS)?;
    let mut most = 0;
    if at.is_met() {
        most = CAMERAS;
        for cameras in MORE {
            if !tried(cameras)?.is_met() {
                break;
            }
            most = cameras;
        }
    } else {
        for cameras in FEWER {
            if tried(cameras)?.is_met() {
                most = cameras;
                break;
            }
        }
    }
    Ok((most, at))
}

/// A film a view.
fn films(dir: &Path, seed: u64, seconds: f64) -> Result<Vec<PathBuf>, String> {
    let mut films = Vec::new();
    for (n, raw) in rendered::films(dir, seed, seconds)?.into_iter().enumerate() {
        let film = dir.join(format!("{n}.mp4"));
        let encoded = Command::new("gst-launch-1.0")
            .args(["-q", "filesrc", &format!("location={}", raw.display()), "!"])
            .args(["rawvideoparse", "width=640", "height=360", "format=i420", "framerate=10/1", "!"])
            .args(["x264enc", "bitrate=2000", "speed-preset=veryfast", "key-int-max=20", "!", "h264parse", "!"])
            .args(["mp4mux", "!", "filesink", &format!("location={}", film.display())])
            .output()
            .map_err(|cause| format!("running gst-launch-1.0: {cause}; is gstreamer1.0-tools installed?"))?;
        if !encoded.status.success() {
            let why = String::from_utf8_lossy(&encoded.stderr).into_owned();
            return Err(format!("encoding {}: {}", raw.display(), why.lines().next().unwrap_or("no reason given")));
        }
        films.push(film);
    }
    Ok(films)
}

fn load(films: &[PathBuf], cameras: usize, seconds: f64) -> Result<Load, String> {
    let camera = |n: usize| {
        let path = films[n % films.len()].display().to_string();
        let id = CameraId::new(format!("film-{n}"));
        Camera { id, kind: CameraKind::File { path }, covers: vec![], projection: None, size: (640, 360) }
    };
    let cameras_of = (0..cameras).map(camera).map(|camera| (camera.id.clone(), camera)).collect();
    let layout = Layout { cameras: cameras_of, ..Layout::default() };
    let options = VisionOptions { model: rendered::MODEL.into(), ..VisionOptions::default() };
    let (counters, stop) = (Counters::default(), Arc::new(AtomicBool::new(false)));
    let (_asking, looks) = mpsc::channel(1);
    let (floor_tx, mut floor) = mpsc::channel(256);
    let clock = Clock::anchored_after(ShopTime(0));
    let vision = perception::spawn(&layout, &options, clock, counters.clone(), looks, floor_tx, stop.clone());
    let vision = vision.map_err(|error| error.to_string())?;

    // Every camera plays and the model is warm before anything is counted.
    let mut ages_ms = Vec::new();
    let mut began: Option<(Instant, u64, f64)> = None;
    let opened = Instant::now();
    loop {
        let Some(Incoming { stamped, .. }) = floor.blocking_recv() else { return Err("perception ended".to_owned()) };
        let Observation::People(people) = stamped.observation else { continue };
        match &began {
            None if opened.elapsed() > Duration::from_secs(3) => {
                began = Some((Instant::now(), looked(&counters), processor::process_s()));
            }
            None => {}
            Some((since, ..)) => {
                ages_ms.push((stamped.arrival.0 - people.t_us) as f64 / 1e3);
                if since.elapsed().as_secs_f64() >= seconds {
                    break;
                }
            }
        }
    }
    let (since, looks, cpu) = began.expect("counted until now");
    let took_s = since.elapsed().as_secs_f64();
    let (looks, cpu) = (looked(&counters) - looks, processor::process_s() - cpu);
    stop.store(true, Ordering::Relaxed);
    floor.close();
    vision.join();
    Ok(Load {
        looks_per_s: looks as f64 / took_s / cameras as f64,
        p95_ms: quantile(&mut ages_ms, 0.95),
        cores: cpu / took_s,
    })
}

fn looked(counters: &Counters) -> u64 {
    counters.get("perception.looks") + counters.get("perception.looks.forced")
}
