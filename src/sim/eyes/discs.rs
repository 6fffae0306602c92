//! A floor from above: bays, and bodies as bright discs, drawn through the camera's own projection, with a cheap sensor's
//! noise and light that wanders. `models/disc.onnx` finds bodies in it.

use super::Painter;
use crate::base::{Point2, Point3};
use crate::shop::projection::{Projection, pixel_of};
use crate::sim::render::views::turned;

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

/// Asked for every picture.
type Positions = Box<dyn Fn() -> Vec<Point2> + Send>;

/// Draws pictures: a floor drawn once, bodies, light and noise every time.
pub struct Discs {
    width: usize,
    height: usize,
    /// As it was hung, and as it looks now.
    hung: Projection,
    projection: Projection,
    bays: Vec<Vec<Point2>>,
    positions: Positions,
    floor: Vec<u8>,
    noise: Vec<i8>,
    pictures: usize,
}

impl Discs {
    /// Footprints of bays, and where bodies are whenever a picture is drawn.
    pub fn new(
        (width, height): (u32, u32),
        projection: Projection,
        bays: &[Vec<Point2>],
        positions: impl Fn() -> Vec<Point2> + Send + 'static,
    ) -> Discs {
        let (width, height) = (width as usize & !1, height as usize & !1);
        // A seeded congruential generator (Knuth's MMIX constants): the same noise on every run.
        let mut state = 0x5eed_u64;
        let noise = (0..65_537)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                ((state >> 33) as i32 % (2 * NOISE + 1) - NOISE) as i8
            })
            .collect();
        let (hung, positions, bays) = (projection, Box::new(positions), bays.to_vec());
        let floor = Vec::new();
        let mut discs = Discs { width, height, hung, projection, bays, positions, floor, noise, pictures: 0 };
        discs.sweep();
        discs
    }

    /// Draws the empty floor.
    fn sweep(&mut self) {
        self.floor = vec![FLOOR; self.width * self.height];
        for bay in &self.bays {
            let seen = bay.iter().filter_map(|corner| pixel_of(&self.projection, corner.at_height(0.0)));
            let corners: Vec<Point2> = seen.collect();
            let size = (self.width, self.height);
            fill(&mut self.floor, size, bounds(&corners), BAY, |p| crate::base::geometry::within(&corners, p));
        }
    }

    /// A disc of [`BODY_RADIUS_M`] at [`BODY_HEIGHT_M`], as the camera sees it: an ellipse.
    fn body(&self, picture: &mut [u8], at: Point2) {
        let seen = |dx: f64, dy: f64| pixel_of(&self.projection, Point3::new(at.x + dx, at.y + dy, BODY_HEIGHT_M));
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

impl Painter for Discs {
    fn picture(&mut self, t_s: f64) -> Vec<u8> {
        let area = self.width * self.height;
        let mut picture = Vec::with_capacity(area * 3 / 2);
        picture.extend_from_slice(&self.floor);
        for body in (self.positions)() {
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

    fn turn(&mut self, right_deg: f64) {
        self.projection = turned(&self.hung, right_deg);
        self.sweep();
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
