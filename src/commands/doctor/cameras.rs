//! Cameras with pictures: opened as the daemon opens them until a picture comes. Without the `cameras` feature only
//! their doors are knocked at. Addresses hold passwords, so only host and port are shown.

use super::finding::Findings;
use crate::perception::VisionOptions;
use crate::shop::{Camera, CameraKind, RtspAddress, Shop};
use std::time::Duration;

/// A stream begins with the next whole picture, which some cameras send every few seconds only.
const PICTURE: Duration = Duration::from_secs(8);

pub async fn look(findings: &mut Findings, shop: Option<&Shop>, options: &VisionOptions, daemon: bool) {
    let Some(shop) = shop else { return findings.skipped("cameras", "the shop files come first") };
    let cameras: Vec<&Camera> = shop.layout.cameras.values().filter(|c| c.kind != CameraKind::People).collect();
    if cameras.is_empty() {
        return findings.skipped("cameras", "none is declared that sends pictures");
    }
    for camera in cameras {
        let name = format!("camera {}", camera.id);
        if daemon && matches!(camera.kind, CameraKind::Usb { .. }) {
            findings.skipped(&name, "the running daemon has it open; its page says how it is");
            continue;
        }
        let shown = shown(&camera.kind);
        // What nobody answers at is said at once, and the same with and without gstreamer.
        if let Err(why) = knock(&camera.kind).await {
            findings
                .failed(&name, format_args!("nobody answers at {shown}: {why}; power, network, `url` in shop.toml"));
            continue;
        }
        match picture(camera, options).await {
            None => findings.ok(&name, format_args!("{shown} answers; built without cameras, no picture was tried")),
            Some(Ok(((width, height), after, decoder))) => {
                let by = decoder.map_or_else(String::new, |decoder| format!(", decoded by {decoder}"));
                let says =
                    format!("a picture of {width} x {height} from {shown} after {:.1} s{by}", after.as_secs_f64());
                match camera.size == (width, height) {
                    true => findings.ok(&name, says),
                    false => findings.warning(
                        &name,
                        format_args!(
                            "{says}, but its `size` in shop.toml is {} x {}: measure its projection for this size",
                            camera.size.0, camera.size.1
                        ),
                    ),
                }
            }
            Some(Err(why)) => {
                let hint = "try the address with ffplay or VLC; user, password and path belong into `url`";
                findings.failed(&name, format_args!("no picture from {shown}: {why}; {hint}"));
            }
        }
    }
}

fn shown(kind: &CameraKind) -> String {
    match kind {
        CameraKind::Rtsp { url } => match address(url) {
            Some((host, port)) => format!("{host}:{port}"),
            None => "its address".into(),
        },
        CameraKind::Usb { device } => device.clone(),
        CameraKind::File { path } => path.clone(),
        CameraKind::People => "MQTT".into(),
    }
}

/// Host and port of an address; whatever else is in it is nobody's business.
fn address(url: &str) -> Option<(String, u16)> {
    let url = reqwest::Url::parse(&RtspAddress::parse(url).ok()?.location).ok()?;
    let usual = if url.scheme() == "rtsps" { 322 } else { 554 };
    let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
    Some((host, url.port().unwrap_or(usual)))
}

async fn knock(kind: &CameraKind) -> Result<(), String> {
    let there = |path: &str| std::fs::metadata(path).map(drop).map_err(|error| error.to_string());
    match kind {
        CameraKind::Rtsp { url } => {
            let (host, port) = address(url).ok_or("it is no address; write rtsp://host/path")?;
            let connecting = tokio::net::TcpStream::connect((host.as_str(), port));
            match tokio::time::timeout(Duration::from_secs(3), connecting).await {
                Ok(connected) => connected.map(drop).map_err(|error| error.to_string()),
                Err(_) => Err("no answer within 3 s".into()),
            }
        }
        CameraKind::Usb { device } => match device.starts_with('/') {
            true => there(device),
            false => Ok(()),
        },
        CameraKind::File { path } => there(path),
        CameraKind::People => Ok(()),
    }
}

/// Its size, how long it took, and what decoded it.
type Picture = Result<((u32, u32), Duration, Option<String>), String>;

#[cfg(not(feature = "cameras"))]
async fn picture(_: &Camera, _: &VisionOptions) -> Option<Picture> {
    let _ = PICTURE;
    None
}

/// The first picture of a camera, or why there is none.
#[cfg(feature = "cameras")]
async fn picture(camera: &Camera, options: &VisionOptions) -> Option<Picture> {
    use crate::base::time::Clock;
    use crate::base::{Counters, ShopTime};
    use crate::sensors::camera::{Healths, Mailroom, Watch, watch};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    /// For the decoder's name.
    const TOLD: Duration = Duration::from_millis(300);

    let (camera, options) = (camera.clone(), options.cameras.clone());
    let trial = move || {
        let (counters, healths) = (Counters::default(), Healths::default());
        let mailroom = Arc::new(Mailroom::new(1, options.fps_max, counters.clone()));
        let stop = Arc::new(AtomicBool::new(false));
        let id = camera.id.clone();
        let began = Instant::now();
        let thread = watch(Watch {
            camera,
            slot: 0,
            mailroom: mailroom.clone(),
            healths: healths.clone(),
            options,
            clock: Clock::anchored_after(ShopTime(0)),
            counters,
            stop: stop.clone(),
        });
        let thread = thread.map_err(|error| error.to_string())?;
        let mut first = None;
        let found = loop {
            let health = healths.get(&id);
            let decoder = health.as_ref().and_then(|health| health.decoder.clone());
            if let Some((_, frame)) = mailroom.take(Duration::from_millis(50)) {
                // Who decoded the first picture is told a moment after it.
                first = first.or(Some(((frame.width() as u32, frame.height() as u32), began.elapsed())));
            }
            if let Some((size, after)) = first.filter(|(_, after)| decoder.is_some() || began.elapsed() > *after + TOLD)
            {
                break Ok((size, after, decoder));
            }
            match health.map(|health| health.reason).filter(|reason| !reason.is_empty()) {
                Some(reason) => break Err(reason),
                None if began.elapsed() > PICTURE => break Err(format!("none within {} s", PICTURE.as_secs())),
                None => {}
            }
        };
        stop.store(true, Ordering::Release);
        thread.map(std::thread::JoinHandle::join);
        found
    };
    Some(tokio::task::spawn_blocking(trial).await.unwrap_or_else(|error| Err(error.to_string())))
}
