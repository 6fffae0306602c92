//! Turns a floor plan into a shop's layout: bays with shelves of plates, gates with readers, cameras.
//!
//! Bays count from 1 in the order the plan names them, so that neighbours have neighbouring numbers; a shelf is
//! `{bay}-{level}`, level 1 the lowest.

use super::super::chance::Chance;
use super::plan::{BAY_M, Door, Facing, Plan, Rect, Run, corners};
use crate::base::geometry::Line;
use crate::base::{BayId, CameraId, GateId, PlateNo, Point2, Point3, ShelfId};
use crate::shop::{Bay, Camera, CameraKind, Gate, GateDirection, Layout, Plate, Shelf, Zone, ZoneKind};

/// Plates are 4 by 16 inches.
const PLATE_M: f64 = 0.1016;
const SHELF_DEPTH_M: f64 = 0.4064;
/// A bay of 8 to 12 plates and its uprights, metres.
const NARROWEST_M: f64 = 0.91;
const WIDEST_M: f64 = 1.25;
const UPRIGHTS_M: f64 = 0.03;
/// A camera sees this much of its neighbours' floor, so that two know everybody who goes from one to the other.
const OVERLAP_M: f64 = 0.5;
/// The street outside of a door that is watched, metres: people are known before they tap.
const STREET_M: f64 = 2.6;

/// Where a bay stands: the corner at the left end of its front, the way its front runs, the way to its back.
struct Stand {
    origin: Point2,
    along: Point2,
    back: Point2,
    width_m: f64,
}

pub fn layout(plan: &Plan, chance: &mut Chance) -> Layout {
    let mut layout = Layout { outline: plan.outline.iter().copied().map(tidy).collect(), ..Layout::default() };
    for run in &plan.runs {
        // Neighbours are of one make: shelves at one height all along a run.
        let heights_m = heights(run.tall, chance);
        for stand in stands(run) {
            bay(&stand, &heights_m, &mut layout);
        }
    }
    for (i, door) in plan.doors.iter().enumerate() {
        gate(GateId::new(format!("gate-{}", i + 1)), door, &mut layout);
    }
    for (i, rect) in plan.watched.iter().enumerate() {
        let id = CameraId::new(format!("people-{}", i + 1));
        let covers = covers(rect, &plan.doors);
        let camera = Camera { id: id.clone(), kind: CameraKind::People, covers, projection: None, size: (640, 360) };
        layout.cameras.insert(id, camera);
    }
    layout
}

/// Everything is where a tape measure finds it, to a tenth of a millimetre: shop files keep all of that.
fn tidy(p: Point2) -> Point2 {
    let to = |m: f64| (m * 1e4).round() / 1e4 + 0.0;
    Point2::new(to(p.x), to(p.y))
}

/// As many equal bays as fit; nothing where not even one does.
fn stands(run: &Run) -> Vec<Stand> {
    let Rect { low, high } = run.place;
    let (origin, along, back, long_m) = match run.facing {
        Facing::South => (low, [1.0, 0.0], [0.0, 1.0], high.x - low.x),
        Facing::East => (Point2::new(high.x, low.y), [0.0, 1.0], [-1.0, 0.0], high.y - low.y),
        Facing::North => (high, [-1.0, 0.0], [0.0, -1.0], high.x - low.x),
        Facing::West => (Point2::new(low.x, high.y), [0.0, -1.0], [1.0, 0.0], high.y - low.y),
    };
    let (along, back) = (Point2::from(along), Point2::from(back));
    // A hair's breadth of grace: a gondola's end is exactly as wide as the narrowest bay.
    let long_m = long_m + 1e-9;
    let mut n = (long_m / WIDEST_M).ceil().max(0.0);
    if n > 0.0 && long_m / n < NARROWEST_M {
        n -= 1.0;
    }
    let width_m = (long_m / n).min(WIDEST_M);
    let spare_m = (long_m - n * width_m) / 2.0;
    let place = |k: usize| {
        let at = spare_m + k as f64 * width_m;
        Stand { origin: Point2::new(origin.x + along.x * at, origin.y + along.y * at), along, back, width_m }
    };
    (0..n as usize).map(place).collect()
}

/// Three to six shelves between 0.15 and 1.8 m.
fn heights(tall: bool, chance: &mut Chance) -> Vec<f64> {
    let (n, top) = if tall {
        (4 + chance.below(3), chance.between(1.55, 1.8))
    } else {
        (3 + chance.below(2), chance.between(1.1, 1.35))
    };
    let lowest = chance.between(0.15, 0.3);
    let step = (top - lowest) / (n - 1) as f64;
    (0..n).map(|k| ((lowest + k as f64 * step) * 100.0).round() / 100.0).collect()
}

