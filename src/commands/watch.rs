//! `carryout watch`: what a camera sees and whom we see in it, live, in a browser on this machine.
//!
//! It opens the camera a second time and looks for itself, so the daemon need not run and is not disturbed; a USB camera
//! lets in one at a time. Boxes and trails are drawn on, faces are taken off before the picture is encoded. Nothing is
//! stored but the tracks, if they are asked for, and those are boxes. The page is on loopback under an address nobody can guess, and
//! goes with the command. On a machine without a screen: `ssh -L 8099:127.0.0.1:PORT`.

use crate::commands::arguments::duration;
use crate::config::CONFIG_FILE;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Look through one camera, with boxes and trails and without faces: prints the address of a page.
#[derive(Clone, Debug, clap::Args)]
pub struct WatchArgs {
    #[arg(long, value_name = "FILE", default_value = CONFIG_FILE)]
    pub config: PathBuf,
    /// Which camera of shop.toml
    #[arg(long, value_name = "ID")]
    pub camera: String,
    /// Write every box into FILE, as MOTChallenge does: frame,track,left,top,width,height,confidence,-1,-1,-1
    #[arg(long, value_name = "FILE")]
    pub tracks: Option<PathBuf>,
    /// Stop by itself after so long; otherwise with Ctrl-C
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub lasts: Option<Duration>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[cfg(not(all(feature = "cameras", feature = "onnx")))]
pub async fn run(_: &WatchArgs) -> Result<ExitCode, Failure> {
    Err("this carryout was built without cameras or models; build it with its default features".into())
}

#[cfg(all(feature = "cameras", feature = "onnx"))]
pub use live::run;

#[cfg(all(feature = "cameras", feature = "onnx"))]
mod live {
    use super::{ExitCode, Failure, WatchArgs};
    use crate::base::secret;
    use crate::perception::show::{Seen, Shown, show};
    use crate::sensors::camera::Peek;
    use crate::supervise::StopSignals;
    use axum::Router;
    use axum::body::{Body, Bytes};
    use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
    use axum::response::{Html, IntoResponse};
    use axum::routing::get;
    use std::fs::File;
    use std::io::{BufWriter, Write};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tokio::sync::watch;

    /// Between pictures; any word that is in no JPEG does.
    const BOUNDARY: &str = "next-picture";

