//! Status page, JSON API, live stream, metrics: everything the daemon says over HTTP (docs/openapi.json).
//!
//! This room looks and asks; it decides nothing. What is live it reads from the floor's newest [`Snapshot`], what is
//! past from the ledger through [`Books`], and what a person or a gate wants becomes an observation for the floor.
//! `routes` lists every path and who may walk it, `door` keeps the wrong callers out, the other files answer.

mod assets;
mod body;
mod door;
mod evidence;
mod health;
mod metrics;
mod plan;
mod problem;
mod receipts;
mod refunds;
mod reviews;
mod routes;
mod session;
mod stream;
mod taps;
mod tell;
mod visits;

pub use assets::bytes as page_bytes;
pub use health::{Health, health};
pub use problem::Problem;
pub use routes::{Access, route_list, router};
pub use session::Sessions;

use crate::base::time::Clock;
use crate::base::{Cents, ChargeId, Counters, ReceiptId, VisitId};
use crate::carts::{Charge, Receipt};
use crate::events::{Decision, Entry};
use crate::floor::Snapshot;
use crate::ledger::Disk;
use crate::sensors::Incoming;
use crate::sensors::camera::Healths;
use crate::shop::Shop;
use crate::sync::SyncStatus;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, broadcast, mpsc, watch};

/// What the ledger tells this room. Called off the async threads; may block. An `Err` is a sentence for staff.
pub trait Books: Send + Sync {
    /// Receipts as they now stand, newest first, at most [`RECEIPTS_LISTED`]; every filter given must fit. `last4` are
    /// the card's last digits, `date` is `YYYY-MM-DD` in the shop's own time zone, `amount` the receipt's total.
    fn receipts(&self, last4: Option<&str>, date: Option<&str>, amount: Option<Cents>) -> Result<Vec<Receipt>, String>;
    fn receipt(&self, id: ReceiptId) -> Result<Option<Receipt>, String>;
    /// Receipts a human has to decide: being checked or contested, oldest first.
    fn reviews(&self) -> Result<Vec<Receipt>, String>;
    fn charge(&self, id: ChargeId) -> Result<Option<Charge>, String>;
    /// Every entry of a visit in ledger order; empty if there never was such a visit.
    fn visit_entries(&self, visit: VisitId) -> Result<Vec<Entry>, String>;
}

/// What the page is given to look at and to talk to.
#[derive(Clone)]
pub struct WebState {
    pub shop: Arc<Shop>,
    /// The floor sends one at least every second, also when nothing happens: silence means it is stuck.
    pub snapshot: watch::Receiver<Arc<Snapshot>>,
    pub sync: watch::Receiver<SyncStatus>,
    pub floor: mpsc::Sender<Incoming>,
    /// Every decision the floor took, once it is durable.
    pub decisions: broadcast::Sender<Decision>,
    pub counters: Counters,
    pub clock: Clock,
    /// Who is let in.
    pub sessions: Arc<Sessions>,
    /// Why nobody new may come in, also when the floor cannot say so.
    pub closed: watch::Receiver<Option<String>>,
    /// The ledger's.
    pub disk: Arc<Disk>,
    /// Why the shop's files as they now are were not taken, if they were to be read again.
    pub refused: watch::Receiver<Option<String>>,
    /// How the cameras are that we look through ourselves.
    pub eyes: Healths,
    pub books: Arc<dyn Books>,
}

/// Receipts in one answer. More fit the filter: the newest are shown.
pub const RECEIPTS_LISTED: usize = 200;

/// Open live streams. More: refused with 503; every page keeps one.
const STREAMS: usize = 32;

/// The floor's time to answer or to make something durable. Later: the caller is told to ask again.
const FLOOR_BUDGET: Duration = Duration::from_millis(1_500);

/// Open requests get this long after the stop signal.
const DRAIN: Duration = Duration::from_secs(3);

/// [`WebState`] and what this room keeps of its own, shared by all requests.
pub struct Web {
    pub(crate) given: WebState,
    streams: Arc<Semaphore>,
    /// When the last snapshot came, on the machine's clock.
    heard: Mutex<Instant>,
    /// One refund at a time.
    refunds: tokio::sync::Mutex<()>,
    stopping: watch::Receiver<bool>,
}

impl Web {
    pub fn new(given: WebState, stopping: watch::Receiver<bool>) -> Arc<Web> {
        Arc::new(Web {
            given,
            streams: Arc::new(Semaphore::new(STREAMS)),
            heard: Mutex::new(Instant::now()),
            refunds: tokio::sync::Mutex::default(),
            stopping,
        })
    }

    /// Asks the ledger without holding up other requests.
    async fn books<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn Books) -> Result<T, String> + Send + 'static,
    ) -> Result<T, Problem> {
        let books = self.given.books.clone();
        match tokio::task::spawn_blocking(move || ask(&*books)).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(why)) => {
                tracing::error!(%why, "reading the ledger for a request failed");
                Err(Problem::ledger(format!("The ledger could not be read: {why}")))
            }
            Err(_) => Err(Problem::ledger("The ledger could not be read; the log says more.")),
        }
    }

    fn now_snapshot(&self) -> Arc<Snapshot> {
        self.given.snapshot.borrow().clone()
    }
}

/// Serves until `shutdown` turns true (or its sender is gone), then lets open requests finish for three seconds.
pub async fn serve(
    listener: tokio::net::TcpListener,
    state: WebState,
    shutdown: watch::Receiver<bool>,
) -> io::Result<()> {
    use axum::serve::ListenerExt;

    let web = Web::new(state, shutdown.clone());
    let hearing = tokio::spawn(hear(web.clone()));
    // Without it small answers wait up to 40 ms for a delayed acknowledgement.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let stop = shutdown.clone();
    let serving = axum::serve(listener, router(web)).with_graceful_shutdown(stopped(stop));
    let served = tokio::select! {
        served = serving => served,
        () = async { stopped(shutdown).await; tokio::time::sleep(DRAIN).await } => Ok(()),
    };
    hearing.abort();
    served
}

async fn stopped(mut shutdown: watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// Notes when the floor was last heard, so that a stuck floor shows.
async fn hear(web: Arc<Web>) {
    let mut snapshot = web.given.snapshot.clone();
    while snapshot.changed().await.is_ok() {
        *web.heard.lock().expect("heard") = Instant::now();
    }
}
