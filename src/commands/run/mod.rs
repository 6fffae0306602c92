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
mod prepare;
mod recording;
pub mod taster;

use crate::base::limits::{FLOOR_QUEUE, LEDGER_QUEUE, MODEL_QUEUE, PUBLISH_QUEUE, TICK};
use crate::base::time::Clock;
use crate::base::{CameraId, Counters, ShopTime};
use crate::commands::replay::Beginning;
use crate::config::CONFIG_FILE;
use crate::events::{Decision, Effect, Observation, Stamped};
use crate::floor::{DeviceClocks, Floor, FloorOptions, Snapshot};
use crate::ledger::{self, BALLAST_BYTES, Batch, Disk};
use crate::perception::{self, Look};
use crate::sensors::publish::Publish;
use crate::sensors::{Incoming, mqtt};
use crate::shop::{CameraKind, Shop};
use crate::supervise::{self, StopSignals, keep};
use crate::sync::{SyncStatus, SyncTask};
use crate::web::{self, WebState};
use floor_thread::FloorThread;
use prepare::{Prepared, Reloads};
use std::error::Error;
use std::path::PathBuf;
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
    let mut prepared = match Prepared::read(args) {
        Ok(prepared) => prepared,
        Err(problems) => {
            problems.iter().for_each(|problem| eprintln!("{problem}"));
            return Ok(ExitCode::FAILURE);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let counters = Counters::default();
        let mut stops = StopSignals::listen()?;
        let mut reloads = Reloads::listen(args.clone(), counters.clone())?;
        let mut record = args.record.clone();
        // Once, and again after every reload. A recording is of one opening: the next goes to DIR-2, DIR-3 ...
        for opening in 2.. {
            match open(prepared, record, &mut stops, &mut reloads, counters.clone()).await? {
                None => break,
                Some(next) => prepared = next,
            }
            record = args.record.as_ref().map(|dir| PathBuf::from(format!("{}-{opening}", dir.display())));
        }
        Ok::<_, Failure>(())
    })?;
    // Tasks that still wait for somebody's answer have had their time.
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(ExitCode::SUCCESS)
}

/// Why a shop closes.
enum Ending {
    /// Somebody said so.
    Told,
    /// To open with these.
    Reload(Box<Prepared>),
    Died(String),
}

/// Opens the shop, and closes it when it is time; with what to open again, if it is to be.
async fn open(
    prepared: Prepared,
    record: Option<PathBuf>,
    stops: &mut StopSignals,
    reloads: &mut Reloads,
    counters: Counters,
) -> Result<Option<Prepared>, Failure> {
    let (config, shop) = (&prepared.config, prepared.shop.clone());
    let ledger_file = ledger::file_in(&config.state.directory);
    let disk = Arc::new(Disk::of(&config.state.directory, BALLAST_BYTES));
    let ledger = tokio::select! {
        opened = closing::open_ledger(&ledger_file, &disk) => opened?,
        () = stops.told() => return Ok(None),
    };
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

    let listener = tokio::net::TcpListener::from_std(prepared.listener.try_clone()?)?;
    let client = prepared.client.clone();
    let recording = record.map(|dir| {
        recording::start(&dir, &config.shop.directory, &beginning, &entries)
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
            FloorOptions {
                policy: beginning.policy,
                steps: beginning.steps,
                device_clocks: beginning.device_clocks,
                ..FloorOptions::default()
            },
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
            Effect::Look { cameras } => {
                say.look(&cameras, clock.now());
                drop(to_eyes.try_send(Look { cameras }));
            }
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
    let eyes = perception::spawn(
        &shop.layout,
        &config.vision,
        clock,
        counters.clone(),
        looks,
        to_floor.clone(),
        eyes_stop.clone(),
    )?;

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
        sessions: prepared.sessions.clone(),
        closed: why_closed,
        disk: disk.clone(),
        refused: reloads.refused(),
        eyes: eyes.health.clone(),
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

    // Until told to stop or to open anew, or until a part that must not fail has failed.
    let ended = {
        let closed = to_ledger.clone();
        tokio::select! {
            () = stops.told() => Ending::Told,
            next = reloads.next(&prepared) => Ending::Reload(Box::new(next)),
            () = closed.closed() => Ending::Died("the ledger's writer ended".to_owned()),
            () = to_floor.closed() => Ending::Died("the floor's thread ended".to_owned()),
            died = failing.wait_for(Option::is_some) => match died.map_or(None, |name| *name) {
                Some(name) => Ending::Died(format!("{name} died")),
                None => Ending::Told,
            },
        }
    };
    match ended {
        Ending::Reload(_) => supervise::reloading(),
        _ => supervise::stopping(),
    }
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
    let next = match (ended, stopped) {
        (_, (_, Ok(Err(error)))) => return Err(error.into()),
        (Ending::Died(why), _) => return Err(why.into()),
        (Ending::Told, (false, Ok(Ok(())))) => None,
        (Ending::Reload(next), (false, Ok(Ok(())))) => Some(*next),
        _ => return Err("a part of the shop died while stopping".into()),
    };
    taster::ended_well(&config.state.directory);
    tracing::info!("stopped");
    Ok(next)
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
        if let Some(message) = Publish::of(effect, &self.shop.id) {
            self.send(message);
        }
    }

    /// To those of these cameras that somebody else looks through.
    fn look(&self, cameras: &[CameraId], now: ShopTime) {
        let elsewhere =
            |id: &&CameraId| self.shop.layout.cameras.get(*id).is_some_and(|camera| camera.kind == CameraKind::People);
        cameras.iter().filter(elsewhere).for_each(|camera| self.send(Publish::look(camera, now)));
    }

    fn send(&self, message: Publish) {
        if self.to_broker.try_send(message).is_err() {
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
