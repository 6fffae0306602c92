//! One camera's thread: open it, pass its frames on, notice when it dies or freezes, open it again. For ever.

use super::fresh::{Fault, Fresh};
use super::{CameraOptions, Decoder, Frame, Healths, Mailroom, State, gst, usb};
use crate::base::time::Clock;
use crate::base::{Counters, ShopTime};
use crate::shop::{Camera, CameraKind};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The first wait before trying again; it doubles up to `retry_ms_max`.
const RETRY_MS_MIN: u64 = 250;

/// How often a waiting thread looks up: the longest it takes to notice a stop or a silent camera.
pub(super) const POLL: Duration = Duration::from_millis(50);

/// How one showing of a camera ended.
#[derive(Debug, PartialEq)]
pub(super) enum Ended {
    Stopped,
    /// The stream is over: a file begins again, a live camera is dead.
    Over,
    Failed(String),
    /// Connected and silent.
    Silent,
}

/// What a device's adapter needs to show frames and to know when to give up.
#[derive(Clone)]
pub(super) struct Show {
    pub clock: Clock,
    pub on_frame: Arc<dyn Fn(Frame) + Send + Sync>,
    pub on_refused: Arc<dyn Fn() + Send + Sync>,
    /// For devices that cannot be given up on while they are silent.
    pub on_silent: Arc<dyn Fn() + Send + Sync>,
    /// Told once a showing, when it is known.
    pub on_decoder: Arc<dyn Fn(&str) + Send + Sync>,
    pub decoder: Decoder,
    pub stop: Arc<AtomicBool>,
    last: Arc<AtomicI64>,
    no_frame: Duration,
    whole: Arc<AtomicU64>,
}

impl Show {
    /// How many whole pictures (not told as changes of others) there have been, this showing and earlier ones.
    pub fn whole(&self) -> u64 {
        self.whole.load(Ordering::Relaxed)
    }

    /// Before the frame that it is true of.
    pub fn set_whole(&self, whole: u64) {
        self.whole.store(whole, Ordering::Relaxed);
    }

    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// No frame for too long (an opened device that never had one included).
    pub fn silent(&self) -> bool {
        let since = self.clock.now().since(ShopTime(self.last.load(Ordering::Relaxed)));
        since > self.no_frame.as_micros() as i64
    }
}

/// Everything a camera thread is given.
pub struct Watch {
    pub camera: Camera,
    /// Its slot in the mailroom.
    pub slot: usize,
    pub mailroom: Arc<Mailroom>,
    pub healths: Healths,
    pub options: CameraOptions,
    pub clock: Clock,
    pub counters: Counters,
    pub stop: Arc<AtomicBool>,
}

/// Starts a camera's thread. It ends soon after `stop` is set, and never otherwise. A `people` camera has no pictures
/// and no thread.
pub fn watch(watch: Watch) -> std::io::Result<Option<JoinHandle<()>>> {
    if watch.camera.kind == CameraKind::People {
        return Ok(None);
    }
    let name = format!("camera {}", watch.camera.id);
    thread::Builder::new().name(name).spawn(move || run(watch)).map(Some)
}

fn run(watch: Watch) {
    let Watch { camera, slot, mailroom, healths, options, clock, counters, stop } = watch;
    let id = &camera.id;
    healths.set(id, clock.now(), State::Opening, "");
    let last = Arc::new(AtomicI64::new(0));
    let (shown, whole) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let show = Show {
        clock,
        on_frame: {
            let (id, healths, last, shown, whole) =
                (id.clone(), healths.clone(), last.clone(), shown.clone(), whole.clone());
            let fresh = Mutex::new(Fresh::new(options.same_frame_ms));
            // A film begins again and shows what it has shown.
            let is_film = matches!(camera.kind, CameraKind::File { .. });
            // On the decoder's own thread.
            Arc::new(move |frame: Frame| {
                let fault = fresh.lock().expect("fresh").look(&frame, whole.load(Ordering::Relaxed));
                let fault = fault.filter(|fault| !(is_film && *fault == Fault::NothingNew));
                last.store(frame.arrival.0, Ordering::Relaxed);
                shown.fetch_add(1, Ordering::Relaxed);
                healths.frame(&id, frame.arrival, fault);
                mailroom.put(slot, frame);
            })
        },
        on_refused: {
            let (counters, id) = (counters.clone(), id.clone());
            Arc::new(move || counters.refuse("camera.dropped.format", format!("{id}: a picture of an unknown layout")))
        },
        on_silent: {
            let (healths, id, reason) =
                (healths.clone(), id.clone(), format!("no picture for {} ms", options.no_frame_ms));
            Arc::new(move || healths.set(&id, clock.now(), State::Frozen, &reason))
        },
        on_decoder: {
            let (healths, id) = (healths.clone(), id.clone());
            Arc::new(move |decoder: &str| healths.decoder(&id, decoder))
        },
        decoder: options.decoder,
        stop,
        last: last.clone(),
        no_frame: Duration::from_millis(options.no_frame_ms),
        whole,
    };
    let mut wait_ms = RETRY_MS_MIN;
    while !show.stopped() {
        last.store(clock.now().0, Ordering::Relaxed);
        let before = shown.load(Ordering::Relaxed);
        let ended = match &camera.kind {
            CameraKind::Rtsp { url } => gst::play_rtsp(url, &show),
            CameraKind::File { path } => gst::play_file(path, &show),
            CameraKind::Usb { device } => usb::play(device, &show),
            CameraKind::People => return,
        };
        let had_frames = shown.load(Ordering::Relaxed) > before;
        let (state, reason) = match ended {
            Ended::Stopped => break,
            Ended::Over if had_frames && matches!(camera.kind, CameraKind::File { .. }) => continue,
            Ended::Over => (State::Dead, "the camera closed the stream".to_owned()),
            Ended::Failed(reason) => (State::Dead, reason),
            Ended::Silent if had_frames => (State::Frozen, format!("no picture for {} ms", options.no_frame_ms)),
            Ended::Silent => (State::Dead, format!("no picture within {} ms of opening it", options.no_frame_ms)),
        };
        counters.count(if state == State::Frozen { "camera.reopened.frozen" } else { "camera.reopened.dead" });
        healths.set(id, clock.now(), state, &reason);
        if had_frames {
            wait_ms = RETRY_MS_MIN;
        }
        rest(Duration::from_millis(wait_ms), &show);
        wait_ms = (wait_ms * 2).min(options.retry_ms_max.max(RETRY_MS_MIN));
    }
    tracing::info!(camera = %id, "camera stopped");
}

fn rest(wait: Duration, show: &Show) {
    let until = Instant::now() + wait;
    while !show.stopped() {
        match until.checked_duration_since(Instant::now()) {
            Some(left) => thread::sleep(left.min(POLL)),
            None => return,
        }
    }
}
