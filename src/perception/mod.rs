//! Frames to people. The last place a frame exists.
//!
//!     Mailroom --frame--> motion gate --> shop without people --> detector (one model, all cameras) --> clothes --> places, tracks --> People
//!
//! Any standard detector works by its manifest ([`manifest`]); what a pixel says about the floor comes from the camera's
//! lens and projection ([`place`], [`crate::shop::projection`]). What is kept of somebody's looks is in [`appearance`]. The
//! same `People` may come over MQTT from another process or an AI camera: such cameras are declared with `kind = "people"`,
//! and nothing here is needed for them.

pub mod appearance;
pub mod background;
pub mod boxes;
#[cfg(feature = "cameras")]
pub mod calibration;
#[cfg(feature = "cameras")]
pub mod checkerboard;
pub mod decode;
pub mod detection;
pub mod guess;
pub mod locate;
pub mod manifest;
pub mod motion;
pub mod overlay;
pub mod place;
pub mod steady;

#[cfg(all(feature = "cameras", feature = "onnx"))]
pub mod detector;
#[cfg(feature = "onnx")]
pub mod ort;
#[cfg(feature = "cameras")]
pub mod picture;
#[cfg(all(feature = "cameras", feature = "onnx"))]
pub mod show;
#[cfg(feature = "onnx")]
pub mod unknown;
#[cfg(all(feature = "cameras", feature = "onnx"))]
mod worker;

use crate::base::time::Clock;
use crate::base::{CameraId, Counters};
use crate::sensors::Incoming;
use crate::sensors::camera::{CameraOptions, Healths};
use crate::shop::lens::Lens;
use crate::shop::{Camera, CameraKind, Layout};
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use tokio::sync::mpsc::{Receiver, Sender};

/// The config's `[vision]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VisionOptions {
    /// The detector's manifest; looked for from here, then beside the executable.
    pub model: PathBuf,
    /// Boxes with a lower score are not people, but down to half of it the ones who were there a moment ago. Too low:
    /// ghosts; too high: people are missed. `None`: what the model's manifest says.
    pub confidence_min: Option<f64>,
    /// Threads that work on one picture. More than the machine has cores to spare slows everything down.
    pub threads: usize,
    /// The ONNX Runtime's shared library; unset: searched for, see [`ort`](self).
    pub onnx_library: Option<PathBuf>,
    /// What the model computes on. The library must have it; there is no falling back.
    pub provider: Provider,
    /// How long a picture waits for those of other cameras, to go through the model with them. 0: not at all.
    pub batch_wait_ms: u64,
    /// Even a still picture is looked at this often.
    pub look_ms_max: i64,
    pub cameras: CameraOptions,
}

impl Default for VisionOptions {
    fn default() -> Self {
        VisionOptions {
            model: "models/disc.toml".into(),
            confidence_min: None,
            threads: 1,
            onnx_library: None,
            provider: Provider::Cpu,
            batch_wait_ms: 20,
            look_ms_max: 5_000,
            cameras: CameraOptions::default(),
        }
    }
}

/// What a model computes on: an execution provider of the ONNX Runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    #[default]
    Cpu,
    Cuda,
    Tensorrt,
    Openvino,
}

impl std::fmt::Display for Provider {
    /// As the config says it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Provider::Cpu => "cpu",
            Provider::Cuda => "cuda",
            Provider::Tensorrt => "tensorrt",
            Provider::Openvino => "openvino",
        })
    }
}

/// Look at these cameras' next frame, moved or not: a shelf they see is moving.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    pub cameras: Vec<CameraId>,
}

