//! How each camera is: what the page shows and the log says when it changes.

use super::fresh::Fault;
use crate::base::{CameraId, ShopTime};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Being opened for the first time.
    Opening,
    Alive,
    /// Connected, but no picture, or no new one.
    Frozen,
    /// Its pictures are black.
    Dark,
    /// Its pictures are good, but of another place than when it was opened: what its pixels mean is wrong.
    Moved,
    /// Not reachable, or it closed the stream; it is tried again for ever.
    Dead,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Health {
    pub state: State,
    /// Since when it has been in this state.
    pub since_us: ShopTime,
    pub last_frame_us: Option<ShopTime>,
    pub frames: u64,
    /// Why it is not alive, for a person; empty when it is. Holds no address: addresses hold passwords.
    pub reason: String,
    /// What decodes its stream (`avdec_h264`), once that is known.
    pub decoder: Option<String>,
    /// Why it counts as moved as soon as nothing worse is the matter.
    #[serde(skip)]
    pub moved: Option<String>,
}

/// Shared by the camera threads, who write, and the page, which reads.
#[derive(Clone, Debug, Default)]
pub struct Healths(Arc<Mutex<BTreeMap<CameraId, Health>>>);

impl Healths {
    pub fn all(&self) -> BTreeMap<CameraId, Health> {
        self.0.lock().expect("healths").clone()
    }

    pub fn get(&self, camera: &CameraId) -> Option<Health> {
        self.0.lock().expect("healths").get(camera).cloned()
    }

    /// A frame came; `fault` is what is wrong with the pictures, though they come.
    pub fn frame(&self, camera: &CameraId, now: ShopTime, fault: Option<Fault>) {
        self.change(camera, now, |health| {
            health.frames += 1;
            health.last_frame_us = Some(now);
            let (state, reason) = match (fault, &health.moved) {
                (None, None) => (State::Alive, ""),
                (None, Some(reason)) => (State::Moved, reason.as_str()),
                (Some(Fault::NothingNew), _) => {
                    (State::Frozen, "it sends the same pictures again and again; restart it")
                }
                (Some(Fault::Dark), _) => {
                    (State::Dark, "its pictures are black: look at the light, its lens, its night mode")
                }
            };
            (state, reason.to_owned())
        });
    }

    /// Perception says whether the camera looks elsewhere than it did, and why it thinks so; its next frame shows it.
    pub fn moved(&self, camera: &CameraId, why: Option<String>) {
        if let Some(health) = self.0.lock().expect("healths").get_mut(camera) {
            health.moved = why;
        }
    }

    /// What decodes its stream from now on.
    pub fn decoder(&self, camera: &CameraId, name: &str) {
        let mut healths = self.0.lock().expect("healths");
        if let Some(health) = healths.get_mut(camera)
            && health.decoder.as_deref() != Some(name)
        {
            tracing::info!(%camera, decoder = name, "camera decoded");
            health.decoder = Some(name.to_owned());
        }
    }

    pub fn set(&self, camera: &CameraId, now: ShopTime, state: State, reason: &str) {
        self.change(camera, now, |_| (state, reason.to_owned()));
    }

    fn change(&self, camera: &CameraId, now: ShopTime, change: impl FnOnce(&mut Health) -> (State, String)) {
        let mut healths = self.0.lock().expect("healths");
        let health = healths.entry(camera.clone()).or_insert_with(|| Health {
            state: State::Opening,
            since_us: now,
            last_frame_us: None,
            frames: 0,
            reason: String::new(),
            decoder: None,
            moved: None,
        });
        let (state, reason) = change(health);
        if state != health.state {
            match state {
                State::Alive => tracing::info!(%camera, "camera alive"),
                State::Opening => tracing::info!(%camera, "camera opening"),
                State::Frozen => tracing::warn!(%camera, reason, "camera frozen"),
                State::Dark => tracing::warn!(%camera, reason, "camera dark"),
                State::Moved => tracing::warn!(%camera, reason, "camera moved"),
                State::Dead => tracing::warn!(%camera, reason, "camera dead"),
            }
            (health.state, health.since_us) = (state, now);
        }
        health.reason = reason;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_keeps_the_time_it_began() {
        let healths = Healths::default();
        let camera = CameraId::new("top-1");
        let at = |s: i64| ShopTime(s * 1_000_000);
        healths.set(&camera, at(0), State::Opening, "");
        for (story, second, act, state, since) in [
            ("first frame", 1, Some(None), State::Alive, 1),
            ("another frame", 2, Some(None), State::Alive, 1),
            ("the same picture for too long", 40, Some(Some(Fault::NothingNew)), State::Frozen, 40),
            ("it moves again", 41, Some(None), State::Alive, 41),
            ("the light goes out", 45, Some(Some(Fault::Dark)), State::Dark, 45),
            ("the server goes", 50, None, State::Dead, 50),
            ("still gone", 52, None, State::Dead, 50),
        ] {
            match act {
                Some(fault) => healths.frame(&camera, at(second), fault),
                None => healths.set(&camera, at(second), State::Dead, "closed"),
            }
            let health = healths.get(&camera).unwrap();
            assert_eq!((health.state, health.since_us), (state, at(since)), "{story}");
        }
        let health = healths.get(&camera).unwrap();
        assert_eq!((health.frames, health.last_frame_us, health.reason.as_str()), (5, Some(at(45)), "closed"));
        assert_eq!(health.decoder, None);
        healths.moved(&camera, Some("it looks elsewhere".into()));
        healths.frame(&camera, at(60), Some(Fault::Dark));
        assert_eq!(healths.get(&camera).unwrap().state, State::Dark, "the worse comes first");
        healths.frame(&camera, at(61), None);
        let health = healths.get(&camera).unwrap();
        assert_eq!((health.state, health.reason.as_str()), (State::Moved, "it looks elsewhere"));
        healths.moved(&camera, None);
        healths.frame(&camera, at(62), None);
        assert_eq!(healths.get(&camera).unwrap().state, State::Alive);
        healths.decoder(&camera, "avdec_h264");
        assert_eq!(healths.get(&camera).unwrap().decoder.as_deref(), Some("avdec_h264"));
    }
}
