//! Puts the demonstration up and takes it down: a private directory, shop files, a broker, an upstream, a camera, the
//! daemon as a child. What goes up last comes down first.

use super::DemoArgs;
use crate::base::secret;
use crate::shop::{CameraKind, Shop};
use crate::sim::broker::Mosquitto;
use crate::sim::daemon::{Daemon, Household, last_words};
#[cfg(feature = "cameras")]
use crate::sim::eyes::{Rendered, SimCamera};
use crate::sim::render::Now;
#[cfg(feature = "cameras")]
use crate::sim::render::{Figure, Studio, views};
use crate::sim::upstream::{Upstream, UpstreamOptions};
use std::fs::{self, DirBuilder};
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// The demonstration's shop, in the executable, so that it runs from anywhere.
const SHOP: [&str; 3] = [
    include_str!("../../../config/demo-shop/shop.toml"),
    include_str!("../../../config/demo-shop/planogram.csv"),
    include_str!("../../../config/demo-shop/catalogue.csv"),
];
/// The cameras of a demonstration whose pictures are rendered.
const RENDERED: &str = include_str!("../../../config/demo-shop/rendered.toml");
/// What looks through them.
const LOOKS: &str = "\n[vision]\nmodel = \"models/carryout.toml\"\n";
/// An orderly stop of the daemon takes a second; after this it is killed.
const STOPS: Duration = Duration::from_secs(15);

pub struct Stage {
    pub shop: Arc<Shop>,
    pub broker: Mosquitto,
    pub upstream: Upstream,
    #[cfg(feature = "cameras")]
    cameras: Vec<SimCamera>,
    #[cfg(feature = "cameras")]
    rendered: bool,
    daemon: Option<Daemon>,
    home: Household,
    record: bool,
    // Last: it is removed when everything that writes into it is gone.
    _dir: PrivateDir,
}

impl Stage {
    /// Directory, broker and upstream; the daemon comes later.
    pub fn set(args: &DemoArgs) -> Result<Stage, String> {
        // Without the `cameras` feature nobody could look.
        let rendered = cfg!(feature = "cameras") && !args.discs;
        Stage::of(if rendered { rendered_shop()? } else { demo_shop()? }, rendered, args)
    }

    /// The same for a shop whose cameras all show rendered pictures. `keep`: a new directory that stays, with a recording.
    pub fn rendering(shop: Shop, keep: Option<&Path>) -> Result<Stage, String> {
        Stage::of(shop, true, &DemoArgs { keep: keep.map(Path::to_owned), ..DemoArgs::default() })
    }

    fn of(shop: Shop, rendered: bool, args: &DemoArgs) -> Result<Stage, String> {
        let dir = PrivateDir::new(args.keep.as_deref()).map_err(|err| format!("making the demo's directory: {err}"))?;
        let broker = Mosquitto::start(&dir.path).map_err(|err| err.to_string())?;
        let upstream_token = secret::drawn();
        let options = UpstreamOptions { token: Some(upstream_token.clone()), ..UpstreamOptions::default() };
        let upstream = Upstream::start(options).map_err(|err| format!("starting the reference upstream: {err}"))?;
        let web_port = match args.port {
            Some(port) => port,
            None => free_port().map_err(|err| format!("asking for a free port: {err}"))?,
        };
        let home = Household {
            dir: dir.path.clone(),
            mqtt_port: broker.port,
            web_port,
            web_token: secret::drawn(),
            upstream_url: upstream.url(),
            upstream_token,
            more: if rendered { LOOKS.to_owned() } else { String::new() },
        };
        Ok(Stage {
            shop: Arc::new(shop),
            broker,
            upstream,
            #[cfg(feature = "cameras")]
            cameras: Vec::new(),
            #[cfg(feature = "cameras")]
            rendered,
            daemon: None,
            home,
            record: args.keep.is_some(),
            _dir: dir,
        })
    }

    /// Gives the shop's RTSP cameras something to see: the scene of `now`. Without the `cameras` feature the daemon could
    /// not look either, so the shop has none.
    #[cfg(feature = "cameras")]
    pub fn watch_with(&mut self, now: &Now, seed: u64) -> Result<(), String> {
        let mut shop = Shop::clone(&self.shop);
        let seen_from = views(&shop, seed);
        let studio = Arc::new(Studio::new(self.shop.clone(), seed, &seen_from));
        let bays: Vec<_> = shop.layout.bays.values().map(|bay| bay.footprint.clone()).collect();
        for view in seen_from {
            let camera = &view.camera;
            let simulated = if self.rendered {
                let painter = Rendered::new(studio.clone(), view.clone(), now.clone())?;
                SimCamera::showing(&camera.id, camera.size, painter, 0)?
            } else {
                let now = now.clone();
                let standing = move || now.get().figures.iter().map(Figure::floor).collect();
                SimCamera::start(camera, &bays, standing, 0)?
            };
            let here = shop.layout.cameras.get_mut(&camera.id).expect("a view is of one of its cameras");
            here.kind = CameraKind::Rtsp { url: simulated.url().to_owned() };
            self.cameras.push(simulated);
        }
        self.shop = Arc::new(shop);
        Ok(())
    }

    #[cfg(not(feature = "cameras"))]
    pub fn watch_with(&mut self, _now: &Now, _seed: u64) -> Result<(), String> {
        self.close_eyes();
        Ok(())
    }

