//! Simulated cameras behind real RTSP servers. What reads one cannot tell it from a camera on the network.
//!
//!     Painter --ten pictures a second--> what goes wrong --> Entrance --RTSP (`server`)--> anybody
//!
//! | painter | draws |
//! |---|---|
//! | [`Discs`] | a floor from above with bodies as bright discs: cheap, and found by `models/disc.onnx` |
//! | [`Rendered`] | the shop as its cameras see it, people with heads and hands, by [`render`](super::render) |
//!
//! Whatever is painted, a camera may suffer ([`Trouble`]): it falls silent, goes black, vanishes, is knocked.

mod discs;
mod rendered;
mod server;

pub use discs::{BODY_HEIGHT_M, BODY_RADIUS_M, Discs};
pub use rendered::Rendered;

use crate::base::{CameraId, Point2};
use crate::shop::Camera;
use server::{Entrance, Server};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Pictures a second.
pub const FPS: u32 = 10;

/// A knock turns a camera so far to its right, degrees: a quarter of a narrow picture.
pub const KNOCK_DEG: f64 = 12.0;

/// A port that was just let go may need a moment.
const COMES_BACK: Duration = Duration::from_secs(5);

/// What a camera sees, as pictures.
pub trait Painter: Send + 'static {
    /// I420 (`width * height * 3 / 2` bytes) of now, `t_s` seconds after the camera was switched on.
    fn picture(&mut self, t_s: f64) -> Vec<u8>;

    /// From now on the camera looks so many degrees to the right of where it was hung.
    fn turn(&mut self, right_deg: f64);
}

/// What goes wrong with a camera. Named alike on the command line: `frozen`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Trouble {
    /// Connected, and sends nothing.
    Frozen,
    /// Sends the same picture again and again.
    Stuck,
    /// Sends black pictures.
    Black,
    /// Its port and every connection are closed.
    Gone,
    /// Knocked: it looks [`KNOCK_DEG`] to the right of where it was hung.
    Moved,
}

impl std::fmt::Display for Trouble {
    /// As one says of a camera.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Trouble::Frozen => "frozen",
            Trouble::Stuck => "stuck with one picture",
            Trouble::Black => "black",
            Trouble::Gone => "gone",
            Trouble::Moved => "knocked to one side",
        })
    }
}

/// A running camera; it stops when dropped.
pub struct SimCamera {
    id: CameraId,
    size: (u32, u32),
    url: String,
    port: u16,
    entrance: Entrance,
    trouble: Arc<Mutex<Option<Trouble>>>,
    stop: Arc<AtomicBool>,
    /// `None`: gone.
    server: Option<Server>,
    painting: Option<JoinHandle<()>>,
}

impl SimCamera {
    /// Serves what `camera` would see from above of `bays` (footprints) and of bodies at `positions()`, asked for every
    /// picture, on 127.0.0.1. Port 0 lets the system choose. The error is a sentence.
    pub fn start(
        camera: &Camera,
        bays: &[Vec<Point2>],
        positions: impl Fn() -> Vec<Point2> + Send + 'static,
        port: u16,
    ) -> Result<SimCamera, String> {
        let Some(projection) = camera.projection else {
            return Err(format!("starting the simulated camera {}: it has no projection to draw through", camera.id));
        };
        SimCamera::showing(&camera.id, camera.size, Discs::new(camera.size, projection, bays, positions), port)
    }

    /// Serves what `painter` paints: pictures of `size`.
    pub fn showing(id: &CameraId, size: (u32, u32), painter: impl Painter, port: u16) -> Result<SimCamera, String> {
        let failed = |cause: &dyn std::fmt::Display| format!("starting the simulated camera {id}: {cause}");
        let (entrance, trouble, stop) = (Entrance::default(), Arc::default(), Arc::new(AtomicBool::new(false)));
        let server = Server::start(id, size, &entrance, port).map_err(|cause| failed(&cause))?;
        let mut camera = SimCamera {
            id: id.clone(),
            size,
            url: format!("rtsp://127.0.0.1:{}{}", server.port(), server::PATH),
            port: server.port(),
            entrance,
            trouble,
            stop,
            server: Some(server),
            painting: None,
        };
        let (entrance, trouble, stop) = (camera.entrance.clone(), camera.trouble.clone(), camera.stop.clone());
        let paint = move || paint(painter, size, &entrance, &trouble, &stop);
        let painting = thread::Builder::new().name(format!("paint {id}")).spawn(paint);
        camera.painting = Some(painting.map_err(|cause| failed(&cause))?);
        Ok(camera)
    }

    pub fn id(&self) -> &CameraId {
        &self.id
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// A frozen camera stays connected and sends nothing.
    pub fn freeze(&self, frozen: bool) {
        *self.trouble.lock().expect("trouble") = frozen.then_some(Trouble::Frozen);
    }

    /// From now on it suffers this, or nothing any more. A camera that comes back has the port it had; the error is that
    /// somebody else took it meanwhile.
    pub fn suffer(&mut self, trouble: Option<Trouble>) -> Result<(), String> {
        *self.trouble.lock().expect("trouble") = trouble;
        if trouble == Some(Trouble::Gone) {
            self.server = None;
            return Ok(());
        }
        let since = Instant::now();
        while self.server.is_none() {
            match Server::start(&self.id, self.size, &self.entrance, self.port) {
                Ok(server) => self.server = Some(server),
                Err(_) if since.elapsed() < COMES_BACK => thread::sleep(Duration::from_millis(20)),
                Err(cause) => return Err(format!("bringing the simulated camera {} back: {cause}", self.id)),
            }
        }
        Ok(())
    }

    /// Closes the port and every connection, and waits for it.
    pub fn stop(self) {}
}

impl Drop for SimCamera {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.server = None;
        if let Some(painting) = self.painting.take() {
            // A panic was reported by its own thread.
            let _ = painting.join();
        }
    }
}

fn paint(
    mut painter: impl Painter,
    (width, height): (u32, u32),
    entrance: &Entrance,
    trouble: &Mutex<Option<Trouble>>,
    stop: &AtomicBool,
) {
    let period = Duration::from_secs(1) / FPS;
    let luma = (width * height) as usize;
    let black = || [vec![16; luma], vec![128; luma / 2]].concat();
    let started = Instant::now();
    let (mut next, mut moved, mut last) = (started, false, black());
    while !stop.load(Ordering::Relaxed) {
        let suffers = *trouble.lock().expect("trouble");
        if moved != (suffers == Some(Trouble::Moved)) {
            moved = !moved;
            painter.turn(if moved { KNOCK_DEG } else { 0.0 });
        }
        // Nobody watches: nothing is painted.
        if entrance.is_open() {
            match suffers {
                Some(Trouble::Frozen | Trouble::Gone) => {}
                Some(Trouble::Stuck) => entrance.push(last.clone()),
                Some(Trouble::Black) => entrance.push(black()),
                Some(Trouble::Moved) | None => {
                    last = painter.picture(started.elapsed().as_secs_f64());
                    entrance.push(last.clone());
                }
            }
        }
        next += period;
        match next.checked_duration_since(Instant::now()) {
            Some(wait) => thread::sleep(wait),
            None => next = Instant::now(),
        }
    }
}
