//! The same shop for less money: half the bays without cameras, a quarter of the shelves without scales.
//!
//! What is not looked at is one strip of the floor, from wall to wall, that holds half of the bays and no gate: nobody
//! hangs cameras in a chequered pattern. Gates stay watched from the street to the inside.
//!
//! A shelf without scales still stands there with its goods, and people take them. So there are two shops: the one people
//! walk in, where every shelf can be reached into as before, and the one the system is told, where such a shelf has no
//! plates ("nothing on it will be weighed", as shop.toml has it) and keeps its place; its products stay in the catalogue.

use super::super::chance::Chance;
use crate::base::geometry::within;
use crate::base::{BayId, CameraId, Point2, ShelfId};
use crate::shop::{Camera, Gate, Layout, Planogram, Shelf, Shop};
use std::collections::BTreeMap;

pub struct Sparse {
    /// As it stands: fewer cameras, every shelf with its plates.
    pub stands: Shop,
    /// As the system is told it: some shelves have no plates, nothing of theirs is in the planogram (whose rows name
    /// plates), and no message of theirs may be sent.
    pub told: Shop,
}

/// Floor on both sides of a gate that stays watched, metres.
const STREET_M: f64 = 2.5;
const INSIDE_M: f64 = 1.5;
/// No camera is kept for less floor than this, metres across.
const SLIVER_M: f64 = 0.8;

