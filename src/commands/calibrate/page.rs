//! `--page`: points are clicked in a still of the camera and in the shop's drawing, in a browser on this machine.
//!
//! The still is a long exposure of some seconds, in which whoever walks is a smear; who stands is seen, so it is for an
//! empty shop. It is kept in memory and goes with the command. As with `watch`, the page is on loopback under an address that
//! nobody can guess. The page collects pairs; what they mean is computed here, by what `--floor-points` uses too.

use super::subject::Subject;
use super::{CalibrateArgs, Failure, points};
use crate::base::{Point2, Point3, secret};
use crate::perception::calibration::{Fit, Spot};
use crate::sensors::camera::jpeg::JpegWriter;
use crate::sensors::camera::{Frame, Peek, Pixels};
use crate::shop::edit::View;
use crate::shop::projection::pixel_of;
use crate::shop::{Layout, Lens};
use crate::supervise::StopSignals;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PAGE: &str = include_str!("../../../assets/calibrate.html");
const SCRIPT: &str = include_str!("../../../assets/calibrate.js");

/// Pictures in a still, and the longest time for them and for the first to come.
const EXPOSURES: u32 = 20;
const PATIENCE: Duration = Duration::from_secs(15);

/// Lines of the floor that are drawn over the picture, metres apart; and the pieces they are bent in.
const GRID_M: f64 = 0.5;
const PIECE_M: f64 = 0.1;

/// Nobody clicks for longer.
const A_DAY: Duration = Duration::from_secs(24 * 3_600);

struct Page {
    subject: Subject,
    lens: Option<Lens>,
    size: (u32, u32),
    jpeg: Vec<u8>,
    layout: Layout,
}

#[derive(Debug, Deserialize)]
struct Points {
    points: Vec<Point>,
}

#[derive(Debug, Deserialize)]
struct Point {
    name: String,
    pixel: [f64; 2],
    at: Point3,
}

/// A place of the shop that has a name.
#[derive(Debug, PartialEq, Serialize)]
struct Known {
    name: String,
    at: Point3,
}

pub async fn run(args: &CalibrateArgs, subject: Subject) -> Result<ExitCode, Failure> {
    let mut stops = StopSignals::listen()?;
    let (camera, shop) = subject.opened()?;
    let options = subject.config.vision.cameras.clone();
    let still = tokio::task::spawn_blocking(move || still(&Peek::open(camera, &options)?)).await??;
    let (size, jpeg) = still;
    let lens = subject.measured_lens(args.keep_lens)?;
    if lens.is_some() && subject.size()? != size {
        let (w, h) = subject.size()?;
        return Err(format!("the camera sends {} x {}, its intrinsics speak of {w} x {h}", size.0, size.1).into());
    }
    let page = Arc::new(Page { subject, lens, size, jpeg, layout: shop.layout });
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let secret = secret::drawn();
    println!("http://{}/{secret}/", listener.local_addr()?);
    let routes = routes(&secret, page);
    let serving = tokio::spawn(async move { axum::serve(listener, routes).await });
    let enough = tokio::time::sleep(args.lasts.unwrap_or(A_DAY));
    tokio::select! {
        () = stops.told() => {}
        () = enough => {}
    }
    serving.abort();
    Ok(ExitCode::SUCCESS)
}

fn routes(secret: &str, page: Arc<Page>) -> Router {
    let at = |name: &str| format!("/{secret}/{name}");
    let html = || async {
        let policy = "default-src 'self'; style-src 'unsafe-inline'";
        ([(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, policy)], PAGE)
    };
    Router::new()
        .route(&at(""), get(html))
        .route(&at("calibrate.js"), get(|| async { ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT) }))
        .route(&at("still.jpg"), get(picture))
        .route(&at("shop.json"), get(drawing))
        .route(&at("fit"), post(fit))
        .route(&at("write"), post(write))
        .with_state(page)
}

async fn picture(State(page): State<Arc<Page>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "image/jpeg"), (CACHE_CONTROL, "no-store")], page.jpeg.clone())
}

async fn drawing(State(page): State<Arc<Page>>) -> Json<Value> {
    let layout = &page.layout;
    let bays: Vec<&Vec<Point2>> = layout.bays.values().map(|bay| &bay.footprint).collect();
    let gates = layout.gates.values().map(|gate| &gate.line);
    let lines: Vec<[Point2; 2]> = gates.chain(&layout.exit_lines).map(|line| [line.from, line.to]).collect();
    Json(json!({
        "camera": page.subject.camera,
        "size": [page.size.0, page.size.1],
        "extent": extent(layout),
        "outline": layout.outline,
        "bays": bays,
        "lines": lines,
        "known": known(layout),
    }))
}

async fn fit(State(page): State<Arc<Page>>, Json(sent): Json<Points>) -> Json<Value> {
    Json(match page.found(sent) {
        Ok((fit, told)) => {
            let misses: Vec<Value> =
                fit.misses.iter().map(|miss| json!({ "px": miss.px, "floor_cm": miss.floor_cm })).collect();
            json!({ "told": told, "misses": misses, "worst": fit.worst(), "grid": grid(&fit.view, extent(&page.layout)) })
        }
        Err(error) => json!({ "error": error.to_string() }),
    })
}

