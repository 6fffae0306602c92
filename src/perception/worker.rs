//! The perception worker: takes the newest frame of each camera in turn, decides whether it is worth a look, looks, and
//! says who is there.
//!
//! A frame is looked at when something moved, for a moment after it stopped, when the floor asks (a shelf is moving), and
//! now and then anyway. Between looks the last people are said again twice a second, as long as frames come: a camera that
//! is dead says nothing at all. The floor's queue is waited for, so that only the mailroom loses.

use super::detector::{Detector, OpenError};
use super::motion::MotionGate;
use super::picture;
use super::place::Eye;
use super::{Look, VisionOptions, locate};
use crate::base::time::{Clock, MS_US};
use crate::base::{CameraId, Counters, ShopTime};
use crate::events::{Observation, People, Stamped};
use crate::sensors::Incoming;
use crate::sensors::camera::{Frame, Mailroom};
use crate::shop::Camera;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender};

/// How long the worker waits for a frame before it looks whether it should stop.
const POLL: Duration = Duration::from_millis(50);

/// The last people are said again when the last word is this old: at 10 frames/s that is at least every 500 ms.
const REPEAT_MS: i64 = 400;

/// Looks go on for this long after the last movement, so that the last word is about people who stand.
const SETTLE_MS: i64 = 500;

pub(super) struct Worker {
    pub cameras: Vec<Camera>,
    pub mailroom: Arc<Mailroom>,
    pub options: VisionOptions,
    pub clock: Clock,
    pub counters: Counters,
    pub looks: Receiver<Look>,
    pub floor: Sender<Incoming>,
    pub stop: Arc<AtomicBool>,
}

/// What is known about one camera.
struct Sight {
    id: CameraId,
    eye: Eye,
    gate: MotionGate,
    moved: ShopTime,
    looked: Option<ShopTime>,
    said: ShopTime,
}

#[derive(PartialEq)]
enum Ended {
    Stopped,
    /// Nobody listens any more: the daemon is going down.
    FloorGone,
}

impl Worker {
    /// Opens the model anew; the first time at start-up, where a wrong model must stop the start.
    pub fn open(options: &VisionOptions) -> Result<Detector, OpenError> {
        let manifest = locate::file(&options.model);
        Detector::open(&manifest, options.onnx_library.as_deref(), options.threads, options.confidence_min)
    }

    /// Until stopped. A panic below (the runtime is foreign code) costs a second of sight and is counted.
    pub fn run(mut self, detector: Detector) {
        let mut sights = self.sights();
        let mut detector = Some(detector);
        loop {
            let ended = catch_unwind(AssertUnwindSafe(|| match detector.as_mut() {
                Some(detector) => self.watch(detector, &mut sights),
                None => Ended::Stopped,
            }));
            if let Ok(ended) = ended {
                let why = if ended == Ended::FloorGone { "nobody listens" } else { "asked to" };
                tracing::info!(why, "perception stopped");
                return;
            }
            self.counters.count("perception.restarted");
            tracing::error!("perception failed; opening the model anew");
            detector = self.reopen();
        }
    }

    fn reopen(&self) -> Option<Detector> {
        while !self.stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_secs(1));
            match Worker::open(&self.options) {
                Ok(detector) => return Some(detector),
                Err(error) => self.counters.refuse("perception.unopened", error),
            }
        }
        None
    }

    fn sights(&self) -> Vec<Sight> {
        // One start of the program = one boot; the anchor never repeats.
        let boot = format!("{:x}", self.clock.anchor().0);
        let sight = |camera: &Camera| Sight {
            id: camera.id.clone(),
            eye: Eye::new(camera.clone(), boot.clone()),
            gate: MotionGate::default(),
            moved: ShopTime(0),
            looked: None,
            said: ShopTime(0),
        };
        self.cameras.iter().map(sight).collect()
    }

    fn watch(&mut self, detector: &mut Detector, sights: &mut [Sight]) -> Ended {
        let mut asked: BTreeSet<CameraId> = BTreeSet::new();
        while !self.stop.load(Ordering::Relaxed) {
            let Some((camera, frame)) = self.mailroom.take(POLL) else { continue };
            while let Ok(look) = self.looks.try_recv() {
                asked.extend(look.cameras);
            }
            let sight = &mut sights[camera];
            let forced = asked.remove(&sight.id);
            let Some(people) = self.consider(&frame, forced, detector, sight) else { continue };
            sight.said = frame.arrival;
            let stamped = Stamped { arrival: self.clock.now(), observation: Observation::People(people) };
            if self.floor.blocking_send(Incoming { stamped, ack: None }).is_err() {
                return Ended::FloorGone;
            }
        }
        Ended::Stopped
    }

    /// What is to be said about a frame, if anything.
    fn consider(&self, frame: &Frame, forced: bool, detector: &mut Detector, sight: &mut Sight) -> Option<People> {
        let now = frame.arrival;
        match picture::cells(frame) {
            Ok(cells) if sight.gate.moved(&cells) => sight.moved = now,
            Ok(_) => {}
            Err(error) => self.counters.refuse("perception.failed", error),
        }
        let since_look = sight.looked.map(|looked| now.since(looked));
        let due = since_look.is_none_or(|us| us > self.options.look_ms_max * MS_US);
        if forced || due || now.since(sight.moved) <= SETTLE_MS * MS_US {
            sight.looked = Some(now);
            self.counters.count(if forced { "perception.looks.forced" } else { "perception.looks" });
            return match detector.look(frame) {
                Ok(boxes) => Some(sight.eye.saw(boxes, detector.manifest().people, frame.taken())),
                Err(error) => {
                    self.counters.refuse("perception.failed", error);
                    None
                }
            };
        }
        self.counters.count("perception.still");
        (now.since(sight.said) >= REPEAT_MS * MS_US).then(|| sight.eye.still_sees(frame.taken()))
    }
}
