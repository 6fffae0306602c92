//! One camera opened once more, beside the daemon, for somebody who looks on or measures: `carryout watch` and
//! `carryout calibrate`.

use super::{CameraOptions, Frame, Healths, Mailroom, Watch, watch};
use crate::base::time::Clock;
use crate::base::{Counters, ShopTime};
use crate::shop::Camera;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Gone when it goes out of sight.
pub struct Peek {
    pub camera: Camera,
    pub healths: Healths,
    pub counters: Counters,
    /// Set, it closes the camera.
    pub stop: Arc<AtomicBool>,
    mailroom: Arc<Mailroom>,
    thread: Option<JoinHandle<()>>,
}

impl Peek {
    /// Its times count from here. Of a `people` camera nothing will ever come.
    pub fn open(camera: Camera, options: &CameraOptions) -> std::io::Result<Peek> {
        let counters = Counters::default();
        let mailroom = Arc::new(Mailroom::new(1, options.fps_max, counters.clone()));
        let (healths, stop) = (Healths::default(), Arc::new(AtomicBool::new(false)));
        let thread = watch(Watch {
            camera: camera.clone(),
            slot: 0,
            mailroom: mailroom.clone(),
            healths: healths.clone(),
            options: options.clone(),
            clock: Clock::anchored_after(ShopTime(0)),
            counters: counters.clone(),
            stop: stop.clone(),
        })?;
        Ok(Peek { camera, healths, counters, stop, mailroom, thread })
    }

    /// The newest picture, if one comes within `wait`.
    pub fn next(&self, wait: Duration) -> Option<Frame> {
        self.mailroom.take(wait).map(|(_, frame)| frame)
    }

    /// Why there is none, as a sentence.
    pub fn silence(&self) -> String {
        let id = &self.camera.id;
        let reason = self.healths.get(id).map(|health| health.reason).filter(|reason| !reason.is_empty());
        format!("camera {id} gave no picture: {}", reason.as_deref().unwrap_or("none has come yet"))
    }
}

impl Drop for Peek {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic was reported by its own thread.
            let _ = thread.join();
        }
    }
}
