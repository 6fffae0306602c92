//! A simulated ceiling camera behind a real RTSP server: floor, bays, and bodies as bright discs, drawn through the
//! camera's own projection, with a cheap sensor's noise and light that wanders. What reads it cannot tell it from a
//! camera on the network.
//!
//!     positions() --10 a second--> Painter --> appsrc ! x264enc ! rtph264pay --RTSP--> anybody

use crate::base::{Point2, Point3};
use crate::perception::floor_point::{Projection, pixel_of};
use crate::shop::Camera;
use gstreamer as gst;
use gstreamer::glib;
use gstreamer_app::AppSrc;
use gstreamer_rtsp_server as rtsp;
use rtsp::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Pictures a second.
pub const FPS: u32 = 10;

/// A body is a disc of this radius, metres: shoulders and a coat.
pub const BODY_RADIUS_M: f64 = 0.25;

/// This high above the floor, metres: `models/disc.toml` says the same.
pub const BODY_HEIGHT_M: f64 = 1.4;

/// Grey levels. A body stands out by 110, a bay is darker than the floor.
const FLOOR: u8 = 100;
const BAY: u8 = 62;
const BODY: u8 = 210;

/// Light wanders by this share, there and back in two minutes: clouds.
const LIGHT: f64 = 0.1;
const LIGHT_S: f64 = 120.0;

/// Half width of the noise, grey levels.
const NOISE: i32 = 5;

const PATH: &str = "/eye";

/// A running camera; it stops when dropped.
pub struct SimCamera {
    url: String,
    port: u16,
    frozen: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    server: glib::MainLoop,
    threads: Vec<JoinHandle<()>>,
}

/// The running stream's entrance, while somebody watches.
type Entrance = Arc<Mutex<Option<AppSrc>>>;

impl SimCamera {
    /// Serves what `camera` would see of `bays` (footprints) and of bodies at `positions()`, asked for every picture,
    /// on 127.0.0.1. Port 0 lets the system choose. The error is a sentence.
    pub fn start(
        camera: &Camera,
        bays: &[Vec<Point2>],
        positions: impl Fn() -> Vec<Point2> + Send + 'static,
        port: u16,
    ) -> Result<SimCamera, String> {
        let failed = |cause: &dyn std::fmt::Display| format!("starting the simulated camera {}: {cause}", camera.id);
        let Some(projection) = camera.projection else {
            return Err(failed(&"it has no projection to draw through"));
        };
        gst::init().map_err(|cause| failed(&cause))?;
        let painter = Painter::new(camera.size, projection, bays);
        let entrance = Entrance::default();
        let (stop, frozen) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));

        let context = glib::MainContext::new();
        let server = glib::MainLoop::new(Some(&context), false);
        let (tell, told) = sync_channel(1);
        let serving = {
            let (server, entrance, size) = (server.clone(), entrance.clone(), camera.size);
            let serve = move || {
                // The server's sockets belong to this thread's context; without it they would land in the default one.
                let served = context.with_thread_default(|| serve(&context, &server, size, &entrance, port, &tell));
                if let Err(cause) = served {
                    tracing::error!(%cause, "simulated camera");
                }
            };
            thread::Builder::new().name(format!("rtsp {}", camera.id)).spawn(serve).map_err(|cause| failed(&cause))?
        };
        let port = match told.recv() {
            Ok(Ok(port)) => port,
            Ok(Err(cause)) => return Err(failed(&cause)),
            Err(_) => return Err(failed(&"its server did not start")),
        };
        let painting = {
            let (stop, frozen) = (stop.clone(), frozen.clone());
            thread::Builder::new()
                .name(format!("paint {}", camera.id))
                .spawn(move || paint(painter, positions, &entrance, &stop, &frozen))
                .map_err(|cause| failed(&cause))?
        };
        let url = format!("rtsp://127.0.0.1:{port}{PATH}");
        Ok(SimCamera { url, port, frozen, stop, server, threads: vec![serving, painting] })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// A frozen camera stays connected and sends nothing.
    pub fn freeze(&self, frozen: bool) {
        self.frozen.store(frozen, Ordering::Relaxed);
    }

    /// Closes the port and every connection, and waits for it.
    pub fn stop(self) {}
}

