//! `carryout run`: the daemon. Wires the rooms together and stops them in order.
//!
//!     MQTT, cameras, HTTP, answers --Incoming--> [floor] --Batch--> [ledger] --effects--> MQTT, HTTP, upstream
//!
//! Threads: `floor`, `ledger`, `model`, one a camera, `perception`; everything that waits for the network is a task. The
//! floor or the ledger failing ends the process, and the service manager starts the ordinary recovery.

mod books;
mod closing;
mod floor_thread;
mod model;
mod recording;
pub mod taster;

use crate::base::limits::{FLOOR_QUEUE, LEDGER_QUEUE, MODEL_QUEUE, PUBLISH_QUEUE, TICK};
use crate::base::time::Clock;
use crate::base::{Counters, SecretFile, ShopTime};
use crate::commands::replay::Beginning;
use crate::config::{CONFIG_FILE, Config};
use crate::events::{Decision, Effect, Observation, Stamped};
use crate::floor::{DeviceClocks, Floor, FloorOptions, Snapshot};
use crate::ledger::{self, BALLAST_BYTES, Batch, Disk};
use crate::perception::{self, Look};
use crate::sensors::publish::Publish;
use crate::sensors::{Incoming, mqtt};
use crate::shop::{Problem, Shop};
use crate::supervise::{self, keep};
use crate::sync::{self, Client, SyncStatus, SyncTask};
use crate::web::{self, WebState};
use floor_thread::FloorThread;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use taster::Taster;
use tokio::sync::{Notify, broadcast, mpsc, watch};

/// Run the shop.
#[derive(Clone, Debug, clap::Args)]
pub struct RunArgs {
    #[arg(long, value_name = "FILE", default_value = CONFIG_FILE)]
    pub config: PathBuf,
    /// Whose clocks count: learned or sender (for playback faster than real time); overrides the config's [clock].
    #[arg(long, value_name = "WHOSE")]
    pub clock: Option<DeviceClocks>,
    /// Write every observation and what it caused into DIR, for `carryout replay`. Holds personal data.
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,
}

type Failure = Box<dyn Error + Send + Sync>;

/// The status topic is refreshed at least this often.
const STATUS_EVERY: Duration = Duration::from_secs(5);

pub fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let Some((mut config, shop)) = read(&args.config) else { return Ok(ExitCode::FAILURE) };
    config.clock.devices = args.clock.unwrap_or(config.clock.devices);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(open(config, Arc::new(shop), args.record.as_deref()))?;
    // Tasks that still wait for somebody's answer have had their time.
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(ExitCode::SUCCESS)
}

/// Config and shop; `None` (and every problem printed) when a shop cannot open with them.
fn read(file: &Path) -> Option<(Config, Shop)> {
    let tell = |problems: &[Problem]| problems.iter().for_each(|problem| eprintln!("{problem}"));
    let config = Config::read(file).inspect_err(|problems| tell(problems)).ok()?;
    let (shop, warnings) = Shop::read(&config.shop.directory).inspect_err(|problems| tell(problems)).ok()?;
    for warning in warnings {
        tracing::warn!(%warning, "shop files");
    }
    Some((config, shop))
}

