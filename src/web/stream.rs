//! The live stream: server-sent events, each the whole picture. The newest snapshot wins; a slow page misses some.
//!
//!     event: live
//!     data: {"now_us":…,"health":{…},"sync":{…},"snapshot":{…}}

use super::door::Caller;
use super::health::Health;
use super::{Problem, Web};
use crate::base::ShopTime;
use crate::floor::Snapshot;
use crate::sync::SyncStatus;
use axum::extract::State;
use axum::response::sse::{Event, Sse};
use futures_util::stream::{Stream, unfold};
use serde::Serialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until, timeout};

/// At most five pictures a second: smooth to the eye with a 0.2 s transition.
const AT_MOST_EVERY: Duration = Duration::from_millis(200);

/// At least this often, so that a page can tell a quiet shop from a dead connection, and a stuck floor shows.
const AT_LEAST_EVERY: Duration = Duration::from_secs(1);

#[derive(Serialize)]
struct Live<'a> {
    now_us: ShopTime,
    health: Health,
    sync: SyncStatus,
    snapshot: &'a Snapshot,
}

struct Watching {
    web: Arc<Web>,
    caller: Caller,
    snapshot: watch::Receiver<Arc<Snapshot>>,
    sync: watch::Receiver<SyncStatus>,
    stopping: watch::Receiver<bool>,
    /// The next picture not before this.
    next: Instant,
    _slot: OwnedSemaphorePermit,
}

pub async fn get(
    State(web): State<Arc<Web>>,
    axum::Extension(caller): axum::Extension<Caller>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let slot = web.streams.clone().try_acquire_owned();
    let slot = slot.map_err(|_| Problem::busy("Too many pages are watching; close one."))?;
    let mut watching = Watching {
        caller,
        snapshot: web.given.snapshot.clone(),
        sync: web.given.sync.clone(),
        stopping: web.stopping.clone(),
        next: Instant::now(),
        _slot: slot,
        web,
    };
    // The first picture goes out at once.
    watching.snapshot.mark_changed();
    Ok(Sse::new(unfold(watching, |mut watching| async {
        let event = watching.picture().await?;
        Some((Ok(event), watching))
    })))
}

impl Watching {
    /// The next picture; `None` ends the stream: the daemon stops, or the session is over.
    async fn picture(&mut self) -> Option<Event> {
        tokio::select! {
            _ = self.stopping.wait_for(|stop| *stop) => return None,
            () = sleep_until(self.next) => {}
        }
        let changed = async {
            tokio::select! {
                change = self.snapshot.changed() => change,
                change = self.sync.changed() => change,
            }
        };
        tokio::select! {
            _ = self.stopping.wait_for(|stop| *stop) => return None,
            change = timeout(AT_LEAST_EVERY, changed) => {
                if matches!(change, Ok(Err(_))) {
                    return None;
                }
            }
        }
        if let Caller::Session(key) = &self.caller
            && !self.web.given.sessions.is_open(key)
        {
            return None;
        }
        self.next = Instant::now() + AT_MOST_EVERY;
        let snapshot = self.snapshot.borrow_and_update().clone();
        let sync = self.sync.borrow_and_update().clone();
        let health = self.web.health(&snapshot, &sync);
        let live = Live { now_us: self.web.given.clock.now(), health, sync, snapshot: &snapshot };
        let json = serde_json::to_string(&live).expect("a snapshot is plain data");
        Some(Event::default().event("live").retry(Duration::from_secs(2)).data(json))
    }
}
