//! The perception worker: takes the newest frame of each camera in turn, decides whether it is worth a look, looks at what
//! several cameras want looked at in one run of the model if it can, and says who is there.
//!
//! A frame is looked at when something moved, for a moment after it stopped, when the floor asks (a shelf is moving), and
//! now and then anyway. Between looks the last people are said again twice a second, as long as frames come: a camera that
//! is dead says nothing at all. The floor's queue is waited for, so that only the mailroom loses.

use super::appearance::Wardrobe;
use super::background::{Background, Foreground};
use super::detector::Detector;
use super::motion::{self, MotionGate};
use super::place::Eye;
use super::steady::Steady;
use super::{Look, VisionOptions};
use crate::base::time::{Clock, MS_US};
use crate::base::{CameraId, Counters, ShopTime};
use crate::events::{Observation, People, Stamped};
use crate::sensors::Incoming;
use crate::sensors::camera::{Frame, Healths, Mailroom};
use crate::shop::lens::Lens;
use crate::shop::{Camera, CameraKind};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{Receiver, Sender};

/// How long the worker waits for a frame before it looks whether it should stop.
const POLL: Duration = Duration::from_millis(50);

/// The last people are said again when the last word is this old: at 10 frames/s that is at least every 500 ms.
const REPEAT_MS: i64 = 400;

/// Looks go on for this long after the last movement, so that the last word is about people who stand.
const SETTLE_MS: i64 = 500;

/// Pictures in one run of the model, at most: at 416 x 416 they are 2 MB each, and on a GPU eight cost little more than one.
const BATCH: usize = 8;

pub(super) struct Worker {
    /// With the lenses of those whose picture is bent.
    pub cameras: Vec<(Camera, Option<Lens>)>,
    pub wardrobe: Wardrobe,
    pub mailroom: Arc<Mailroom>,
    pub healths: Healths,
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
    background: Background,
    /// A film is never moved; it may be cut.
    steady: Option<Steady>,
    moved: ShopTime,
    looked: Option<ShopTime>,
    said: ShopTime,
}

/// What a frame is worth.
enum Worth {
    Nothing,
    /// The last people once more.
    Word(People),
    Look,
}

/// Frames on their way into the model, no two of one camera.
type Batch = Vec<(usize, Frame)>;

#[derive(PartialEq)]
enum Ended {
    Stopped,
    /// Nobody listens any more: the daemon is going down.
    FloorGone,
}