#[derive(Debug, thiserror::Error)]
pub enum VisionError {
    #[error(
        "starting camera {camera}: this carryout was built without the feature `{feature}`; build it with its default \
         features, or declare the camera kind = \"people\" and let another process look"
    )]
    NotBuilt { camera: CameraId, feature: &'static str },
    #[error("starting perception: {0}")]
    Detector(String),
    #[error("starting perception: {0}")]
    Thread(#[from] std::io::Error),
}

/// A camera with pictures, and the lens that bends them.
type Seen = (Camera, Option<Lens>);

/// The running eyes of the shop.
#[derive(Debug, Default)]
pub struct Vision {
    /// How each camera is; cameras of kind `people` are not in it.
    pub health: Healths,
    threads: Vec<JoinHandle<()>>,
}

impl Vision {
    /// Waits for the threads, after `stop` was set.
    pub fn join(self) {
        for thread in self.threads {
            // A panic was reported by its own thread.
            let _ = thread.join();
        }
    }

    /// Whether every thread still runs.
    pub fn is_running(&self) -> bool {
        self.threads.iter().all(|thread| !thread.is_finished())
    }
}

/// Starts a thread a camera and one perception worker; none at all where the cameras are all of kind `people`.
///
/// `stop` ends them all within about 0.2 s, unless the floor's queue is full and nobody drains it; dropping its receiver
/// ends the worker too. A model that cannot be opened is an error here, at start-up; a camera that cannot is not, it is
/// a health state and is tried for ever.
pub fn spawn(
    layout: &Layout,
    options: &VisionOptions,
    clock: Clock,
    counters: Counters,
    looks: Receiver<Look>,
    floor: Sender<Incoming>,
    stop: Arc<AtomicBool>,
) -> Result<Vision, VisionError> {
    let with_pictures = layout.cameras.values().filter(|camera| camera.kind != CameraKind::People);
    let cameras: Vec<Seen> =
        with_pictures.map(|camera| (camera.clone(), layout.lenses.get(&camera.id).copied())).collect();
    let Some((first, _)) = cameras.first() else { return Ok(Vision::default()) };
    for (feature, built) in [("cameras", cfg!(feature = "cameras")), ("onnx", cfg!(feature = "onnx"))] {
        if !built {
            return Err(VisionError::NotBuilt { camera: first.id.clone(), feature });
        }
    }
    start(cameras, options, clock, counters, looks, floor, stop)
}

#[cfg(all(feature = "cameras", feature = "onnx"))]
fn start(
    cameras: Vec<Seen>,
    options: &VisionOptions,
    clock: Clock,
    counters: Counters,
    looks: Receiver<Look>,
    floor: Sender<Incoming>,
    stop: Arc<AtomicBool>,
) -> Result<Vision, VisionError> {
    use crate::sensors::camera::{Mailroom, Watch, watch};

    let detector = detector::Detector::of(options).map_err(|error| VisionError::Detector(error.to_string()))?;
    let wardrobe = appearance::Wardrobe::open()?;
    let mailroom = Arc::new(Mailroom::new(cameras.len(), options.cameras.fps_max, counters.clone()));
    let mut vision = Vision::default();
    for (slot, (camera, _)) in cameras.iter().enumerate() {
        vision.threads.extend(watch(Watch {
            camera: camera.clone(),
            slot,
            mailroom: mailroom.clone(),
            healths: vision.health.clone(),
            options: options.cameras.clone(),
            clock,
            counters: counters.clone(),
            stop: stop.clone(),
        })?);
    }
    let (options, healths) = (options.clone(), vision.health.clone());
    let worker = worker::Worker { cameras, wardrobe, mailroom, healths, options, clock, counters, looks, floor, stop };
    let thread = std::thread::Builder::new().name("perception".into()).spawn(move || worker.run(detector))?;
    vision.threads.push(thread);
    Ok(vision)
}

#[cfg(not(all(feature = "cameras", feature = "onnx")))]
fn start(
    cameras: Vec<Seen>,
    _: &VisionOptions,
    _: Clock,
    _: Counters,
    _: Receiver<Look>,
    _: Sender<Incoming>,
    _: Arc<AtomicBool>,
) -> Result<Vision, VisionError> {
    unreachable!("{} cameras and no feature to look through them; `spawn` refused that", cameras.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ShopTime;
    use tokio::sync::mpsc;

    fn open(kind: CameraKind) -> Result<Vision, VisionError> {
        let camera = Camera { id: CameraId::new("top-1"), kind, covers: vec![], projection: None, size: (640, 480) };
        let layout = Layout { cameras: [(camera.id.clone(), camera)].into(), ..Layout::default() };
        // Without a model on purpose: a layout of `people` cameras needs none.
        let options = VisionOptions { model: "nowhere.toml".into(), ..VisionOptions::default() };
        let clock = Clock::anchored_after(ShopTime(0));
        let ((_, looks), (floor, _)) = (mpsc::channel(1), mpsc::channel(1));
        spawn(&layout, &options, clock, Counters::default(), looks, floor, Arc::default())
    }

    #[test]
    fn cameras_that_send_people_need_no_eyes_of_ours() {
        let vision = open(CameraKind::People).unwrap();
        assert!(vision.is_running() && vision.health.all().is_empty());
        vision.join();
    }

    #[test]
    fn a_shop_that_needs_eyes_does_not_start_blind() {
        let error = open(CameraKind::Rtsp { url: "rtsp://127.0.0.1/x".into() }).map(|_| ()).unwrap_err().to_string();
        let says = match (cfg!(feature = "cameras"), cfg!(feature = "onnx")) {
            (false, _) => "starting camera top-1: this carryout was built without the feature `cameras`",
            (true, false) => "starting camera top-1: this carryout was built without the feature `onnx`",
            (true, true) => "starting perception: reading model manifest nowhere.toml",
        };
        assert!(error.starts_with(says), "{error}");
    }

    #[test]
    fn the_config_refuses_what_it_does_not_know() {
        let read = |text: &str| toml::from_str::<VisionOptions>(text).map_err(|error| error.to_string());
        assert_eq!(read("").unwrap().model, PathBuf::from("models/disc.toml"));
        assert_eq!(read("provider = \"openvino\"").unwrap().provider, Provider::Openvino);
        assert!(read("provider = \"gpu\"").unwrap_err().contains("unknown variant `gpu`"));
        assert_eq!(read("[cameras]\nno_frame_ms = 500").unwrap().cameras.no_frame_ms, 500);
        assert!(read("confidence = 0.4").unwrap_err().contains("unknown field `confidence`"));
    }
}