/// A strip across the floor, between two values of x or of y.
#[derive(Clone, Copy, Debug)]
struct Strip {
    axis: Axis,
    from: f64,
    to: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Axis {
    X,
    Y,
}

/// For shops whose cameras only send `people`: one that the strip cuts in two goes on as two.
pub fn sparse(shop: &Shop, seed: u64) -> Sparse {
    let mut stands = shop.clone();
    // Where gates leave no strip that will do, all cameras stay.
    if let Some(strip) = Chance::new(seed, "sparse/cameras").pick(&strips(&shop.layout)) {
        stands.layout.cameras = without(&shop.layout.cameras, strip);
    }
    let mut told = stands.clone();
    let mut weighed: Vec<&mut Shelf> = told.layout.shelves.values_mut().collect();
    let mut chance = Chance::new(seed, "sparse/scales");
    for _ in 0..(weighed.len() + 2) / 4 {
        let shelf = weighed.swap_remove(chance.below(weighed.len()));
        shelf.plates.clear();
    }
    told.planogram = Planogram::default();
    for (shelf, plate, product) in stands.planogram.iter() {
        if told.layout.shelves.get(shelf).is_some_and(|known| !known.plates.is_empty()) {
            told.planogram.put(shelf.clone(), plate, product.clone());
        }
    }
    Sparse { stands, told }
}

impl Axis {
    fn of(self, p: Point2) -> f64 {
        if self == Axis::X { p.x } else { p.y }
    }
}

/// The narrowest strips without a gate that take a half of the bays out of sight, as nearly as can be.
fn strips(layout: &Layout) -> Vec<Strip> {
    let half = layout.bays.len() as f64 / 2.0;
    // One shelf of each bay stands for all above it.
    let mut one: BTreeMap<&BayId, &Shelf> = BTreeMap::new();
    layout.shelves.values().for_each(|shelf| _ = one.entry(&shelf.bay).or_insert(shelf));
    let lowest: BTreeMap<ShelfId, Shelf> = one.into_values().map(|shelf| (shelf.id.clone(), shelf.clone())).collect();
    let mut found: Vec<(f64, Strip)> = Vec::new();
    for axis in [Axis::X, Axis::Y] {
        let (bays, gates) = (bays(layout, axis), gates(layout, axis));
        for (from, _) in &bays {
            for (_, to) in &bays {
                let strip = Strip { axis, from: from - 0.05, to: to + 0.05 };
                let blind = bays.iter().filter(|(low, high)| from <= low && high <= to).count() as f64;
                if from < to && gates.iter().all(|(low, high)| *high < strip.from || strip.to < *low) {
                    found.push(((blind - half).abs(), strip));
                }
            }
        }
    }
    // What is left of a camera may be too little to keep, which takes a bay more: the likely strips are counted out.
    let least = |of: &[(f64, Strip)]| of.iter().map(|(off, _)| *off).fold(f64::INFINITY, f64::min);
    let likely = least(&found) + half / 10.0;
    found.retain(|(off, _)| *off <= likely);
    for (off, strip) in &mut found {
        let cameras = without(&layout.cameras, strip);
        let left = Layout { cameras, shelves: lowest.clone(), ..Layout::default() };
        let blind = lowest.keys().filter(|shelf| left.cameras_seeing(shelf).is_empty()).count() as f64;
        *off = (blind - half).abs();
    }
    // A twentieth of the bays more or less is as good, and gives seeds a choice.
    let good = least(&found).max(half / 10.0);
    found.into_iter().filter(|(off, _)| *off <= good).map(|(_, strip)| strip).collect()
}

/// For each bay, from where to where along the axis people at it are seen now.
fn bays(layout: &Layout, axis: Axis) -> Vec<(f64, f64)> {
    let mut spans: BTreeMap<&BayId, (f64, f64)> = BTreeMap::new();
    for shelf in layout.shelves.values() {
        let middle = shelf.centre().floor();
        // As `Layout::cameras_seeing` asks.
        for (dx, dy) in [(0.0, 0.0), (1.2, 0.0), (-1.2, 0.0), (0.0, 1.2), (0.0, -1.2)] {
            let p = Point2::new(middle.x + dx, middle.y + dy);
            if layout.cameras.values().any(|camera| within(&camera.covers, p)) {
                let span = spans.entry(&shelf.bay).or_insert((f64::INFINITY, f64::NEG_INFINITY));
                *span = (span.0.min(axis.of(p)), span.1.max(axis.of(p)));
            }
        }
    }
    spans.into_values().collect()
}

/// Where along the axis a gate has to be watched.
fn gates(layout: &Layout, axis: Axis) -> Vec<(f64, f64)> {
    let span = |gate: &Gate| {
        let (from, to) = (gate.line.from, gate.line.to);
        let (middle, length) = (from.toward(to, 0.5), from.distance(to).max(0.01));
        let mut inward = Point2::new((from.y - to.y) / length, (to.x - from.x) / length);
        if !gate.line.is_inside(Point2::new(middle.x + inward.x, middle.y + inward.y)) {
            inward = Point2::new(-inward.x, -inward.y);
        }
        let at = |m: f64| Point2::new(middle.x + m * inward.x, middle.y + m * inward.y);
        // Half a metre beside the line for shoulders.
        let ends = [from.toward(to, -0.5 / length), to.toward(from, -0.5 / length)];
        let points = [ends[0], ends[1], gate.reader, at(INSIDE_M), at(-STREET_M)].map(|p| axis.of(p));
        (points.into_iter().fold(f64::INFINITY, f64::min), points.into_iter().fold(f64::NEG_INFINITY, f64::max))
    };
    layout.gates.values().map(span).collect()
}

/// The cameras that are left, with what is left to them of their floor.
fn without(cameras: &BTreeMap<CameraId, Camera>, strip: &Strip) -> BTreeMap<CameraId, Camera> {
    let mut left = BTreeMap::new();
    for camera in cameras.values() {
        let before = clipped(&camera.covers, |p| strip.from - strip.axis.of(p));
        let behind = clipped(&camera.covers, |p| strip.axis.of(p) - strip.to);
        for (piece, covers) in [before, behind].into_iter().enumerate() {
            let along = || covers.iter().map(|p| strip.axis.of(*p));
            let across_m = along().fold(f64::NEG_INFINITY, f64::max) - along().fold(f64::INFINITY, f64::min);
            if across_m < SLIVER_M {
                continue;
            }
            let mut id = camera.id.clone();
            if piece > 0 && left.contains_key(&id) {
                id = CameraId::new(format!("{id}-b"));
            }
            left.insert(id.clone(), Camera { id, covers, ..camera.clone() });
        }
    }
    left
}

/// The part of a polygon where `inside` is not negative; it grows evenly across the floor (Sutherland-Hodgman, one edge).
fn clipped(polygon: &[Point2], inside: impl Fn(Point2) -> f64) -> Vec<Point2> {
    let mut part = Vec::new();
    for (i, &to) in polygon.iter().enumerate() {
        let from = polygon[(i + polygon.len() - 1) % polygon.len()];
        let (a, b) = (inside(from), inside(to));
        if a * b < 0.0 {
            let at = from.toward(to, a / (a - b));
            // To a tenth of a millimetre, as everything in these shops.
            part.push(Point2::new((at.x * 1e4).round() / 1e4, (at.y * 1e4).round() / 1e4));
        }
        if b >= 0.0 {
            part.push(to);
        }
    }
    part
}