impl Drop for SimCamera {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.server.quit();
        for thread in self.threads.drain(..) {
            // A panic was reported by its own thread.
            let _ = thread.join();
        }
    }
}

fn serve(
    context: &glib::MainContext,
    running: &glib::MainLoop,
    (width, height): (u32, u32),
    entrance: &Entrance,
    port: u16,
    tell: &std::sync::mpsc::SyncSender<Result<u16, String>>,
) {
    let server = rtsp::RTSPServer::new();
    server.set_address("127.0.0.1");
    server.set_service(&port.to_string());
    let factory = rtsp::RTSPMediaFactory::new();
    // One picture for all who watch. A key picture a second, so that who joins late sees soon.
    factory.set_shared(true);
    factory.set_launch(&format!(
        "( appsrc name=eye is-live=true format=time do-timestamp=true max-buffers=2 leaky-type=downstream \
           caps=video/x-raw,format=I420,width={width},height={height},framerate={FPS}/1 \
         ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max={FPS} bitrate=2000 \
         ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
    ));
    let entrance = entrance.clone();
    factory.connect_media_configure(move |_, media| {
        let source = media.element().downcast::<gst::Bin>().ok().and_then(|bin| bin.by_name("eye"));
        *entrance.lock().expect("entrance") = source.and_then(|source| source.downcast::<AppSrc>().ok());
    });
    let answer = match server.mount_points() {
        Some(mounts) => {
            mounts.add_factory(PATH, factory);
            server.attach(Some(context)).map_err(|_| format!("port {port} of 127.0.0.1 is taken"))
        }
        None => Err("the server has no mount points".to_owned()),
    };
    match answer {
        Ok(source) => {
            // Told from within the loop: a stop that came before the loop runs would be forgotten.
            let (tell, port) = (tell.clone(), server.bound_port() as u16);
            let once = move || {
                // The reader may have given up: then the loop is quit as well.
                let _ = tell.send(Ok(port));
                glib::ControlFlow::Break
            };
            glib::idle_source_new(None, glib::Priority::DEFAULT, once).attach(Some(context));
            running.run();
            if let Some(source) = context.find_source_by_id(&source) {
                source.destroy();
            }
            server.client_filter(Some(&mut |_, _| rtsp::RTSPFilterResult::Remove));
        }
        Err(cause) => {
            let _ = tell.send(Err(cause));
        }
    }
}

fn paint(
    mut painter: Painter,
    positions: impl Fn() -> Vec<Point2>,
    entrance: &Entrance,
    stop: &AtomicBool,
    frozen: &AtomicBool,
) {
    let period = Duration::from_secs(1) / FPS;
    let started = Instant::now();
    let mut next = started;
    while !stop.load(Ordering::Relaxed) {
        let source = entrance.lock().expect("entrance").clone();
        if let Some(source) = source.filter(|_| !frozen.load(Ordering::Relaxed)) {
            let picture = painter.picture(&positions(), started.elapsed().as_secs_f64());
            if source.push_buffer(gst::Buffer::from_slice(picture)).is_err() {
                // The last watcher left and the stream was taken down; the next one brings a new entrance.
                entrance.lock().expect("entrance").take_if(|now| *now == source);
            }
        }
        next += period;
        match next.checked_duration_since(Instant::now()) {
            Some(wait) => thread::sleep(wait),
            None => next = Instant::now(),
        }
    }
}

/// Draws pictures: a floor drawn once, bodies, light and noise every time.
struct Painter {
    width: usize,
    height: usize,
    projection: Projection,
    floor: Vec<u8>,
    noise: Vec<i8>,
    pictures: usize,
}

