//! Puts the demonstration up and takes it down: a private directory, shop files, a broker, an upstream, a camera, the
//! daemon as a child. What goes up last comes down first.

use super::DemoArgs;
use crate::shop::{CameraKind, Shop};
use crate::sim::broker::{Mosquitto, bind_to_us};
use crate::sim::live::Whereabouts;
use crate::sim::upstream::{Upstream, UpstreamOptions};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// The demonstration's shop, in the executable, so that it runs from anywhere.
const SHOP: [&str; 3] = [
    include_str!("../../../config/demo-shop/shop.toml"),
    include_str!("../../../config/demo-shop/planogram.csv"),
    include_str!("../../../config/demo-shop/catalogue.csv"),
];
/// An orderly stop of the daemon takes a second; after this it is killed.
const STOPS: Duration = Duration::from_secs(15);

pub struct Stage {
    pub shop: Arc<Shop>,
    pub broker: Mosquitto,
    pub upstream: Upstream,
    #[cfg(feature = "cameras")]
    cameras: Vec<crate::sim::eyes::SimCamera>,
    daemon: Option<Child>,
    web_port: u16,
    web_token: String,
    upstream_token: String,
    // Last: it is removed when everything that writes into it is gone.
    dir: PrivateDir,
}

impl Stage {
    /// Directory, broker and upstream; the daemon comes later.
    pub fn set(args: &DemoArgs) -> Result<Stage, String> {
        let dir = PrivateDir::new(args.keep.as_deref()).map_err(|err| format!("making the demo's directory: {err}"))?;
        let [shop, planogram, catalogue] = SHOP;
        let (shop, _) = Shop::parse(shop, planogram, catalogue)
            .map_err(|problems| format!("the demo's own shop files are broken: {problems:?}"))?;
        let broker = Mosquitto::start(&dir.path).map_err(|err| err.to_string())?;
        let upstream_token = secret()?;
        let options = UpstreamOptions { token: Some(upstream_token.clone()), ..UpstreamOptions::default() };
        let upstream = Upstream::start(options).map_err(|err| format!("starting the reference upstream: {err}"))?;
        let web_port = match args.port {
            Some(port) => port,
            None => free_port().map_err(|err| format!("asking for a free port: {err}"))?,
        };
        Ok(Stage {
            shop: Arc::new(shop),
            broker,
            upstream,
            #[cfg(feature = "cameras")]
            cameras: Vec::new(),
            daemon: None,
            web_port,
            web_token: secret()?,
            upstream_token,
            dir,
        })
    }

    /// Gives the shop's RTSP cameras something to see: bodies where `whereabouts` says. Without the `cameras` feature the
    /// daemon could not look either, so the shop has none.
    #[cfg(feature = "cameras")]
    pub fn watch_with(&mut self, whereabouts: Whereabouts) -> Result<(), String> {
        let mut shop = Shop::clone(&self.shop);
        let bays: Vec<_> = shop.layout.bays.values().map(|bay| bay.footprint.clone()).collect();
        for camera in shop.layout.cameras.values_mut() {
            if !matches!(camera.kind, CameraKind::Rtsp { .. }) {
                continue;
            }
            let seen = whereabouts.clone();
            let positions = move || seen.lock().expect("whereabouts").clone();
            let simulated = crate::sim::eyes::SimCamera::start(camera, &bays, positions, 0)?;
            camera.kind = CameraKind::Rtsp { url: simulated.url().to_owned() };
            self.cameras.push(simulated);
        }
        self.shop = Arc::new(shop);
        Ok(())
    }

    #[cfg(not(feature = "cameras"))]
    pub fn watch_with(&mut self, _whereabouts: Whereabouts) -> Result<(), String> {
        let mut shop = Shop::clone(&self.shop);
        shop.layout.cameras.retain(|_, camera| camera.kind == CameraKind::People);
        self.shop = Arc::new(shop);
        Ok(())
    }

    /// Writes shop files, secrets and config, and starts `carryout run` on them.
    pub fn start_daemon(&mut self) -> Result<(), String> {
        let dir = &self.dir.path;
        let wrote = |err: io::Error| format!("writing into {}: {err}", dir.display());
        self.shop.write(dir.join("shop")).map_err(wrote)?;
        write_secret(&dir.join("web.token"), &self.web_token).map_err(wrote)?;
        write_secret(&dir.join("upstream.token"), &self.upstream_token).map_err(wrote)?;
        let config = dir.join("carryout.toml");
        fs::write(&config, config_text(dir, self.broker.port, self.web_port, &self.upstream.url())).map_err(wrote)?;
        let log = fs::File::create(dir.join("daemon.log")).map_err(wrote)?;
        let errors = log.try_clone().map_err(wrote)?;
        let program = std::env::current_exe().map_err(|err| format!("finding this executable: {err}"))?;
        let mut command = Command::new(program);
        command.arg("run").arg("--config").arg(&config).stdin(Stdio::null()).stdout(log).stderr(errors);
        // Ctrl-C in our terminal is for us; the daemon gets its SIGTERM when shoppers have left.
        bind_to_us(&mut command);
        let daemon = command.spawn().map_err(|err| format!("starting the daemon: {err}"))?;
        self.daemon = Some(daemon);
        Ok(())
    }