    pub async fn run(args: &WatchArgs) -> Result<ExitCode, Failure> {
        let (config, shop) = match crate::commands::perceive::read(&args.config, std::slice::from_ref(&args.camera)) {
            Ok(read) => read,
            Err(problems) => {
                problems.iter().for_each(|problem| eprintln!("{problem}"));
                return Ok(ExitCode::FAILURE);
            }
        };
        let camera = shop.layout.cameras.into_values().next().ok_or("no such camera")?;
        let lens = shop.layout.lenses.get(&camera.id).copied();
        let mut tracks = match &args.tracks {
            Some(path) => {
                let file = File::create(path).map_err(|error| format!("--tracks {}: {error}", path.display()))?;
                Some(BufWriter::new(file))
            }
            None => None,
        };
        let mut stops = StopSignals::listen()?;
        let id = camera.id.clone();
        let (picture, pictures) = watch::channel(Bytes::new());
        let (shown, boxes) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let count = (shown.clone(), boxes.clone());
        // Why the tracks could not be written, once that is so.
        let (broken, unwritten) = watch::channel(None);
        let give = move |Shown { number, people, jpeg }: Shown| {
            if let Some(file) = &mut tracks
                && let Err(error) = people.iter().try_for_each(|seen| file.write_all(line(number, seen).as_bytes()))
            {
                broken.send_replace(Some(error.to_string()));
            }
            count.0.fetch_add(1, Ordering::Relaxed);
            count.1.fetch_add(people.len() as u64, Ordering::Relaxed);
            picture.send_replace(part(&jpeg));
        };
        let peek = Peek::open(camera, &config.vision.cameras)?;
        let (stop, healths) = (peek.stop.clone(), peek.healths.clone());
        let watching = show(peek, lens, &config.vision, give)?;

        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        // Whoever else is on this machine, or a web page that asks loopback, cannot guess the address.
        let secret = secret::drawn();
        println!("http://{}/{secret}/", listener.local_addr()?);
        let page = Html(page(id.as_str()));
        let routes = Router::new()
            .route(&format!("/{secret}/"), get(move || async move { page }))
            .route(&format!("/{secret}/live"), get(move || live(pictures.clone())));
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await });
        let enough = async {
            match args.lasts {
                Some(lasts) => tokio::time::sleep(lasts).await,
                None => std::future::pending().await,
            }
        };
        let mut watched = unwritten.clone();
        tokio::select! {
            () = stops.told() => {}
            () = enough => {}
            Ok(_) = watched.wait_for(Option::is_some) => {}
        }
        stop.store(true, Ordering::Release);
        serving.abort();
        // The last lines of the tracks are written when their writer goes.
        tokio::task::spawn_blocking(move || watching.join()).await?.map_err(|_| "the watch died; the log says why")?;
        if let (Some(why), Some(path)) = (unwritten.borrow().as_ref(), &args.tracks) {
            return Err(format!("--tracks {}: {why}", path.display()).into());
        }
        let (shown, boxes) = (shown.load(Ordering::Relaxed), boxes.load(Ordering::Relaxed));
        println!("{shown} pictures, {boxes} boxes");
        match healths.get(&id) {
            Some(health) if shown == 0 => Err(format!("camera {id} gave no picture: {}", health.reason).into()),
            _ => Ok(ExitCode::SUCCESS),
        }
    }

    /// Of MOTChallenge's results: pixels from the left top corner, which it calls (1, 1).
    pub(super) fn line(number: u64, seen: &Seen) -> String {
        let [x, y, w, h] = seen.bounds;
        let (x, y) = (x + 1.0, y + 1.0);
        format!("{number},{},{x:.2},{y:.2},{w:.2},{h:.2},{:.4},-1,-1,-1\n", seen.track, seen.confidence)
    }

    fn part(jpeg: &[u8]) -> Bytes {
        let head = format!("--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", jpeg.len());
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(jpeg);
        bytes.extend_from_slice(b"\r\n");
        bytes.into()
    }

    /// The newest picture whenever the browser has taken the last one.
    async fn live(pictures: watch::Receiver<Bytes>) -> impl IntoResponse {
        let stream = futures_util::stream::unfold(pictures, |mut pictures| async {
            pictures.changed().await.ok()?;
            let part = pictures.borrow_and_update().clone();
            Some((Ok::<_, std::convert::Infallible>(part), pictures))
        });
        let kind = format!("multipart/x-mixed-replace; boundary={BOUNDARY}");
        ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store".to_owned())], Body::from_stream(stream))
    }

    /// Ids hold no mark-up (`may_be_id`).
    fn page(camera: &str) -> String {
        format!(
            "<!doctype html><html lang=en><meta charset=utf-8><title>{camera}</title>\
             <style>body{{margin:0;background:#111;color:#ccc;font:14px sans-serif}}img{{max-width:100%;display:block}}</style>\
             <img src=live alt=\"what {camera} sees\"><p>{camera}: faces of those who are found are taken off; nothing is stored."
        )
    }
}

#[cfg(all(test, feature = "cameras", feature = "onnx"))]
mod tests {
    use super::live::line;
    use crate::perception::show::Seen;

    #[test]
    fn a_box_is_a_line_as_motchallenge_reads_it() {
        let seen = Seen { track: 7, bounds: [0.0, 19.5, 40.25, 100.0], confidence: 0.8765 };
        assert_eq!(line(12, &seen), "12,7,1.00,20.50,40.25,100.00,0.8765,-1,-1,-1\n");
    }
}
