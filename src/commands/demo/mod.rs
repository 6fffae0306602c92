//! `carryout demo`: a whole shop on this machine, for looking at and for proving that it works.
//!
//!     mosquitto (real)  <--MQTT-->  this process: shoppers, shelves, gates, cameras, reference upstream
//!          ^                             ^ RTSP, HTTP
//!          +-----MQTT-----  carryout run (a child, the same executable)
//!
//! Everything lies in one private directory that goes away at the end (`--keep DIR` keeps it). With `--for` it stops by
//! itself, prints every receipt beside the truth and fails when a charge was captured twice or never; without, new
//! shoppers arrive until Ctrl-C. `cast` decides who comes, `stage` puts files and children up, `diary` listens.

mod cast;
mod diary;
// The gate's figures stand on the same stage.
pub(super) mod stage;
#[cfg(feature = "cameras")]
mod troubles;

pub use cast::{Cast, NOBODY_AFTER_US};

use crate::base::ShopTime;
use crate::base::time::Clock;
use crate::commands::arguments::duration;
use crate::sim::live::{Broker, Heard, Live};
use crate::sim::playback::STEP_US;
use crate::sim::render::{Goods, Now, Scene};
use crate::sim::{Gates, Playback, Setting, World};
use diary::Diary;
use stage::Stage;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The daemon starts in under a second; loading a model on a busy machine takes longer.
const STARTS: Duration = Duration::from_secs(60);
/// After the end, receipts and charges still on their way get this long.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(20);

/// Show a whole shop on this machine: broker, shoppers, daemon, upstream.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct DemoArgs {
    /// Stop by itself after this long (60s, 2m) and compare receipts with the truth
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub for_: Option<Duration>,
    /// The same seed brings the same shoppers
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many parties come at most; when they have left and paid, the demonstration ends
    #[arg(long)]
    pub shoppers: Option<u32>,
    /// Port of the page; the system chooses one if not given
    #[arg(long)]
    pub port: Option<u16>,
    /// One camera under the ceiling that shows people as discs, instead of four whose pictures are rendered: for a busy machine
    #[arg(long)]
    pub discs: bool,
    /// What cameras suffer while it runs: frozen, stuck, black, gone, moved, with commas between them
    #[cfg(feature = "cameras")]
    #[arg(long, value_delimiter = ',', value_name = "TROUBLE")]
    pub troubles: Vec<crate::sim::eyes::Trouble>,
    /// Keep config, ledger, logs and a recording for `carryout replay` in this new directory
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// Runs the demonstration. `Ok` holds the last sentence; `Err` says what went wrong, for a failing exit.
pub async fn demo(args: &DemoArgs) -> Result<String, String> {
    let mut stage = Stage::set(args)?;
    let played = play(args, &mut stage).await;
    // Children are stopped in order whatever happened: the daemon while broker and upstream still answer.
    let stopped = stage.strike().await;
    let verdict = played?;
    stopped?;
    verdict
}

async fn play(args: &DemoArgs, stage: &mut Stage) -> Result<Result<String, String>, String> {
    let world = Arc::new(World::new(stage.shop.clone())?);
    let goods = Arc::new(Goods::of(&stage.shop, args.seed));
    let mut live = open(stage, args.seed, &world, &goods).await?;
    println!("The page: {}\n", stage.page());

    let clock = Clock::anchored_after(ShopTime(0));
    let start_us = clock.now().0;
    let mut playback = Playback::new(world.clone(), Setting::new(args.seed, start_us, Gates::Asked));
    playback.stock(goods);
    let mut cast = Cast::new(world, args.seed, start_us, args.for_, args.shoppers);
    let mut diary = Diary::new(stage.shop.clone(), start_us);
    #[cfg(feature = "cameras")]
    let mut troubles = troubles::Troubles::new(args.troubles.clone(), args.seed, start_us);
    let end_us = args.for_.map(|time| start_us + time.as_micros() as i64);

    let mut signals = Signals::new().map_err(|err| format!("listening for Ctrl-C: {err}"))?;
    let mut until_us = start_us;
    while end_us.is_none_or(|end_us| playback.now_us() < end_us) {
        for visit in cast.until(playback.now_us() + cast::AHEAD_US) {
            diary.expect(&visit);
            visit.people.into_iter().for_each(|person| playback.add(person));
        }
        until_us = end_us.unwrap_or(i64::MAX).min(until_us + 1_000_000).max(playback.now_us() + STEP_US);
        tokio::select! {
            () = live.play(&mut playback, &clock, until_us, |_, happened| diary.hear(happened)) => {}
            () = signals.stop() => break,
        }
        stage.daemon_lives()?;
        #[cfg(feature = "cameras")]
        if let Some(told) = troubles.until(playback.now_us(), stage.cameras())? {
            diary.note(playback.now_us(), &told);
        }
        if cast.is_over() && playback.people() == 0 && diary.is_settled(&stage.upstream.records()) {
            break;
        }
    }
    // What is late: receipts of those who have left, charges on their way. Whoever is still inside is not judged.
    let since = Instant::now();
    diary.last_call(if args.for_.is_some() { i64::MAX } else { playback.now_us() });
    while since.elapsed() < LAST_WORDS && !diary.is_settled(&stage.upstream.records()) {
        let next_us = playback.now_us() + 200_000;
        tokio::select! {
            () = live.play(&mut playback, &clock, next_us, |_, happened| diary.hear(happened)) => {}
            () = signals.stop() => break,
        }
        stage.daemon_lives()?;
    }
    if live.dropped > 0 {
        println!("{} measurements found no room on their way to the broker", live.dropped);
    }
    live.close().await;
    Ok(diary.verdict(&stage.upstream.records()))
}

/// Connects every device of a stage's shop, puts `goods` before its cameras, and starts the daemon.
pub(super) async fn open(stage: &mut Stage, seed: u64, world: &World, goods: &Arc<Goods>) -> Result<Live, String> {
    let broker = Broker { host: "127.0.0.1".to_owned(), port: stage.broker.port };
    let mut live = Live::connect(&broker, &stage.shop).await.map_err(|err| err.to_string())?;
    let now = Now::default();
    now.set(Scene { goods: goods.clone(), ..Scene::default() });
    live.film(crate::sim::render::Cast::new(seed, world.parameters.looks.clone()), now.clone());
    stage.watch_with(&now, seed)?;
    stage.start_daemon()?;
    wait_for_daemon(&mut live, stage).await?;
    Ok(live)
}

/// Until the daemon says on `status` that it is up (or up with something broken, which the page explains).
pub(super) async fn wait_for_daemon(live: &mut Live, stage: &mut Stage) -> Result<(), String> {
    let since = Instant::now();
    while since.elapsed() < STARTS {
        stage.daemon_lives()?;
        if let Some(Heard::Status(status)) = live.hear(Duration::from_millis(200)).await
            && ["up", "degraded"].contains(&status["state"].as_str().unwrap_or(""))
        {
            return Ok(());
        }
    }
    Err(format!("the daemon does not come up within {} s; {}", STARTS.as_secs(), stage.daemon_log()))
}

/// Ctrl-C, and the polite request to stop that a service manager sends.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