async fn open(config: Config, shop: Arc<Shop>, record: Option<&Path>) -> Result<(), Failure> {
    let counters = Counters::default();
    let ledger_file = ledger::file_in(&config.state.directory);
    let disk = Arc::new(Disk::of(&config.state.directory, BALLAST_BYTES));
    let ledger = closing::open_ledger(&ledger_file, &disk).await?;
    // Without it the shop opens closed: `closing` says why.
    if let Err(error) = disk.hold() {
        tracing::warn!(%error, "no ballast");
    }
    let taster = Taster::open(&config.state.directory)
        .map_err(|error| format!("{}/tasting or quarantine: {error}", config.state.directory.display()))?;
    let clock = Clock::anchored_after(ledger.last_time().unwrap_or_default());
    let entries: Vec<_> =
        ledger.entries_for_recovery().map(|row| row.map(|(_, entry)| entry)).collect::<Result<_, _>>()?;
    let beginning = Beginning {
        policy: config.policy.clone(),
        steps: config.steps.clone(),
        device_clocks: config.clock.devices,
        last_seq: ledger.last_seq(),
        next_receipt: ledger.next_receipt_number()?,
    };
    let books = Floor::recover(shop.clone(), entries.iter().cloned(), beginning.last_seq, beginning.next_receipt);
    tracing::info!(shop = %shop.id, entries = ledger.last_seq(), open_visits = books.open_visits().count(), "ledger read");

    let (to_floor, from_all) = mpsc::channel::<Incoming>(FLOOR_QUEUE);
    let (to_ledger, batches) = mpsc::channel::<Batch>(LEDGER_QUEUE);
    let (to_broker, publish) = mpsc::channel::<Publish>(PUBLISH_QUEUE);
    let (to_model, weigh_requests) = std::sync::mpsc::sync_channel(MODEL_QUEUE);
    let (to_eyes, looks) = mpsc::channel::<Look>(64);
    let (decisions, _) = broadcast::channel::<Decision>(256);
    let (snapshot_tx, snapshot) = watch::channel(Arc::new(Snapshot::default()));
    let (sync_tx, sync_status) = watch::channel(SyncStatus::default());
    let (stop, stopping) = watch::channel(false);
    let (durable, ticks) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (wake_sync, floor_stop) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));

    // Everything that can refuse to start does so before the first thread.
    sync::install_tls_provider();
    let client = Client::new(&config.upstream, shop.id.clone(), &shop.currency)?;
    let listener = tokio::net::TcpListener::bind(config.web.listen)
        .await
        .map_err(|error| format!("[web] listen {}: {error}; is another carryout running?", config.web.listen))?;
    let token = read_token(config.web.token_file.as_ref())?;
    let recording = record.map(|dir| {
        recording::start(dir, &config.shop.directory, &beginning, &entries)
            .map_err(|error| format!("--record {}: {error}", dir.display()))
    });
    let recording = recording.transpose()?;
    drop(entries);

    let say = Outlet { shop: shop.clone(), to_broker: to_broker.clone(), counters: counters.clone() };
    let after = {
        let (say, decisions, client) = (say.clone(), decisions.clone(), client.clone());
        let (runtime, floor) = (tokio::runtime::Handle::current(), to_floor.clone());
        move |effect: Effect| match effect {
            Effect::Authorise { tap_id, credential, amount } => match &client {
                Some(client) => client.authorise_for(&runtime, floor.clone(), clock, tap_id, credential, amount),
                None => {
                    let answer = crate::events::Authorised { tap_id, answer: crate::events::Answer::Unreachable };
                    let stamped = Stamped { arrival: clock.now(), observation: Observation::Authorised(answer) };
                    let floor = floor.clone();
                    runtime.spawn(async move { drop(floor.send(Incoming { stamped, ack: None }).await) });
                }
            },
            effect => {
                if let Effect::Decide { decision, .. } = &effect {
                    // Nobody on HTTP may be waiting: that is no error.
                    let _ = decisions.send(decision.clone());
                }
                say.publish(&effect);
            }
        }
    };
    let writer = ledger::spawn_writer(ledger, batches, after, durable.clone(), wake_sync.clone(), disk.clone());

    let floor_thread = FloorThread {
        floor: Floor::new(
            shop.clone(),
            FloorOptions { policy: beginning.policy, steps: beginning.steps, device_clocks: beginning.device_clocks },
            books,
            counters.clone(),
        ),
        incoming: from_all,
        batches: to_ledger.clone(),
        durable,
        snapshot: snapshot_tx,
        stop: floor_stop.clone(),
        ticks: ticks.clone(),
        recording,
        taster,
        disk: disk.clone(),
        counters: counters.clone(),
    };
    let now = {
        let (say, counters) = (say.clone(), counters.clone());
        move |effect: Effect| match effect {
            Effect::Weigh(request) => {
                if to_model.try_send(request).is_err() {
                    counters.count("model.queue_full"); // the floor's rule answers when its time is up
                }
            }
            Effect::Look { cameras } => drop(to_eyes.try_send(Look { cameras })),
            effect => say.publish(&effect),
        }
    };
    let started = Stamped { arrival: clock.now(), observation: Observation::Started { anchor_us: clock.anchor().0 } };
    let floor = std::thread::Builder::new().name("floor".into()).spawn(move || floor_thread.run(started, now))?;
    let model = {
        let (floor, shop, counters) = (to_floor.clone(), shop.clone(), counters.clone());
        std::thread::Builder::new()
            .name("model".into())
            .spawn(move || model::run(weigh_requests, floor, shop, clock, counters))?
    };
    let eyes_stop = Arc::new(AtomicBool::new(false));
    let eyes =
        perception::spawn(&shop, &config.vision, clock, counters.clone(), looks, to_floor.clone(), eyes_stop.clone())?;

    // Ahead of the first tick: `up` is said when taps are heard.
    let _ = to_floor.try_send(mqtt::not_yet(clock.now()));
    // None of these may end before the shop does: the page and the service manager would not notice.
    let (failed, mut failing) = watch::channel(None);
    let until = stopping.clone();
    let ticking =
        keep("the floor's ticks", tick(to_floor.clone(), clock, stopping.clone()), until.clone(), failed.clone());
    let mqtt = mqtt::run(
        config.mqtt.clone(),
        shop.clone(),
        to_floor.clone(),
        publish,
        clock,
        counters.clone(),
        stopping.clone(),
    );
    let talking = keep("MQTT", mqtt, until.clone(), failed.clone());
    let sync_task = SyncTask {
        options: config.upstream.clone(),
        client,
        ledger: ledger_file.clone(),
        writer: to_ledger.clone(),
        floor: to_floor.clone(),
        wake: wake_sync,
        clock,
        counters: counters.clone(),
        status: sync_tx,
        shutdown: stopping.clone(),
    };
    let syncing = keep("sync", sync_task.run(), until.clone(), failed.clone());
    let (closed, why_closed) = watch::channel(None);
    let guarded = ledger_file.clone();
    let page = WebState {
        shop: shop.clone(),
        snapshot: snapshot.clone(),
        sync: sync_status.clone(),
        floor: to_floor.clone(),
        decisions,
        counters: counters.clone(),
        clock,
        token,
        closed: why_closed,
        disk: disk.clone(),
        books: Arc::new(books::LedgerBooks { ledger: ledger_file, timezone: shop.timezone.clone() }),
    };
    let address = listener.local_addr()?;
    let serving = keep("the page", web::serve(listener, page, stopping.clone()), until.clone(), failed.clone());
    let telling = tell_status(snapshot, sync_status, to_broker.clone(), stopping.clone());
    let telling = keep("the status topic", telling, until.clone(), failed.clone());
    let guarding = closing::keep_watch(disk.clone(), guarded, to_floor.clone(), clock, closed, stopping.clone());
    let guarding = keep("the watch over the disk", guarding, until.clone(), failed.clone());
    let watching = supervise::watch_progress(ticks, to_ledger.clone(), disk, stopping);
    let watching = keep("the watchdog", watching, until, failed);

    // Whether it is up is for the page to say: a broker that is gone must not hold up a start.
    tracing::info!(page = %format!("http://{address}/"), "started");
    supervise::ready(&format!("started; page on http://{address}/"));

    // Until told to stop, or until a part that must not fail has failed.
    let ended = {
        let closed = to_ledger.clone();
        tokio::select! {
            signal = supervise::told_to_stop() => { tracing::info!(signal = signal?, "stopping"); None }
            () = closed.closed() => Some("the ledger's writer ended".to_owned()),
            () = to_floor.closed() => Some("the floor's thread ended".to_owned()),
            died = failing.wait_for(Option::is_some) => died.map_or(None, |name| *name).map(|name| format!("{name} died")),
        }
    };
    supervise::stopping();
    // In order: who brings something, then the floor, then the ledger: what the floor has taken becomes durable.
    eyes_stop.store(true, Ordering::Release);
    stop.send_replace(true);
    for task in [ticking, telling, guarding, watching] {
        let _ = task.await;
    }
    let _ = talking.await;
    let _ = serving.await;
    match syncing.await {
        Ok(Err(error)) => tracing::error!(%error, "sync ended"),
        Err(error) => tracing::error!(%error, "sync died"),
        Ok(Ok(())) => {}
    }
    let stopped = tokio::task::spawn_blocking(move || {
        eyes.join();
        floor_stop.store(true, Ordering::Release);
        let last = Stamped { arrival: clock.now(), observation: Observation::Tick };
        let _ = to_floor.blocking_send(Incoming { stamped: last, ack: None });
        drop((to_floor, to_ledger, to_broker, say));
        let floor = floor.join();
        let _ = model.join();
        (floor.is_err(), writer.join())
    })
    .await?;
    match (ended, stopped) {
        (None, (false, Ok(Ok(())))) => {
            taster::ended_well(&config.state.directory);
            tracing::info!("stopped");
            Ok(())
        }
        (_, (_, Ok(Err(error)))) => Err(error.into()),
        (ended, _) => Err(ended.unwrap_or_else(|| "a part of the shop died while stopping".to_owned()).into()),
    }
}

