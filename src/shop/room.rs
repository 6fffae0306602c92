//! Draws a plausible room around shelves whose room nobody measured: floor, door, one camera that sees all of it.

use super::{Camera, CameraKind, Gate, GateDirection, Layout, Zone, ZoneKind};
use crate::base::geometry::Line;
use crate::base::{CameraId, GateId, Point2, ShelfId};

/// Room for people in front of a shelf, metres: one at the shelf and two passing behind.
const FRONT_M: f64 = 2.5;
/// From the outermost furniture to a wall, metres.
const BEHIND_M: f64 = 0.1;
const DOOR_M: f64 = 1.2;
/// The street outside the door that is still watched, metres: people are seen before they tap.
const STREET_M: f64 = 2.0;

/// Adds outline, zones, exit line, `gate-1` and `people-1` to a layout that has only furniture.
pub fn around(layout: &mut Layout) {
    let (mut low, mut high) = (Point2::new(f64::MAX, f64::MAX), Point2::new(f64::MIN, f64::MIN));
    let mut include = |p: Point2, margin: f64| {
        low = Point2::new(low.x.min(p.x - margin), low.y.min(p.y - margin));
        high = Point2::new(high.x.max(p.x + margin), high.y.max(p.y + margin));
    };
    for bay in layout.bays.values() {
        bay.footprint.iter().for_each(|corner| include(*corner, BEHIND_M));
    }
    for id in layout.shelves.keys() {
        let shelf = &layout.shelves[id];
        shelf.corners.iter().for_each(|corner| include(corner.floor(), BEHIND_M));
        front(layout, id).into_iter().for_each(|p| include(p, 0.0));
    }
    let corners = |grow: f64| {
        [
            Point2::new(low.x - grow, low.y - grow),
            Point2::new(high.x + grow, low.y - grow),
            Point2::new(high.x + grow, high.y + grow),
            Point2::new(low.x - grow, high.y + grow),
        ]
    };
    let walls = corners(0.0);
    layout.outline = walls.to_vec();

    let middle = Point2::new((low.x + high.x) / 2.0, (low.y + high.y) / 2.0);
    let (door, along) = door(layout, &walls);
    let across = |metres: f64, p: Point2| {
        // Across the wall is a quarter turn from along it; which of the two is inside, the middle of the room knows.
        let sign = (-along.y * (middle.x - door.x) + along.x * (middle.y - door.y)).signum();
        Point2::new(p.x - along.y * sign * metres, p.y + along.x * sign * metres)
    };
    let at = |metres: f64| Point2::new(door.x + along.x * metres, door.y + along.y * metres);
    let line = Line { from: at(-DOOR_M / 2.0), to: at(DOOR_M / 2.0), inside: across(1.0, door) };
    let polygon = vec![across(-1.2, at(-1.0)), across(-1.2, at(1.0)), across(1.0, at(1.0)), across(1.0, at(-1.0))];
    layout.zones = [ZoneKind::Entry, ZoneKind::Exit].map(|kind| Zone { kind, polygon: polygon.clone() }).to_vec();
    layout.exit_lines = vec![line];
    let gate = GateId::new("gate-1");
    let reader = across(-0.4, at(-0.3));
    layout.gates.insert(gate.clone(), Gate { id: gate, reader, line, direction: GateDirection::Both });
    let camera = CameraId::new("people-1");
    layout.cameras.insert(
        camera.clone(),
        Camera {
            id: camera,
            kind: CameraKind::People,
            covers: corners(STREET_M).to_vec(),
            projection: None,
            size: (0, 0),
        },
    );
}

/// The two ends of the strip where people stand before a shelf: off its front edge, its frame's -y.
fn front(layout: &Layout, id: &ShelfId) -> [Point2; 2] {
    let [front_left, front_right, _, back_left] = layout.shelves[id].corners.map(|corner| corner.floor());
    let depth = front_left.distance(back_left).max(1e-9);
    let out =
        Point2::new((front_left.x - back_left.x) / depth * FRONT_M, (front_left.y - back_left.y) / depth * FRONT_M);
    [front_left, front_right].map(|p| Point2::new(p.x + out.x, p.y + out.y))
}

/// Middle of the door and the direction along its wall: of nine places on each wall the one farthest from all shelves.
fn door(layout: &Layout, walls: &[Point2; 4]) -> (Point2, Point2) {
    let mut best = (f64::MIN, walls[0], Point2::new(1.0, 0.0));
    for (i, from) in walls.iter().enumerate() {
        let to = walls[(i + 1) % 4];
        let length = from.distance(to);
        let along = Point2::new((to.x - from.x) / length, (to.y - from.y) / length);
        for step in 1..=9 {
            let place = from.toward(to, f64::from(step) / 10.0);
            let to_corner = place.distance(*from).min(place.distance(to));
            let corners = layout.shelves.values().flat_map(|shelf| shelf.corners);
            let free = corners.map(|corner| corner.floor().distance(place)).fold(f64::INFINITY, f64::min);
            // A door needs its own width of wall; among equals the first found stays.
            if to_corner >= DOOR_M / 2.0 && free > best.0 + 1e-9 {
                best = (free, place, along);
            }
        }
    }
    (best.1, best.2)
}