async fn write(State(page): State<Arc<Page>>, Json(sent): Json<Points>) -> Json<Value> {
    let written = page.found(sent).and_then(|(fit, _)| page.subject.write(&fit.view));
    Json(match written {
        Ok(written) => json!({ "written": written }),
        Err(error) => json!({ "error": error.to_string() }),
    })
}

impl Page {
    fn found(&self, sent: Points) -> Result<(Fit, String), Failure> {
        let spot = |Point { name, pixel: [u, v], at }: Point| Spot { name, pixel: (u, v), at };
        let spots: Vec<Spot> = sent.points.into_iter().map(spot).collect();
        points::place(&self.subject.camera, &spots, self.size, self.lens)
    }
}

/// A long exposure as a JPEG, and its size.
fn still(peek: &Peek) -> Result<((u32, u32), Vec<u8>), Failure> {
    let until = Instant::now() + PATIENCE;
    let (mut sums, mut shape, mut count): (Vec<u32>, Option<(usize, usize, Pixels)>, u32) = (Vec::new(), None, 0);
    while count < EXPOSURES && Instant::now() < until {
        let Some(frame) = peek.next(Duration::from_millis(100)) else { continue };
        expose(&frame, &mut sums, &mut shape, &mut count);
    }
    let Some((width, height, pixels)) = shape else { return Err(peek.silence().into()) };
    let planes: Vec<u8> = sums.iter().map(|sum| (sum / count.max(1)) as u8).collect();
    let jpeg = JpegWriter::new()?.write((width, height), pixels, &planes)?;
    Ok(((width as u32, height as u32), jpeg))
}

/// A camera that changes its size meanwhile begins anew.
fn expose(frame: &Frame, sums: &mut Vec<u32>, shape: &mut Option<(usize, usize, Pixels)>, count: &mut u32) {
    let this = (frame.width(), frame.height(), frame.pixels());
    if *shape != Some(this) {
        (*sums, *shape, *count) = (vec![0; frame.planes().len()], Some(this), 0);
    }
    sums.iter_mut().zip(frame.planes()).for_each(|(sum, level)| *sum += u32::from(*level));
    *count += 1;
}

/// Least and greatest x and y of the drawing: left, low, right, high.
fn extent(layout: &Layout) -> [f64; 4] {
    let corners = layout.outline.iter().chain(layout.bays.values().flat_map(|bay| &bay.footprint));
    let empty = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    corners.fold(empty, |[left, low, right, high], p| [left.min(p.x), low.min(p.y), right.max(p.x), high.max(p.y)])
}

fn known(layout: &Layout) -> Vec<Known> {
    let mut known = Vec::new();
    let mut say = |name: String, at: Point3| known.push(Known { name, at });
    for (n, corner) in layout.outline.iter().enumerate() {
        say(format!("corner {} of the shop", n + 1), corner.at_height(0.0));
    }
    for (id, bay) in &layout.bays {
        for (n, corner) in bay.footprint.iter().enumerate() {
            say(format!("corner {} of bay {id}", n + 1), corner.at_height(0.0));
        }
    }
    for (id, shelf) in &layout.shelves {
        say(format!("front left of shelf {id}"), shelf.corners[0]);
        say(format!("front right of shelf {id}"), shelf.corners[1]);
    }
    for (id, gate) in &layout.gates {
        for (end, at) in [("from", gate.line.from), ("to", gate.line.to)] {
            say(format!("`{end}` end of gate {id}"), at.at_height(0.0));
        }
    }
    for (n, line) in layout.exit_lines.iter().enumerate() {
        for (end, at) in [("from", line.from), ("to", line.to)] {
            say(format!("`{end}` end of exit line {}", n + 1), at.at_height(0.0));
        }
    }
    known
}

/// Lines of the floor as the view shows them: pixels, cut where they leave the picture.
fn grid(view: &View, [left, low, right, high]: [f64; 4]) -> Vec<Vec<[f64; 2]>> {
    let projection = view.lens.projection(&view.pose);
    let (width, height) = (f64::from(view.size.0), f64::from(view.size.1));
    let shown = |x: f64, y: f64| {
        let ideal = pixel_of(&projection, Point3::new(x, y, 0.0))?;
        let near = (-width..2.0 * width).contains(&ideal.x) && (-height..2.0 * height).contains(&ideal.y);
        let seen = view.lens.distort(ideal);
        let inside = (0.0..=width).contains(&seen.x) && (0.0..=height).contains(&seen.y);
        (near && inside).then(|| [seen.x, seen.y].map(|pixel| (pixel * 10.0).round() / 10.0))
    };
    let steps = |from: f64, to: f64, step: f64| {
        let first = (from / step).ceil() as i64;
        (first..=(to / step).floor() as i64).map(move |n| n as f64 * step)
    };
    let along_y =
        steps(left, right, GRID_M).map(|x| steps(low, high, PIECE_M).map(|y| shown(x, y)).collect::<Vec<_>>());
    let along_x =
        steps(low, high, GRID_M).map(|y| steps(left, right, PIECE_M).map(|x| shown(x, y)).collect::<Vec<_>>());
    let lines: Vec<Vec<Option<[f64; 2]>>> = along_y.chain(along_x).collect();
    let pieces = lines.iter().flat_map(|line| line.split(Option::is_none));
    pieces.filter(|piece| piece.len() > 1).map(|piece| piece.iter().flatten().copied().collect()).collect()
}
