//! `carryout perceive`: the daemon's eyes as a process of their own, on another machine if need be.
//!
//!     cameras --> perception --People--> camera/{id}/people on the shop's broker --> the daemon
//!                     ^------- camera/{id}/look <------------------------------------/
//!
//! It reads a config and a shop.toml as the daemon does: its own copies, in which its cameras are `rtsp`, `usb` or `file`, with
//! address and projection, while the daemon's shop.toml calls the same ids `people`. Of the config it needs `[shop]`, `[mqtt]`
//! and `[vision]`, of the shop its id and its cameras. It keeps nothing, and starts and ends without anybody minding: a camera
//! nobody looks through is silent, and the daemon says so.

use crate::base::time::Clock;
use crate::base::{CameraId, Counters, ShopTime};
use crate::commands::credentials;
use crate::config::{CONFIG_FILE, Config};
use crate::perception::{self, Look, VisionOptions};
use crate::sensors::mqtt::{MqttOptions, eyes};
use crate::shop::{CameraKind, Shop};
use crate::supervise::{self, StopSignals};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Look through cameras for a daemon that runs elsewhere: says who is there on the shop's broker.
#[derive(Clone, Debug, clap::Args)]
pub struct PerceiveArgs {
    #[arg(long, value_name = "FILE", default_value = CONFIG_FILE)]
    pub config: PathBuf,
    /// Only these cameras; otherwise all of shop.toml that send pictures
    #[arg(long, value_name = "ID,ID", value_delimiter = ',')]
    pub cameras: Vec<String>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// People seen and not yet said. Full: perception waits, and the mailroom keeps the newest frame.
const SEEN_QUEUE: usize = 64;

/// How the cameras are is written to the log at least this often while one of them is not well.
const TELL_EVERY: Duration = Duration::from_secs(60);

pub async fn run(args: &PerceiveArgs) -> Result<ExitCode, Failure> {
    let (config, shop) = match read(&args.config, &args.cameras) {
        Ok(read) => read,
        Err(problems) => {
            problems.iter().for_each(|problem| eprintln!("{problem}"));
            return Ok(ExitCode::FAILURE);
        }
    };
    crate::sync::install_tls_provider();
    let mut stops = StopSignals::listen()?;
    let (stop, stopping) = watch::channel(false);
    let perceiving = tokio::spawn(perceive(shop, config.mqtt, config.vision, Counters::default(), stopping));
    supervise::ready("looking");
    let ended = {
        let mut perceiving = perceiving;
        tokio::select! {
            () = stops.told() => {
                supervise::stopping();
                stop.send_replace(true);
                perceiving.await
            }
            ended = &mut perceiving => ended,
        }
    };
    ended??;
    Ok(ExitCode::SUCCESS)
}

/// Config and shop with nothing but these cameras, or what is wrong, in sentences.
pub(super) fn read(config_file: &std::path::Path, wanted: &[String]) -> Result<(Config, Shop), Vec<String>> {
    let told = |problems: Vec<crate::shop::Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut config = Config::read(config_file).map_err(told)?;
    credentials::readable_here(&mut config, config_file);
    let (mut shop, _) = Shop::read(&config.shop.directory).map_err(told)?;
    credentials::cameras_readable_here(&mut shop, config_file);
    let cameras = &mut shop.layout.cameras;
    let missing: Vec<String> = wanted
        .iter()
        .filter_map(|id| match cameras.get(&CameraId::new(id.as_str())) {
            None => Some(format!("--cameras: shop.toml has no camera {id}; it has {}", listed(cameras.keys()))),
            Some(camera) if camera.kind == CameraKind::People => Some(format!(
                "--cameras: camera {id} is of kind \"people\" in this machine's shop.toml; give it the kind and the address \
                 that it has here"
            )),
            Some(_) => None,
        })
        .collect();
    if !missing.is_empty() {
        return Err(missing);
    }
    cameras.retain(|id, camera| {
        camera.kind != CameraKind::People && (wanted.is_empty() || wanted.iter().any(|name| name == id.as_str()))
    });
    if cameras.is_empty() {
        return Err(vec!["shop.toml has no camera that sends pictures, so there is nothing to look through".into()]);
    }
    Ok((config, shop))
}

fn listed<'a>(ids: impl Iterator<Item = &'a CameraId>) -> String {
    ids.map(CameraId::as_str).collect::<Vec<_>>().join(", ")
}

/// Looks through all of `shop`'s cameras and says whom they see, until `stopping`.
pub async fn perceive(
    shop: Shop,
    mqtt: MqttOptions,
    vision: VisionOptions,
    counters: Counters,
    stopping: watch::Receiver<bool>,
) -> Result<(), Failure> {
    let shop = Arc::new(shop);
    // Its own clock: the daemon learns how far it is off, as of every device.
    let clock = Clock::anchored_after(ShopTime(0));
    let (to_broker, seen) = mpsc::channel(SEEN_QUEUE);
    let (to_eyes, looks) = mpsc::channel::<Look>(64);
    let stop = Arc::new(AtomicBool::new(false));
    let cameras: Vec<CameraId> = shop.layout.cameras.keys().cloned().collect();
    let eyes = perception::spawn(&shop.layout, &vision, clock, counters.clone(), looks, to_broker, stop.clone())?;
    tracing::info!(shop = %shop.id, cameras = %listed(cameras.iter()), "looking");
    let asked = move |camera| drop(to_eyes.try_send(Look { cameras: vec![camera] }));
    let telling = tokio::spawn(tell(eyes.health.clone(), stopping.clone()));
    eyes::speak(mqtt, shop, cameras, seen, asked, clock, counters.clone(), stopping.clone()).await;
    let died = !*stopping.borrow();
    stop.store(true, Ordering::Release);
    telling.abort();
    tokio::task::spawn_blocking(move || eyes.join()).await?;
    tracing::info!(said = counters.get("people.said"), unsaid = counters.get("people.unsaid"), "stopped");
    if died { Err("perception ended by itself; the log says why".into()) } else { Ok(()) }
}

/// A camera that is not well is said when it changes (by its own thread), and again now and then.
async fn tell(healths: crate::sensors::camera::Healths, mut stopping: watch::Receiver<bool>) {
    use crate::sensors::camera::State;
    loop {
        tokio::select! {
            () = tokio::time::sleep(TELL_EVERY) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        for (camera, health) in healths.all() {
            if health.state != State::Alive {
                tracing::warn!(%camera, state = ?health.state, since = %health.since_us, reason = health.reason, "camera");
            }
        }
    }
}