/// What the daemon says on MQTT. Never blocks: a broker that is gone must not stop the ledger.
#[derive(Clone)]
struct Outlet {
    shop: Arc<Shop>,
    to_broker: mpsc::Sender<Publish>,
    counters: Counters,
}

impl Outlet {
    fn publish(&self, effect: &Effect) {
        if let Some(message) = Publish::of(effect, &self.shop.id)
            && self.to_broker.try_send(message).is_err()
        {
            self.counters.count("publish.dropped");
        }
    }
}

async fn tick(floor: mpsc::Sender<Incoming>, clock: Clock, mut stopping: watch::Receiver<bool>) {
    let mut every = tokio::time::interval(TICK);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        let stamped = Stamped { arrival: clock.now(), observation: Observation::Tick };
        if floor.send(Incoming { stamped, ack: None }).await.is_err() {
            return;
        }
    }
}

/// Keeps the retained status topic true: at every change of state, and every few seconds.
async fn tell_status(
    mut snapshot: watch::Receiver<Arc<Snapshot>>,
    sync: watch::Receiver<SyncStatus>,
    to_broker: mpsc::Sender<Publish>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut told: Option<(Publish, ShopTime)> = None;
    loop {
        tokio::select! {
            changed = snapshot.changed() => if changed.is_err() { return },
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        let (message, now) = {
            let snapshot = snapshot.borrow_and_update();
            (Publish::status(&snapshot, &sync.borrow()), snapshot.t_us)
        };
        let stale = |(last, at): &(Publish, ShopTime)| {
            last.payload != message.payload && now.since(*at) >= 1_000_000
                || now.since(*at) >= STATUS_EVERY.as_micros() as i64
        };
        if told.as_ref().is_none_or(stale) && to_broker.try_send(message.clone()).is_ok() {
            told = Some((message, now));
        }
    }
}

fn read_token(file: Option<&SecretFile>) -> Result<String, Failure> {
    let Some(file) = file else {
        tracing::warn!("no [web] token_file: the page shows only whether the shop is up, and nobody may write");
        return Ok(String::new());
    };
    let line = file.first_line().map_err(|error| format!("[web] token_file: {error}"))?;
    match line.trim() {
        token if token.len() >= 16 => Ok(token.to_owned()),
        _ => Err(format!("[web] token_file {file}: its first line must be at least 16 characters").into()),
    }
}