impl Painter {
    fn new((width, height): (u32, u32), projection: Projection, bays: &[Vec<Point2>]) -> Painter {
        let (width, height) = (width as usize & !1, height as usize & !1);
        let mut floor = vec![FLOOR; width * height];
        for bay in bays {
            let corners: Vec<Point2> = bay
                .iter()
                .filter_map(|corner| pixel_of(&projection, corner.at_height(0.0)))
                .map(|(u, v)| Point2::new(u, v))
                .collect();
            fill(&mut floor, (width, height), bounds(&corners), BAY, |p| crate::base::geometry::within(&corners, p));
        }
        // A seeded congruential generator (Knuth's MMIX constants): the same noise on every run.
        let mut state = 0x5eed_u64;
        let noise = (0..65_537)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                ((state >> 33) as i32 % (2 * NOISE + 1) - NOISE) as i8
            })
            .collect();
        Painter { width, height, projection, floor, noise, pictures: 0 }
    }

    /// I420, with the light of `t_s` seconds after the start.
    fn picture(&mut self, bodies: &[Point2], t_s: f64) -> Vec<u8> {
        let area = self.width * self.height;
        let mut picture = Vec::with_capacity(area * 3 / 2);
        picture.extend_from_slice(&self.floor);
        for &body in bodies {
            self.body(&mut picture, body);
        }
        let light = 1.0 + LIGHT * (t_s / LIGHT_S * std::f64::consts::TAU).sin();
        let lit: Vec<i32> = (0..256).map(|level| (f64::from(level) * light) as i32).collect();
        // 7919 is prime to the table's length: each picture begins elsewhere in it.
        self.pictures += 1;
        let mut at = self.pictures * 7919 % self.noise.len();
        for pixel in &mut picture {
            *pixel = (lit[usize::from(*pixel)] + i32::from(self.noise[at])).clamp(16, 235) as u8;
            at = if at + 1 == self.noise.len() { 0 } else { at + 1 };
        }
        picture.resize(area * 3 / 2, 128);
        picture
    }

    /// A disc of [`BODY_RADIUS_M`] at [`BODY_HEIGHT_M`], as the camera sees it: an ellipse.
    fn body(&self, picture: &mut [u8], at: Point2) {
        let seen = |dx: f64, dy: f64| {
            let (u, v) = pixel_of(&self.projection, Point3::new(at.x + dx, at.y + dy, BODY_HEIGHT_M))?;
            Some(Point2::new(u, v))
        };
        let (r, size) = (BODY_RADIUS_M, (self.width, self.height));
        let (Some(middle), Some(right), Some(up)) = (seen(0.0, 0.0), seen(r, 0.0), seen(0.0, r)) else { return };
        let (ax, ay) = (right.x - middle.x, right.y - middle.y);
        let (bx, by) = (up.x - middle.x, up.y - middle.y);
        let det = ax * by - ay * bx;
        if det.abs() < 1.0 {
            return;
        }
        let (reach_x, reach_y) = (ax.abs() + bx.abs(), ay.abs() + by.abs());
        let corners =
            [Point2::new(middle.x - reach_x, middle.y - reach_y), Point2::new(middle.x + reach_x, middle.y + reach_y)];
        fill(picture, size, bounds(&corners), BODY, |p| {
            let (dx, dy) = (p.x - middle.x, p.y - middle.y);
            let (s, t) = ((dx * by - dy * bx) / det, (ax * dy - ay * dx) / det);
            s * s + t * t <= 1.0
        });
    }
}

fn bounds(points: &[Point2]) -> (Point2, Point2) {
    let first = (Point2::new(f64::INFINITY, f64::INFINITY), Point2::new(f64::NEG_INFINITY, f64::NEG_INFINITY));
    points.iter().fold(first, |(low, high), p| {
        (Point2::new(low.x.min(p.x), low.y.min(p.y)), Point2::new(high.x.max(p.x), high.y.max(p.y)))
    })
}

/// Fills the pixels within `bounds` whose middle is `inside`.
fn fill(
    picture: &mut [u8],
    (width, height): (usize, usize),
    (low, high): (Point2, Point2),
    level: u8,
    inside: impl Fn(Point2) -> bool,
) {
    // Saturating casts: what is left of or above the picture starts at 0, an empty set of points gives an empty range.
    let (columns, rows) =
        ((low.x as usize)..(high.x as usize + 1).min(width), (low.y as usize)..(high.y as usize + 1).min(height));
    for y in rows {
        for x in columns.clone() {
            if inside(Point2::new(x as f64 + 0.5, y as f64 + 0.5)) {
                picture[y * width + x] = level;
            }
        }
    }
}
