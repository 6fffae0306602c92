//! The reference upstream: what wire.md's upstream table means, as a server that can also misbehave.
//!
//! It keeps its promises strictly and gives nothing that was not promised: the same key and body get the same answer;
//! the same key with another body gets 409; a charge posted again after its key was forgotten is captured *again*. Its
//! records count how often money was taken, so a test or the demo can say whether a shop charges everybody exactly once.
//! Told so, it is slow, fails before or after the effect, hangs after it, forgets its keys, or goes away.
//!
//! `book.rs` is what it knows (and can keep in a file), `calls.rs` what it answers, `faults.rs` how it misbehaves.
//! Faults come through this handle or, from another process, over the admin address:
//!
//!     GET  /records                        everything it holds
//!     GET  /faults     POST /faults        {"only":"POST /v1/charges","delay_ms":20,"fail_after":1,...}
//!     POST /away       {"away":true}       connections are refused until {"away":false}
//!     POST /forget-keys                    idempotency keys are gone, charges are not

mod book;
mod calls;
mod faults;

pub use book::{AuthorizationRecord, ChargeRecord, Records, RefundRecord};
pub use faults::Faults;

use book::Book;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::watch;

#[derive(Clone, Debug)]
pub struct UpstreamOptions {
    /// Where shops call. Loopback, port 0: the system chooses.
    pub bind: SocketAddr,
    /// Where faults are asked for.
    pub admin: SocketAddr,
    /// What shops must show as bearer token; `None`: nothing.
    pub token: Option<String>,
    /// What it knows survives in here, one JSON object a line, flushed before it answers.
    pub file: Option<PathBuf>,
    /// How long an authorisation holds.
    pub hold: Duration,
}

impl Default for UpstreamOptions {
    fn default() -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        UpstreamOptions { bind: any, admin: any, token: None, file: None, hold: Duration::from_secs(3600) }
    }
}

/// A running upstream. Dropped, it stops.
pub struct Upstream {
    pub addr: SocketAddr,
    pub admin_addr: SocketAddr,
    shared: Arc<Shared>,
    admin: Option<Runtime>,
}

struct Shared {
    addr: SocketAddr,
    token: Option<String>,
    hold: Duration,
    book: Mutex<Book>,
    faults: Mutex<Faults>,
    /// The threads that answer shops; none while it is away.
    serving: Mutex<Option<Runtime>>,
    /// Counts up with everything that happens.
    happened: watch::Sender<u64>,
}

impl Upstream {
    pub fn start(options: UpstreamOptions) -> std::io::Result<Upstream> {
        let shops = TcpListener::bind(options.bind)?;
        let admin = TcpListener::bind(options.admin)?;
        let (addr, admin_addr) = (shops.local_addr()?, admin.local_addr()?);
        let shared = Arc::new(Shared {
            addr,
            token: options.token,
            hold: options.hold,
            book: Mutex::new(Book::open(options.file.as_deref())?),
            faults: Mutex::default(),
            serving: Mutex::new(None),
            happened: watch::Sender::new(0),
        });
        *lock(&shared.serving) = Some(serve(shops, calls::routes(shared.clone()))?);
        let admin = serve(admin, faults::routes(shared.clone()))?;
        Ok(Upstream { addr, admin_addr, shared, admin: Some(admin) })
    }

    /// What `upstream.url` should say.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub fn faults(&self) -> Faults {
        lock(&self.shared.faults).clone()
    }

    pub fn set_faults(&self, faults: Faults) {
        *lock(&self.shared.faults) = faults;
    }

    /// Idempotency keys are gone; charges by id are not.
    pub fn forget_keys(&self) -> std::io::Result<()> {
        self.shared.forget_keys()
    }

    /// From when it returns, connections are closed and refused.
    pub fn go_away(&self) {
        self.shared.go_away();
    }

    /// From when it returns, it answers again, at the same address.
    pub fn come_back(&self) -> std::io::Result<()> {
        self.shared.come_back()
    }

    /// `GET /v1/catalogue`: these items are the newest.
    pub fn add_to_catalogue(&self, items: Vec<serde_json::Value>) {
        lock(&self.shared.book).add_to_catalogue(items);
    }

    pub fn records(&self) -> Records {
        lock(&self.shared.book).records()
    }

    /// Changes with everything that happens here.
    pub fn happenings(&self) -> watch::Receiver<u64> {
        self.shared.happened.subscribe()
    }

    /// Waits until the records are as wanted; `Err` holds them as they were when patience ended.
    pub async fn until(&self, patience: Duration, wanted: impl Fn(&Records) -> bool) -> Result<Records, Box<Records>> {
        let mut happened = self.shared.happened.subscribe();
        let over = tokio::time::sleep(patience);
        tokio::pin!(over);
        loop {
            happened.mark_unchanged();
            let records = self.records();
            if wanted(&records) {
                return Ok(records);
            }
            tokio::select! {
                _ = happened.changed() => {}
                () = &mut over => return Err(Box::new(self.records())),
            }
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.go_away();
        stop(self.admin.take());
    }
}

impl Shared {
    fn forget_keys(&self) -> std::io::Result<()> {
        lock(&self.book).forget_keys()
    }

    fn go_away(&self) {
        stop(lock(&self.serving).take());
    }

    fn come_back(self: &Arc<Self>) -> std::io::Result<()> {
        let mut serving = lock(&self.serving);
        if serving.is_none() {
            // The port was ours a moment ago; the kernel may need another to give it back.
            let began = Instant::now();
            let listener = loop {
                match TcpListener::bind(self.addr) {
                    Ok(listener) => break listener,
                    Err(e) if began.elapsed() > Duration::from_secs(5) => return Err(e),
                    Err(_) => std::thread::yield_now(),
                }
            };
            *serving = Some(serve(listener, calls::routes(self.clone()))?);
        }
        Ok(())
    }

    fn something_happened(&self) {
        self.happened.send_modify(|n| *n += 1);
    }
}

/// A server on threads of its own, so that stopping them drops its listener and every connection at once.
fn serve(listener: TcpListener, routes: axum::Router) -> std::io::Result<Runtime> {
    listener.set_nonblocking(true)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("upstream").enable_all().build()?;
    let listener = {
        let _inside = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    runtime.spawn(async move { axum::serve(listener, routes).await });
    Ok(runtime)
}

/// Returns when it has stopped. A runtime may not be stopped from within another, hence the thread.
fn stop(runtime: Option<Runtime>) {
    if let Some(runtime) = runtime {
        let stopper = std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(5)));
        let _ = stopper.join();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics with the upstream's books open")
}