impl Worker {
    /// Until stopped. A panic below (the runtime is foreign code) costs a second of sight and is counted.
    pub fn run(mut self, detector: Detector) {
        let mut sights = self.sights(detector.sure());
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
            match Detector::of(&self.options) {
                Ok(detector) => return Some(detector),
                Err(error) => self.counters.refuse("perception.unopened", error),
            }
        }
        None
    }

    fn sights(&self, sure: f64) -> Vec<Sight> {
        // One start of the program = one boot; the anchor never repeats.
        let boot = format!("{:x}", self.clock.anchor().0);
        let sight = |(camera, lens): &(Camera, Option<Lens>)| Sight {
            id: camera.id.clone(),
            eye: Eye::new(camera.clone(), *lens, boot.clone(), sure),
            gate: MotionGate::default(),
            background: Background::default(),
            steady: (!matches!(camera.kind, CameraKind::File { .. })).then(Steady::default),
            moved: ShopTime(0),
            looked: None,
            said: ShopTime(0),
        };
        self.cameras.iter().map(sight).collect()
    }

    fn watch(&mut self, detector: &mut Detector, sights: &mut [Sight]) -> Ended {
        let mut asked: BTreeSet<CameraId> = BTreeSet::new();
        while !self.stop.load(Ordering::Relaxed) {
            let Some(first) = self.mailroom.take(POLL) else { continue };
            let told = self.gather(first, &mut asked, detector.batches(), sights);
            let told =
                told.and_then(|batch| if batch.is_empty() { Ok(()) } else { self.look(&batch, detector, sights) });
            if let Err(ended) = told {
                return ended;
            }
        }
        Ended::Stopped
    }

    /// The first frame and, if the model takes several, what else comes within `batch_wait_ms` and wants a look.
    fn gather(
        &mut self,
        first: (usize, Frame),
        asked: &mut BTreeSet<CameraId>,
        batches: bool,
        sights: &mut [Sight],
    ) -> Result<Batch, Ended> {
        let mut batch = Batch::new();
        let most = if batches && self.options.batch_wait_ms > 0 { sights.len().min(BATCH) } else { 1 };
        let until = Instant::now() + Duration::from_millis(self.options.batch_wait_ms);
        let mut next = Some(first);
        while let Some((camera, frame)) = next.take() {
            while let Ok(look) = self.looks.try_recv() {
                asked.extend(look.cameras);
            }
            let sight = &mut sights[camera];
            match self.consider(&frame, asked.remove(&sight.id), sight) {
                Worth::Nothing => {}
                Worth::Word(people) => self.say(people, frame.arrival, sight)?,
                Worth::Look => match batch.iter_mut().find(|(waiting, _)| *waiting == camera) {
                    // The newest picture is the valuable one, here too.
                    Some((_, older)) => {
                        *older = frame;
                        self.counters.count("camera.dropped.newer_came");
                    }
                    None => batch.push((camera, frame)),
                },
            }
            let left = until.saturating_duration_since(Instant::now());
            // Alone there is nothing to wait for; nobody waits longer than they were told.
            if !batch.is_empty() && batch.len() < most && !left.is_zero() {
                next = self.mailroom.take(left);
            }
        }
        Ok(batch)
    }

    /// What is to be done about a frame.
    fn consider(&self, frame: &Frame, forced: bool, sight: &mut Sight) -> Worth {
        let now = frame.arrival;
        let cells = motion::cells(frame.luma(), (frame.width(), frame.height()));
        if let Some(steady) = &mut sight.steady {
            self.healths.moved(&sight.id, steady.look(&cells, now).map(|moved| moved.to_string()));
        }
        if sight.gate.moved(&cells) {
            sight.moved = now;
        }
        let since_look = sight.looked.map(|looked| now.since(looked));
        let due = since_look.is_none_or(|us| us > self.options.look_ms_max * MS_US);
        if forced || due || now.since(sight.moved) <= SETTLE_MS * MS_US {
            sight.looked = Some(now);
            self.counters.count(if forced { "perception.looks.forced" } else { "perception.looks" });
            return Worth::Look;
        }
        self.counters.count("perception.still");
        if now.since(sight.said) < REPEAT_MS * MS_US {
            return Worth::Nothing;
        }
        Worth::Word(sight.eye.still_sees(frame.taken()))
    }

    fn look(&self, batch: &Batch, detector: &mut Detector, sights: &mut [Sight]) -> Result<(), Ended> {
        let before = detector.spent();
        let compare = |(camera, frame): &(usize, Frame)| sights[*camera].background.compare(frame);
        let foregrounds: Vec<Option<Foreground>> = batch.iter().map(compare).collect();
        let pictures: Vec<_> = batch.iter().zip(&foregrounds).map(|((_, frame), fg)| (frame, fg.as_ref())).collect();
        let found = detector.look_at(&pictures);
        self.counters.count("perception.batches");
        self.counters.add("perception.batch_frames", pictures.len() as u64);
        self.counters.add("perception.model_us", (detector.spent() - before).as_micros() as u64);
        for (((camera, frame), foreground), found) in batch.iter().zip(&foregrounds).zip(found) {
            let sight = &mut sights[*camera];
            match found {
                Ok(mut found) => {
                    let all = found.len();
                    if let Some(foreground) = foreground {
                        sight.background.learn(foreground, &mut found);
                    }
                    self.counters.add("perception.things", (all - found.len()) as u64);
                    self.wardrobe.dress(frame, foreground.as_ref(), &mut found);
                    let people = sight.eye.saw(found, detector.manifest().people, frame.taken());
                    self.say(people, frame.arrival, sight)?;
                }
                Err(error) => self.counters.refuse("perception.failed", error),
            }
        }
        Ok(())
    }

    fn say(&self, people: People, seen: ShopTime, sight: &mut Sight) -> Result<(), Ended> {
        sight.said = seen;
        let stamped = Stamped { arrival: self.clock.now(), observation: Observation::People(people) };
        self.floor.blocking_send(Incoming { stamped, ack: None }).map_err(|_| Ended::FloorGone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use tokio::sync::mpsc;

    /// A worker of `cameras` cameras whose pictures all want a look.
    fn worker(cameras: usize, batch_wait_ms: u64) -> Worker {
        let camera = |n: usize| {
            let id = CameraId::new(format!("top-{n}"));
            (Camera { id, kind: CameraKind::People, covers: vec![], projection: None, size: (640, 480) }, None)
        };
        let ((_, looks), (floor, _)) = (mpsc::channel(1), mpsc::channel(1));
        let counters = Counters::default();
        Worker {
            cameras: (0..cameras).map(camera).collect(),
            wardrobe: Wardrobe::open().unwrap(),
            mailroom: Arc::new(Mailroom::new(cameras, 0.0, counters.clone())),
            healths: Healths::default(),
            options: VisionOptions { batch_wait_ms, ..VisionOptions::default() },
            clock: Clock::anchored_after(ShopTime(0)),
            counters,
            looks,
            floor,
            stop: Arc::default(),
        }
    }

    fn frame(ms: i64) -> Frame {
        Frame::from_rgb((128, 96), &[ms as u8; 128 * 96 * 3], ShopTime(1_000_000_000 + ms * 1_000)).unwrap()
    }

    /// Cameras in the batch, and how old its frames are.
    fn gathered(worker: &mut Worker, batches: bool) -> Vec<(usize, i64)> {
        let mut sights = worker.sights(0.4);
        let first = worker.mailroom.take(POLL).unwrap();
        let batch = worker.gather(first, &mut BTreeSet::new(), batches, &mut sights);
        let batch = batch.unwrap_or_else(|_| panic!("nobody stopped us"));
        batch.into_iter().map(|(camera, frame)| (camera, (frame.arrival.0 - 1_000_000_000) / 1_000)).collect()
    }

    #[test]
    fn pictures_that_wait_go_into_the_model_together() {
        for (story, cameras, wait_ms, batches, put, gathered_) in [
            ("three cameras", 3, 60_000, true, vec![(0, 1), (1, 2), (2, 3)], vec![(1, 2), (2, 3), (0, 1)]),
            ("a model that takes one", 3, 60_000, false, vec![(0, 1), (1, 2), (2, 3)], vec![(1, 2)]),
            ("a shop that does not wait", 3, 0, true, vec![(0, 1), (1, 2), (2, 3)], vec![(1, 2)]),
            ("only one camera speaks", 3, 1, true, vec![(2, 1)], vec![(2, 1)]),
            (
                "more cameras than a batch holds",
                10,
                60_000,
                true,
                (0..10).map(|n| (n, 1)).collect(),
                (1..9).map(|n| (n, 1)).collect(),
            ),
        ] {
            let mut worker = worker(cameras, wait_ms);
            put.into_iter().for_each(|(camera, ms)| worker.mailroom.put(camera, frame(ms)));
            assert_eq!(gathered(&mut worker, batches), gathered_, "{story}");
        }
    }

    #[test]
    fn a_newer_picture_of_a_waiting_camera_takes_its_place() {
        let mut worker = worker(2, 60_000);
        let (room, counters) = (worker.mailroom.clone(), worker.counters.clone());
        room.put(0, frame(1));
        let other = thread::spawn(move || {
            // The first is in the batch as soon as it was considered.
            while counters.get("perception.looks") < 1 {
                thread::yield_now();
            }
            room.put(0, frame(50));
            while counters.get("perception.looks") < 2 {
                thread::yield_now();
            }
            room.put(1, frame(60));
        });
        assert_eq!(gathered(&mut worker, true), [(0, 50), (1, 60)]);
        other.join().unwrap();
        assert_eq!(worker.counters.get("camera.dropped.newer_came"), 1);
    }
}
