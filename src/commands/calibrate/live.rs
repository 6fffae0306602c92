//! A camera's pictures, for somebody who measures it: opened a second time, as `watch` does.

use super::Failure;
use crate::base::time::Clock;
use crate::base::{CameraId, Counters, ShopTime};
use crate::sensors::camera::{CameraOptions, Frame, Healths, Mailroom, Watch, watch};
use crate::shop::{Camera, CameraKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

pub struct Live {
    camera: CameraId,
    mailroom: Arc<Mailroom>,
    healths: Healths,
    pub stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Live {
    pub fn open(camera: Camera, options: &CameraOptions) -> Result<Live, Failure> {
        let id = camera.id.clone();
        if camera.kind == CameraKind::People {
            return Err(format!("camera {id} is of kind \"people\" and sends no pictures here").into());
        }
        let counters = Counters::default();
        let mailroom = Arc::new(Mailroom::new(1, options.fps_max, counters.clone()));
        let (healths, stop) = (Healths::default(), Arc::new(AtomicBool::new(false)));
        let thread = watch(Watch {
            camera,
            slot: 0,
            mailroom: mailroom.clone(),
            healths: healths.clone(),
            options: options.clone(),
            clock: Clock::anchored_after(ShopTime(0)),
            counters,
            stop: stop.clone(),
        })?;
        Ok(Live { camera: id, mailroom, healths, stop, thread })
    }

    /// The newest picture, if one comes within `wait`.
    pub fn next(&self, wait: Duration) -> Option<Frame> {
        self.mailroom.take(wait).map(|(_, frame)| frame)
    }

    /// Why there is none.
    pub fn silence(&self) -> Failure {
        let reason = self.healths.get(&self.camera).map(|health| health.reason).filter(|reason| !reason.is_empty());
        format!("camera {} gave no picture: {}", self.camera, reason.as_deref().unwrap_or("none has come yet")).into()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic was reported by its own thread.
            let _ = thread.join();
        }
    }
}
