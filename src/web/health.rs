//! Up or not, and why: the floor's own word, and what the floor cannot know about itself.

use super::Web;
use crate::base::{CameraId, ShopTime};
use crate::floor::{Snapshot, State as ShopState};
use crate::sensors::camera::{Health as CameraHealth, State as CameraState};
use crate::sync::SyncStatus;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A floor silent for longer is stuck; it sends a snapshot at least every second.
const SILENT: Duration = Duration::from_secs(5);

/// `status` of wire.md. Names nobody: it is answered without a token.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Health {
    pub state: ShopState,
    pub since_us: ShopTime,
    /// Sentences for a person: what is broken and what to do.
    pub reasons: Vec<String>,
    pub open_visits: usize,
    pub people: usize,
    pub queue_rows: u64,
    pub queue_oldest_us: Option<ShopTime>,
    /// Until when the offline rule lets people in, if it is in force and known.
    pub offline_until_us: Option<ShopTime>,
    /// Cameras that we look through ourselves.
    pub cameras: BTreeMap<CameraId, CameraHealth>,
}

/// `silent_for`: since the floor's last snapshot.
pub fn health(
    snapshot: &Snapshot,
    sync: &SyncStatus,
    closed: Option<&String>,
    refused: Option<&String>,
    silent_for: Duration,
    now: ShopTime,
) -> Health {
    let mut state = snapshot.state;
    let mut reasons = snapshot.reasons.clone();
    if let Some(why) = refused {
        state = state.max(ShopState::Degraded);
        reasons.push(why.clone());
    }
    if let Some(why) = closed {
        // The floor may be a second behind, or waiting for the disk.
        state = ShopState::Closed;
        reasons.retain(|reason| reason != why);
        reasons.insert(0, why.clone());
    }
    if sync.reachable == Some(false) {
        state = state.max(ShopState::Degraded);
        let waiting = match (sync.queue_rows, sync.queue_oldest_us) {
            (0, _) => "Nothing waits to be sent, and it is tried again by itself".to_owned(),
            (1, Some(oldest)) => {
                format!("1 message has been waiting safely on disk for {}; it is sent by itself", ago(now, oldest))
            }
            (rows, Some(oldest)) => {
                let oldest = ago(now, oldest);
                format!("{rows} messages wait safely on disk, the oldest for {oldest}; they are sent by themselves")
            }
            (rows, None) => format!("{rows} messages wait safely on disk; they are sent by themselves"),
        };
        reasons.push(format!("The payment service does not answer. {waiting}."));
    }
    let spoke = snapshot.t_us != ShopTime::default();
    if closed.is_none() && (!spoke || silent_for > SILENT) {
        state = ShopState::Closed;
        let why = if spoke {
            let s = silent_for.as_secs();
            format!("The floor has not reported for {s} s, so no gate opens. If this stays, restart carryout.")
        } else {
            "Starting: the floor has not reported yet.".to_owned()
        };
        reasons.insert(0, why);
    }
    Health {
        state,
        since_us: snapshot.since_us,
        reasons,
        open_visits: snapshot.visits.len(),
        people: snapshot.bodies.iter().filter(|body| body.seen).count(),
        queue_rows: sync.queue_rows,
        queue_oldest_us: sync.queue_oldest_us,
        offline_until_us: None,
        cameras: BTreeMap::new(),
    }
}

impl Health {
    /// With what the cameras' own threads know: sooner than the floor, which only misses their word, and with the reason.
    fn with_eyes(mut self, cameras: BTreeMap<CameraId, CameraHealth>) -> Health {
        for (id, camera) in &cameras {
            let what = match camera.state {
                CameraState::Alive | CameraState::Opening => continue,
                CameraState::Frozen => "is frozen",
                CameraState::Dark => "is dark",
                CameraState::Moved => "was moved",
                CameraState::Dead => "is dead",
            };
            let begins = format!("Camera {id} ");
            self.reasons.retain(|reason| !reason.starts_with(&begins));
            self.reasons.push(format!("{begins}{what}: {}.", camera.reason.trim_end_matches('.')));
            self.state = self.state.max(ShopState::Degraded);
        }
        Health { cameras, ..self }
    }
}

fn ago(now: ShopTime, then: ShopTime) -> String {
    let s = now.secs_since(then).max(0.0) as u64;
    match s {
        0..90 => format!("{s} s"),
        90..5_400 => format!("{} min", s / 60),
        _ => format!("{} h", s / 3_600),
    }
}