    pub fn page(&self) -> String {
        format!("http://127.0.0.1:{}/#token={}", self.web_port, self.web_token)
    }

    /// Fails when the daemon has ended by itself.
    pub fn daemon_lives(&mut self) -> Result<(), String> {
        let Some(daemon) = &mut self.daemon else { return Ok(()) };
        match daemon.try_wait() {
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
        const TAIL_BYTES: u64 = 3_000;
        let read = || -> io::Result<String> {
            let mut file = fs::File::open(self.dir.path.join("daemon.log"))?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        match read() {
            Ok(text) if text.trim().is_empty() => "it wrote nothing to its log".to_owned(),
            Ok(text) => format!("the end of its log:\n{text}"),
            Err(err) => format!("its log cannot be read: {err}"),
        }
    }

    /// Stops the daemon in order, then everything else goes with `self`.
    pub async fn strike(mut self) -> Result<(), String> {
        let Some(mut daemon) = self.daemon.take() else { return Ok(()) };
        // SAFETY: a plain system call; the child is ours and not yet waited for, so its id is not another's.
        unsafe { libc::kill(daemon.id() as libc::pid_t, libc::SIGTERM) };
        let waiting = tokio::task::spawn_blocking(move || {
            let since = std::time::Instant::now();
            loop {
                match daemon.try_wait() {
                    Ok(Some(status)) => return Ok(status),
                    Ok(None) if since.elapsed() < STOPS => std::thread::sleep(Duration::from_millis(20)),
                    Ok(None) => {
                        let _ = daemon.kill();
                        let _ = daemon.wait();
                        return Err(format!("the daemon did not stop within {} s and was killed", STOPS.as_secs()));
                    }
                    Err(err) => return Err(format!("waiting for the daemon: {err}")),
                }
            }
        });
        let status = waiting.await.map_err(|err| format!("waiting for the daemon: {err}"))??;
        if status.success() || status.signal() == Some(libc::SIGTERM) {
            Ok(())
        } else {
            Err(format!("the daemon stopped with {status}; {}", self.daemon_log()))
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// The config file of the daemon: everything of this demonstration that differs from the defaults.
fn config_text(dir: &Path, mqtt: u16, web: u16, upstream: &str) -> String {
    let at = |name: &str| format!("{:?}", dir.join(name).display().to_string());
    let (shop, state) = (at("shop"), at("state"));
    let (web_token, upstream_token) = (at("web.token"), at("upstream.token"));
    format!(
        "# Written by `carryout demo`.\n\
         [shop]\ndirectory = {shop}\n\n\
         [state]\ndirectory = {state}\n\n\
         [mqtt]\nhost = \"127.0.0.1\"\nport = {mqtt}\n\n\
         [web]\nlisten = \"127.0.0.1:{web}\"\ntoken_file = {web_token}\n\n\
         [upstream]\nurl = \"{upstream}\"\ntoken_file = {upstream_token}\n"
    )
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

fn write_secret(path: &Path, secret: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    writeln!(file, "{secret}")
}

/// 128 bits from the system, as a token.
fn secret() -> Result<String, String> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|err| format!("drawing a token: {err}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_daemon_understands_the_config_it_is_given() {
        let text = config_text(Path::new("/tmp/carryout demo"), 1884, 8081, "http://127.0.0.1:9000");
        let config = Config::parse("carryout.toml", &text).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
        assert_eq!((config.mqtt.port, config.web.listen.port()), (1884, 8081));
        assert_eq!(config.shop.directory, Path::new("/tmp/carryout demo/shop"));
        assert_eq!(config.upstream.url.as_deref(), Some("http://127.0.0.1:9000"));
    }

    #[test]
    fn the_demos_shop_can_be_shopped_in() {
        let [shop, planogram, catalogue] = SHOP;
        let (shop, _) = Shop::parse(shop, planogram, catalogue).expect("the demo shop is in order");
        assert!(crate::sim::World::new(Arc::new(shop)).is_ok(), "people can come in and out");
    }
}
