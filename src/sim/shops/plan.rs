//! A floor plan on paper: walls, runs of bays, doors, and what each camera looks at.
//!
//! Metres; the street is below y = 0, as in every shop file. A plan says where bays may stand; which bays with which
//! shelves is `furnish`'s question.

use super::super::chance::Chance;
use crate::base::Point2;
use crate::shop::GateDirection;

/// A bay's depth: a plate of 16 inches (0.4064 m) and the panel behind. Two back to back are a gondola, and as deep as a
/// bay of eight plates is wide: that one closes a gondola's end.
pub const BAY_M: f64 = 0.455;
pub const GONDOLA_M: f64 = 2.0 * BAY_M;
/// A camera looks at no more than this along an aisle, metres.
const WATCHED_M: f64 = 7.0;

#[derive(Clone, Copy, Debug)]
pub struct Rect {
    pub low: Point2,
    pub high: Point2,
}

/// The side of a bay where people stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facing {
    South,
    East,
    North,
    West,
}

/// Bays side by side, filling a place one bay deep.
pub struct Run {
    pub place: Rect,
    pub facing: Facing,
    /// Against a wall bays are up to 1.8 m high; in the room they end at 1.35 m, and people see over them.
    pub tall: bool,
}

pub struct Door {
    pub middle: Point2,
    pub width_m: f64,
    /// 1: the shop is at larger y than the door; -1: at smaller.
    pub inward: f64,
    pub direction: GateDirection,
    /// The reader's side of the middle, along x: 1 or -1.
    pub reader: f64,
}

pub struct Plan {
    pub outline: Vec<Point2>,
    pub runs: Vec<Run>,
    pub doors: Vec<Door>,
    /// Pieces of the floor, one for each camera. Together they are the floor; no gondola stands across one.
    pub watched: Vec<Rect>,
}

pub fn rect(x0: f64, y0: f64, x1: f64, y1: f64) -> Rect {
    Rect { low: Point2::new(x0, y0), high: Point2::new(x1, y1) }
}

/// Walls are built to the centimetre.
pub fn cm(metres: f64) -> f64 {
    (metres * 100.0).round() / 100.0
}

impl Plan {
    pub fn room(width: f64, depth: f64) -> Plan {
        Plan { outline: corners(&rect(0.0, 0.0, width, depth)), runs: vec![], doors: vec![], watched: vec![] }
    }

    pub fn wall(&mut self, facing: Facing, x0: f64, y0: f64, x1: f64, y1: f64) {
        self.runs.push(Run { place: rect(x0, y0, x1, y1), facing, tall: true });
    }

    /// Two runs back to back, along the longer side of the rectangle.
    pub fn gondola(&mut self, x0: f64, y0: f64, x1: f64, y1: f64) {
        let (x, y) = ((x0 + x1) / 2.0, (y0 + y1) / 2.0);
        let halves = if x1 - x0 > y1 - y0 {
            [(Facing::South, rect(x0, y0, x1, y)), (Facing::North, rect(x0, y, x1, y1))]
        } else {
            [(Facing::West, rect(x0, y0, x, y1)), (Facing::East, rect(x, y0, x1, y1))]
        };
        self.runs.extend(halves.map(|(facing, place)| Run { place, facing, tall: false }));
    }

    /// Along an aisle, or the floor before one, in pieces a camera can look at: with what it sees of its neighbours and the
    /// street no more than 40 m2.
    pub fn watch(&mut self, x0: f64, y0: f64, x1: f64, y1: f64) {
        let street = if y0 == 0.0 { 2.1 } else { 0.0 };
        let wide = (40.0 / (y1 - y0 + street + 1.0) - 1.0).min(WATCHED_M);
        let columns = if x1 - x0 > y1 - y0 { ((x1 - x0) / wide).ceil() } else { 1.0 };
        let rows = if x1 - x0 > y1 - y0 { 1.0 } else { ((y1 - y0) / WATCHED_M).ceil() };
        self.cut(&rect(x0, y0, x1, y1), columns, rows);
    }

    /// An open room in squares of about four metres.
    pub fn watch_room(&mut self, x0: f64, y0: f64, x1: f64, y1: f64) {
        let columns = ((x1 - x0) / 4.3).ceil();
        let deep = (19.0 * columns / (x1 - x0)).min(WATCHED_M);
        self.cut(&rect(x0, y0, x1, y1), columns, ((y1 - y0) / deep).ceil());
    }

    fn cut(&mut self, floor: &Rect, columns: f64, rows: f64) {
        let (dx, dy) = ((floor.high.x - floor.low.x) / columns, (floor.high.y - floor.low.y) / rows);
        for i in 0..columns as usize {
            for k in 0..rows as usize {
                let (x, y) = (floor.low.x + i as f64 * dx, floor.low.y + k as f64 * dy);
                self.watched.push(rect(x, y, x + dx, y + dy));
            }
        }
    }

    /// In the wall towards the street, at a share of its width: one door for both ways up to 40 m2, two beside each other
    /// from 80 m2 on. Gives their middle, and how far to both sides of it the wall must stay free.
    pub fn front_doors(&mut self, chance: &mut Chance, width: f64, at: (f64, f64), floor_m2: f64) -> (f64, f64) {
        let x = cm(width * chance.between(at.0, at.1));
        let door = |x: f64, width_m: f64, direction, reader| Door {
            middle: Point2::new(cm(x), 0.0),
            width_m,
            inward: 1.0,
            direction,
            reader,
        };
        if chance.yes((floor_m2 - 40.0) / 40.0) {
            let ways = if chance.yes(0.5) {
                [GateDirection::In, GateDirection::Out]
            } else {
                [GateDirection::Both, GateDirection::Both]
            };
            self.doors = vec![door(x - 0.85, 1.0, ways[0], -1.0), door(x + 0.85, 1.0, ways[1], 1.0)];
            (x, 2.5)
        } else {
            self.doors = vec![door(x, 1.2, GateDirection::Both, -1.0)];
            (x, 1.6)
        }
    }

    pub fn mirrored(mut self) -> Plan {
        let width = self.outline.iter().map(|p| p.x).fold(0.0, f64::max);
        let flip = |p: Point2| Point2::new(width - p.x, p.y);
        let flipped =
            |r: &Rect| Rect { low: flip(Point2::new(r.high.x, r.low.y)), high: flip(Point2::new(r.low.x, r.high.y)) };
        self.outline = self.outline.iter().rev().map(|p| flip(*p)).collect();
        self.watched = self.watched.iter().map(flipped).collect();
        for run in &mut self.runs {
            run.place = flipped(&run.place);
            run.facing = match run.facing {
                Facing::East => Facing::West,
                Facing::West => Facing::East,
                other => other,
            };
        }
        for door in &mut self.doors {
            (door.middle, door.reader) = (flip(door.middle), -door.reader);
        }
        self
    }
}

/// Counter-clockwise, from the lower left.
pub fn corners(r: &Rect) -> Vec<Point2> {
    [[r.low.x, r.low.y], [r.high.x, r.low.y], [r.high.x, r.high.y], [r.low.x, r.high.y]].map(Point2::from).to_vec()
}