impl Web {
    pub(super) fn health(&self, snapshot: &Snapshot, sync: &SyncStatus) -> Health {
        let silent_for = self.heard.lock().expect("heard").elapsed();
        let closed = self.given.closed.borrow();
        let refused = self.given.refused.borrow();
        let now = self.given.clock.now();
        health(snapshot, sync, closed.as_ref(), refused.as_ref(), silent_for, now).with_eyes(self.given.eyes.all())
    }
}

/// 200, or 503 when nobody can be let in.
pub async fn get(State(web): State<Arc<Web>>) -> Response {
    let sync = web.given.sync.borrow().clone();
    let health = web.health(&web.now_snapshot(), &sync);
    let status = if health.state == ShopState::Closed { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, axum::Json(health)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_said_first_and_a_quiet_floor_is_never_called_up() {
        let now = ShopTime(1_000_000_000);
        let up = Snapshot { t_us: now, ..Snapshot::default() };
        let camera = Snapshot { state: ShopState::Degraded, reasons: vec!["Camera 2 is dark.".into()], ..up.clone() };
        let away = SyncStatus {
            reachable: Some(false),
            queue_rows: 3,
            queue_oldest_us: Some(ShopTime(now.0 - 240_000_000)),
            last_error: None,
        };
        let here = SyncStatus { reachable: Some(true), ..SyncStatus::default() };
        let full = "The disk is full.".to_owned();
        for (story, snapshot, sync, closed, silent_s, state, first) in [
            ("all is well", &up, &here, None, 0, ShopState::Up, None),
            ("nobody asked upstream yet", &up, &SyncStatus::default(), None, 0, ShopState::Up, None),
            ("upstream is away", &up, &away, None, 0, ShopState::Degraded, Some("The payment service does not answer")),
            ("a camera too", &camera, &away, None, 0, ShopState::Degraded, Some("Camera 2 is dark.")),
            ("the disk is full", &camera, &away, Some(&full), 0, ShopState::Closed, Some("The disk is full.")),
            ("and the floor waits for it", &up, &here, Some(&full), 6, ShopState::Closed, Some("The disk is full.")),
            (
                "the floor is stuck",
                &camera,
                &here,
                None,
                6,
                ShopState::Closed,
                Some("The floor has not reported for 6 s"),
            ),
            ("just started", &Snapshot::default(), &here, None, 0, ShopState::Closed, Some("Starting")),
        ] {
            let health = health(snapshot, sync, closed, None, Duration::from_secs(silent_s), now);
            assert_eq!(health.state, state, "{story}");
            let said = health.reasons.first().map(String::as_str);
            assert!(
                said.is_none() == first.is_none() && said.unwrap_or("").starts_with(first.unwrap_or("")),
                "{story}: {said:?}"
            );
        }
        let mut eye = CameraHealth {
            state: CameraState::Dead,
            since_us: now,
            last_frame_us: None,
            frames: 0,
            reason: "it cannot be reached".into(),
            decoder: None,
            moved: None,
        };
        for (state, reasons, said) in [
            (CameraState::Alive, vec!["Camera top has been silent."], vec!["Camera top has been silent."]),
            (CameraState::Dead, vec!["Camera top has been silent."], vec!["Camera top is dead: it cannot be reached."]),
            (CameraState::Moved, vec![], vec!["Camera top was moved: it cannot be reached."]),
            (
                CameraState::Frozen,
                vec!["Camera top-2 is dark."],
                vec!["Camera top-2 is dark.", "Camera top is frozen: it cannot be reached."],
            ),
        ] {
            eye.state = state;
            let reasons = reasons.into_iter().map(str::to_owned).collect();
            let seen = Health { reasons, ..health(&up, &here, None, None, Duration::ZERO, now) }
                .with_eyes([(CameraId::new("top"), eye.clone())].into());
            assert_eq!(seen.reasons, said, "{state:?}");
            assert_eq!(seen.state == ShopState::Up, state == CameraState::Alive, "{state:?}");
        }
        let files = "The changed files were not taken.".to_owned();
        let said = health(&up, &here, None, Some(&files), Duration::ZERO, now);
        assert_eq!((said.state, said.reasons), (ShopState::Degraded, vec![files]));
        let said = health(&up, &away, None, None, Duration::ZERO, now).reasons.remove(0);
        assert!(
            said.contains("3 messages wait safely on disk, the oldest for 4 min; they are sent by themselves."),
            "{said}"
        );
    }
}