fn bay(stand: &Stand, heights_m: &[f64], layout: &mut Layout) {
    let at = |along: f64, back: f64| {
        let (a, b) = (stand.along, stand.back);
        tidy(Point2::new(stand.origin.x + a.x * along + b.x * back, stand.origin.y + a.y * along + b.y * back))
    };
    let id = BayId::new((layout.bays.len() + 1).to_string());
    let plates = (((stand.width_m - UPRIGHTS_M) / PLATE_M) as PlateNo).clamp(8, 12);
    let long_m = f64::from(plates) * PLATE_M;
    let from = (stand.width_m - long_m) / 2.0;
    for (level, z) in heights_m.iter().enumerate() {
        // All of a shelf follows from its origin, so that rounding puts nothing out of square.
        let origin = at(from, 0.0);
        let on = |along: f64, back: f64| {
            let (a, b) = (stand.along, stand.back);
            Point3::new(origin.x + a.x * along + b.x * back, origin.y + a.y * along + b.y * back, *z)
        };
        let corners = [(0.0, 0.0), (long_m, 0.0), (long_m, SHELF_DEPTH_M), (0.0, SHELF_DEPTH_M)];
        let plate = |no| Plate { no, centre: on((f64::from(no) - 0.5) * PLATE_M, SHELF_DEPTH_M / 2.0) };
        let shelf = Shelf {
            id: ShelfId::new(format!("{id}-{}", level + 1)),
            bay: id.clone(),
            corners: corners.map(|(along, back)| on(along, back)),
            plates: (1..=plates).map(plate).collect(),
        };
        layout.shelves.insert(shelf.id.clone(), shelf);
    }
    let footprint = [(0.0, 0.0), (stand.width_m, 0.0), (stand.width_m, BAY_M), (0.0, BAY_M)];
    let footprint = footprint.map(|(along, back)| at(along, back)).to_vec();
    layout.bays.insert(id.clone(), Bay { id, footprint });
}

fn gate(id: GateId, door: &Door, layout: &mut Layout) {
    let at = |along: f64, inward: f64| tidy(Point2::new(door.middle.x + along, door.middle.y + inward * door.inward));
    let half = door.width_m / 2.0;
    let line = Line { from: at(-half, 0.0), to: at(half, 0.0), inside: at(0.0, 1.0) };
    let side = half + 0.4;
    let polygon = vec![at(-side, -1.2), at(side, -1.2), at(side, 1.0), at(-side, 1.0)];
    if door.direction != GateDirection::Out {
        layout.zones.push(Zone { kind: ZoneKind::Entry, polygon: polygon.clone() });
    }
    if door.direction != GateDirection::In {
        layout.zones.push(Zone { kind: ZoneKind::Exit, polygon });
        layout.exit_lines.push(line);
    }
    let reader = at(door.reader * 0.3, -0.4);
    layout.gates.insert(id.clone(), Gate { id, reader, line, direction: door.direction });
}

/// The floor a camera sees: its piece, some of its neighbours', and the street where there is a door.
///
/// A `people` camera stands for cameras in the corners of what it covers. Two more corners are in the middle of the
/// short sides: in an aisle they look along it, where the others look over the gondolas.
fn covers(rect: &Rect, doors: &[Door]) -> Vec<Point2> {
    let (mut low, mut high) = (rect.low, rect.high);
    for door in doors {
        let beside = door.middle.x + 1.2 > rect.low.x && door.middle.x - 1.2 < rect.high.x;
        if beside && door.inward > 0.0 && (rect.low.y - door.middle.y).abs() < 0.01 {
            low.y = rect.low.y - STREET_M + OVERLAP_M;
        }
        if beside && door.inward < 0.0 && (rect.high.y - door.middle.y).abs() < 0.01 {
            high.y = rect.high.y + STREET_M - OVERLAP_M;
        }
    }
    let seen = Rect {
        low: Point2::new(low.x - OVERLAP_M, low.y - OVERLAP_M),
        high: Point2::new(high.x + OVERLAP_M, high.y + OVERLAP_M),
    };
    let mut covers = corners(&seen);
    let (wide, deep) = (rect.high.x - rect.low.x, rect.high.y - rect.low.y);
    // Corners are counter-clockwise from the lower left: sides 1 and 3 are right and left, 0 and 2 below and above.
    let (first, second) = if wide > deep { (1, 3) } else { (0, 2) };
    covers.insert(second + 1, covers[second].toward(covers[(second + 1) % 4], 0.5));
    covers.insert(first + 1, covers[first].toward(covers[first + 1], 0.5));
    covers.into_iter().map(tidy).collect()
}