    /// Those that send pictures.
    #[cfg(feature = "cameras")]
    pub fn cameras(&mut self) -> &mut [SimCamera] {
        &mut self.cameras
    }

    /// Takes away the cameras that send pictures.
    pub fn close_eyes(&mut self) {
        self.shop = Arc::new(without_pictures(Shop::clone(&self.shop)));
    }

    /// Writes shop files, secrets and config, and starts `carryout run` on them.
    pub fn start_daemon(&mut self) -> Result<(), String> {
        let wrote = |err: io::Error| format!("writing into {}: {err}", self.home.dir.display());
        self.home.furnish(&self.shop, "`carryout demo`").map_err(wrote)?;
        let program = std::env::current_exe().map_err(|err| format!("finding this executable: {err}"))?;
        let recording = self.recording().display().to_string();
        let more = ["--record", recording.as_str()];
        let daemon = Daemon::start(Command::new(program), &self.home, if self.record { &more } else { &[] });
        self.daemon = Some(daemon.map_err(|err| format!("starting the daemon: {err}"))?);
        Ok(())
    }

    /// Settings of the next daemon beyond the demonstration's own, as [`Household`] writes them.
    pub fn settle(&mut self, more: String) {
        self.home.more = more;
    }

    /// kill -9, as a power cut would.
    pub fn kill_daemon(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.kill();
        }
    }

    /// Where a kept stage's daemon records.
    pub fn recording(&self) -> PathBuf {
        self.home.dir.join("recording")
    }

    pub fn ledger(&self) -> PathBuf {
        crate::ledger::file_in(&self.home.state())
    }

    /// Where the daemon's API is, and the token that opens it.
    pub fn api(&self) -> (String, String) {
        (format!("http://127.0.0.1:{}", self.home.web_port), self.home.web_token.clone())
    }

    pub fn page(&self) -> String {
        format!("http://127.0.0.1:{}/#token={}", self.home.web_port, self.home.web_token)
    }

    /// Fails when the daemon has ended by itself.
    pub fn daemon_lives(&mut self) -> Result<(), String> {
        match self.daemon.as_mut().map_or(Ok(None), Daemon::ended) {
            Ok(None) => Ok(()),
            Ok(Some(status)) => {
                self.daemon = None;
                Err(format!("the daemon has ended ({status}); {}", self.daemon_log()))
            }
            Err(err) => Err(format!("asking after the daemon: {err}")),
        }
    }

    /// The end of its log, for who has to find out why.
    pub fn daemon_log(&self) -> String {
        last_words(&self.home.log())
    }

    /// Stops the daemon in order, then everything else goes with `self`.
    pub async fn strike(mut self) -> Result<(), String> {
        let Some(daemon) = self.daemon.take() else { return Ok(()) };
        let waiting = tokio::task::spawn_blocking(move || daemon.stop(STOPS));
        let status = waiting.await.map_err(|err| format!("waiting for the daemon: {err}"))??;
        if status.success() || status.signal() == Some(libc::SIGTERM) {
            Ok(())
        } else {
            Err(format!("the daemon stopped with {status}; {}", self.daemon_log()))
        }
    }
}

/// The demonstration's shop as its files have it.
pub fn demo_shop() -> Result<Shop, String> {
    read(SHOP[0])
}

/// The same shop with cameras in its corners whose pictures are rendered.
pub fn rendered_shop() -> Result<Shop, String> {
    let ceiling: Vec<_> =
        demo_shop()?.layout.cameras.into_values().filter(|camera| camera.projection.is_some()).collect();
    let mut shop = read(&[SHOP[0], RENDERED].concat())?;
    for camera in ceiling {
        shop.layout.cameras.remove(&camera.id);
    }
    Ok(shop)
}

fn read(shop: &str) -> Result<Shop, String> {
    let [_, planogram, catalogue] = SHOP;
    let (shop, _) = Shop::parse(shop, planogram, catalogue)
        .map_err(|problems| format!("the demo's own shop files are broken: {problems:?}"))?;
    Ok(shop)
}

/// The same shop with those cameras only that send people: where pictures are somebody else's business.
pub fn without_pictures(mut shop: Shop) -> Shop {
    shop.layout.cameras.retain(|_, camera| camera.kind == CameraKind::People);
    shop
}

/// A directory nobody else can read; removed at the end unless it is to be kept.
struct PrivateDir {
    path: PathBuf,
    keep: bool,
}

impl PrivateDir {
    fn new(keep: Option<&Path>) -> io::Result<PrivateDir> {
        if let Some(path) = keep {
            let path = std::path::absolute(path)?;
            DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
            return Ok(PrivateDir { path, keep: true });
        }
        let path = std::env::temp_dir().join(format!("carryout-demo-{}", uuid::Uuid::new_v4()));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(PrivateDir { path, keep: false })
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        if !self.keep {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_cameras_in_the_corners_see_every_shelf() {
        let layout = rendered_shop().unwrap().layout;
        let drawn: Vec<_> = layout.cameras.values().filter(|camera| camera.projection.is_some()).collect();
        assert_eq!((drawn.len(), layout.cameras.len()), (4, 5), "{:?}", layout.cameras.keys());
        for camera in drawn {
            assert!(layout.lenses.contains_key(&camera.id), "camera {} has no lens", camera.id);
        }
        for shelf in layout.shelves.keys() {
            let seeing = layout.cameras_seeing(shelf).len();
            assert!(seeing >= 3, "shelf {shelf} is seen by {seeing} cameras");
        }
    }
}
