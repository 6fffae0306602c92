//! A daemon's web side for tests: the sample shop and the stubs, on a port of the system's choice. Dropping [`Daemon`]
//! stops it.

pub use super::sample::*;
pub use super::stubs::*;

use carryout::base::Counters;
use carryout::base::time::Clock;
use carryout::events::Observation;
use carryout::floor::Snapshot;
use carryout::sync::SyncStatus;
use carryout::web::{WebState, serve};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub struct Daemon {
    pub address: SocketAddr,
    pub books: Arc<MemoryBooks>,
    pub counters: Counters,
    pub clock: Clock,
    pub snapshot: watch::Sender<Arc<Snapshot>>,
    pub sync: watch::Sender<SyncStatus>,
    /// Everything the floor was told.
    pub told: Arc<Mutex<Vec<Observation>>>,
    stop: watch::Sender<bool>,
    serving: Option<JoinHandle<std::io::Result<()>>>,
    floor: JoinHandle<()>,
}

impl Daemon {
    pub async fn start() -> Daemon {
        Daemon::with_floor(FloorDoes::Answers).await
    }

    pub async fn with_floor(does: FloorDoes) -> Daemon {
        let mut wired = Wired::new(Arc::new(sample_shop()));
        let (stop, stopping) = watch::channel(false);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
        let address = listener.local_addr().expect("bound");
        let serving = Some(tokio::spawn(serve(listener, wired.given.clone(), stopping)));
        let floor = tokio::spawn(wired.floor(does));
        let Wired { given: WebState { counters, clock, .. }, books, snapshot, sync, told, .. } = wired;
        Daemon { address, books, counters, clock, snapshot, sync, told, stop, serving, floor }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn last_told(&self) -> Option<Observation> {
        self.told.lock().expect("told").last().cloned()
    }

    /// Stops as the daemon does and says how `serve` ended.
    pub async fn stop(mut self) -> std::io::Result<()> {
        self.stop.send_replace(true);
        self.serving.take().expect("stopped once").await.expect("serve did not panic")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.floor.abort();
    }
}

/// A client that talks to loopback only; no certificate is ever looked at.
pub fn client() -> reqwest::Client {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("an http client")
}
