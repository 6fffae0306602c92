//! The kinds of shop there are, each a way to draw a floor plan of so many square metres.
//!
//! Which kind belongs to which part is the table's, and final: an attributor that has once been trained on a held-back
//! kind can never be measured on it again.

use super::super::chance::Chance;
use super::Part;
use super::plan::{BAY_M, Door, Facing, GONDOLA_M, Plan, Run, cm, rect};
use crate::base::Point2;
use crate::shop::GateDirection;

/// No bay stands closer before a door: whoever taps comes in, and up to two more behind.
const BEFORE_DOOR_M: f64 = 1.9;
/// In a corner of two walls a bay ends this far from the other wall, so that two people do not stand in one place.
const CORNER_M: f64 = BAY_M + 0.6;

pub struct Kind {
    /// Part of the shop's id.
    pub name: &'static str,
    pub called: &'static str,
    pub part: Part,
    /// How small and how large it is built, square metres.
    pub floor_m2: (f64, f64),
    draw: fn(&mut Chance, f64) -> Plan,
}

const fn kind(
    part: Part,
    name: &'static str,
    called: &'static str,
    floor_m2: (f64, f64),
    draw: fn(&mut Chance, f64) -> Plan,
) -> Kind {
    Kind { name, called, part, floor_m2, draw }
}

pub const KINDS: &[Kind] = &[
    kind(Part::Training, "kiosk-lane", "Kiosk lane", (12.0, 30.0), kiosk_lane),
    kind(Part::Training, "walls", "Bays round the walls", (20.0, 60.0), round_the_walls),
    kind(Part::Training, "aisles-across", "Aisles across", (45.0, 160.0), aisles_across),
    kind(Part::Training, "comb", "Gondolas off a wall", (35.0, 120.0), comb),
    kind(Part::HeldBack, "corridor", "Corridor", (18.0, 40.0), corridor),
    kind(Part::HeldBack, "l-room", "Room round a corner", (35.0, 110.0), l_room),
    kind(Part::HeldBack, "islands", "Islands", (35.0, 160.0), islands),
    kind(Part::HeldBack, "aisles-along", "Aisles along", (45.0, 160.0), aisles_along),
];

impl Kind {
    /// A plan of this kind, of so many square metres; every other one mirrored.
    pub fn plan(&self, chance: &mut Chance, floor_m2: f64) -> Plan {
        let plan = (self.draw)(chance, floor_m2);
        if chance.yes(0.5) { plan.mirrored() } else { plan }
    }
}

/// How many gondolas, so that a room of `floor_m2` and `first + n * each` metres across them is nearest to `aspect`
/// (across them over along them).
fn gondolas(floor_m2: f64, first: f64, each: f64, aspect: f64) -> usize {
    let wrong = |n: usize| {
        let across = first + n as f64 * each;
        libm::fabs(libm::log(across * across / floor_m2 / aspect))
    };
    (1..=6).min_by(|a, b| wrong(*a).total_cmp(&wrong(*b))).unwrap_or(1)
}

/// A lane with bays on one side or both and the only door at its end.
fn kiosk_lane(chance: &mut Chance, floor_m2: f64) -> Plan {
    let (aisle, both) = (cm(chance.between(1.4, 2.0)), chance.yes(0.6));
    let width = aisle + if both { 2.0 * BAY_M } else { BAY_M };
    let depth = cm(floor_m2 / width);
    let mut plan = Plan::room(width, depth);
    plan.wall(Facing::East, 0.0, BEFORE_DOOR_M, BAY_M, depth - 0.1);
    if both {
        plan.wall(Facing::West, width - BAY_M, BEFORE_DOOR_M, width, depth - 0.1);
    }
    let door = Point2::new(cm(BAY_M + aisle / 2.0), 0.0);
    let direction = GateDirection::Both;
    plan.doors.push(Door { middle: door, width_m: 1.0, inward: 1.0, direction, reader: -1.0 });
    plan.watch(0.0, 0.0, width, depth);
    plan
}

/// An open room with bays along every wall.
fn round_the_walls(chance: &mut Chance, floor_m2: f64) -> Plan {
    let width = cm(libm::sqrt(floor_m2 * chance.between(0.8, 1.5)));
    let depth = cm(floor_m2 / width);
    let mut plan = Plan::room(width, depth);
    let (door, free) = plan.front_doors(chance, width, (0.35, 0.65), floor_m2);
    plan.wall(Facing::East, 0.0, BEFORE_DOOR_M, BAY_M, depth - CORNER_M);
    plan.wall(Facing::South, CORNER_M, depth - BAY_M, width - CORNER_M, depth);
    plan.wall(Facing::West, width - BAY_M, BEFORE_DOOR_M, width, depth - CORNER_M);
    plan.wall(Facing::North, CORNER_M, 0.0, door - free, BAY_M);
    plan.wall(Facing::North, door + free, 0.0, width - CORNER_M, BAY_M);
    plan.watch_room(0.0, 0.0, width, depth);
    plan
}

/// Gondolas parallel to the street, a way round them on both sides, bays on the back wall.
fn aisles_across(chance: &mut Chance, floor_m2: f64) -> Plan {
    let (aisle, side) = (cm(chance.between(1.3, 2.0)), cm(chance.between(1.3, 1.8)));
    let front = cm(chance.between(2.2, 2.8));
    let each = GONDOLA_M + aisle;
    let n = gondolas(floor_m2, front + BAY_M, each, chance.between(0.6, 1.2));
    let depth = front + n as f64 * each + BAY_M;
    let width = cm(floor_m2 / depth);
    let mut plan = Plan::room(width, depth);
    plan.front_doors(chance, width, (0.4, 0.6), floor_m2);
    let mut watched_to = 0.0;
    for i in 0..n {
        let y = front + i as f64 * each;
        plan.gondola(side, y, width - side, y + GONDOLA_M);
        plan.watch(0.0, watched_to, width, y + BAY_M);
        watched_to = y + BAY_M;
    }
    plan.watch(0.0, watched_to, width, depth);
    plan.wall(Facing::South, 0.3, depth - BAY_M, width - 0.3, depth);
    plan
}

/// Gondolas stand out from one wall like the teeth of a comb; the aisles between them are dead ends.
fn comb(chance: &mut Chance, floor_m2: f64) -> Plan {
    let (aisle, lane) = (cm(chance.between(1.5, 2.0)), cm(chance.between(1.6, 2.0)));
    let front = cm(chance.between(2.2, 2.8));
    let each = GONDOLA_M + aisle;
    let n = gondolas(floor_m2, front + BAY_M, each, chance.between(0.8, 1.6));
    let depth = front + n as f64 * each + BAY_M;
    let width = cm(floor_m2 / depth);
    let mut plan = Plan::room(width, depth);
    plan.front_doors(chance, width, (0.45, 0.6), floor_m2);
    let mut watched_to = 0.0;
    for i in 0..n {
        let y = front + i as f64 * each;
        plan.gondola(0.0, y, width - lane - BAY_M, y + GONDOLA_M);
        plan.watch(0.0, watched_to, width, y + BAY_M);
        watched_to = y + BAY_M;
    }
    plan.watch(0.0, watched_to, width, depth);
    plan.wall(Facing::South, 0.3, depth - BAY_M, width - CORNER_M, depth);
    plan.wall(Facing::West, width - BAY_M, BEFORE_DOOR_M, width, depth - CORNER_M);
    plan
}

/// Bays on both sides, a door at either end: most walk through it one way.
fn corridor(chance: &mut Chance, floor_m2: f64) -> Plan {
    let width = 2.0 * BAY_M + cm(chance.between(1.5, 2.0));
    let depth = cm(floor_m2 / width);
    let mut plan = Plan::room(width, depth);
    plan.wall(Facing::East, 0.0, BEFORE_DOOR_M, BAY_M, depth - BEFORE_DOOR_M);
    plan.wall(Facing::West, width - BAY_M, BEFORE_DOOR_M, width, depth - BEFORE_DOOR_M);
    let ways = if chance.yes(0.6) {
        [GateDirection::In, GateDirection::Out]
    } else {
        [GateDirection::Both, GateDirection::Both]
    };
    for (y, inward, direction) in [(0.0, 1.0, ways[0]), (depth, -1.0, ways[1])] {
        let middle = Point2::new(cm(width / 2.0), y);
        plan.doors.push(Door { middle, width_m: 1.0, inward, direction, reader: -inward });
    }
    plan.watch(0.0, 0.0, width, depth);
    plan
}

/// A room with an arm to one side at the back that nobody sees from the door; a gondola where there is room for one.
fn l_room(chance: &mut Chance, floor_m2: f64) -> Plan {
    let scale = libm::sqrt(floor_m2 / 50.0);
    let width = cm(scale * chance.between(3.9, 4.8));
    let arm = cm(scale * chance.between(3.2, 4.4));
    let arm_depth = cm(scale * chance.between(3.0, 3.6));
    let depth = cm((floor_m2 - arm * arm_depth) / width);
    let (end, corner) = (width + arm, depth - arm_depth);
    let mut plan = Plan::room(width, depth);
    plan.outline = [[0.0, 0.0], [width, 0.0], [width, corner], [end, corner], [end, depth], [0.0, depth]]
        .map(Point2::from)
        .to_vec();
    plan.front_doors(chance, width, (0.5, 0.5), floor_m2);
    plan.wall(Facing::East, 0.0, BEFORE_DOOR_M, BAY_M, depth - CORNER_M);
    plan.wall(Facing::South, CORNER_M, depth - BAY_M, end - CORNER_M, depth);
    plan.wall(Facing::West, end - BAY_M, corner + CORNER_M, end, depth - CORNER_M);
    plan.wall(Facing::North, width + 0.3, corner, end - CORNER_M, corner + BAY_M);
    plan.wall(Facing::West, width - BAY_M, BEFORE_DOOR_M, width, corner - 0.3);
    let middle = width / 2.0;
    if width >= 2.0 * (BAY_M + 1.3) + GONDOLA_M {
        plan.gondola(middle - BAY_M, BEFORE_DOOR_M + 0.6, middle + BAY_M, depth - BAY_M - 1.5);
        plan.watch(0.0, 0.0, middle, depth);
        plan.watch(middle, 0.0, width, depth);
    } else {
        plan.watch_room(0.0, 0.0, width, depth);
    }
    plan.watch_room(width, corner, end, depth);
    plan
}

/// Short gondolas closed at both ends, with shelves on all four sides and lanes all round.
fn islands(chance: &mut Chance, floor_m2: f64) -> Plan {
    let (longs, lanes) = ([1.24, 2.1], [1.4, 1.6, 1.8, 2.0]);
    let mut best = (f64::INFINITY, 0.0, 0.0, 1, 1, 0.0);
    for (long, lane) in longs.into_iter().flat_map(|long| lanes.map(|lane| (GONDOLA_M + long, lane))) {
        for (columns, rows) in (1..=5).flat_map(|columns| (1..=6).map(move |rows| (columns, rows))) {
            let width = lane + columns as f64 * (long + lane);
            // What the islands leave free towards the street.
            let front = cm(floor_m2 / width - rows as f64 * (GONDOLA_M + lane) - BAY_M);
            let narrow = if front < 2.2 { 9.0 } else { 0.0 };
            let wrong = narrow + (front - 2.6).abs() + 2.0 * libm::fabs(libm::log(width * width / floor_m2));
            // As good as each other within a metre: chance takes its pick.
            let wrong = wrong + chance.unit();
            if wrong < best.0 {
                best = (wrong, long, lane, columns, rows, front);
            }
        }
    }
    let (_, long, lane, columns, rows, front) = best;
    let width = lane + columns as f64 * (long + lane);
    let depth = front + rows as f64 * (GONDOLA_M + lane) + BAY_M;
    let mut plan = Plan::room(width, depth);
    plan.front_doors(chance, width, (0.4, 0.6), floor_m2);
    plan.watch(0.0, 0.0, width, front - lane / 2.0);
    for row in 0..rows {
        let y = front + row as f64 * (GONDOLA_M + lane);
        let from = y - lane / 2.0;
        let to = if row + 1 == rows { depth } else { y + GONDOLA_M + lane / 2.0 };
        for column in 0..columns {
            let x = lane + column as f64 * (long + lane);
            plan.gondola(x + BAY_M, y, x + long - BAY_M, y + GONDOLA_M);
            for (facing, end) in [(Facing::West, x), (Facing::East, x + long - BAY_M)] {
                plan.runs.push(Run { place: rect(end, y, end + BAY_M, y + GONDOLA_M), facing, tall: false });
            }
            let left = if column == 0 { 0.0 } else { x - lane / 2.0 };
            let right = if column + 1 == columns { width } else { x + long + lane / 2.0 };
            plan.watch(left, from, right, to);
        }
    }
    plan.wall(Facing::South, 0.3, depth - BAY_M, width - 0.3, depth);
    plan
}

/// Gondolas at right angles to the street, bays on the walls beside them, a way round at the back.
fn aisles_along(chance: &mut Chance, floor_m2: f64) -> Plan {
    let aisle = cm(chance.between(1.3, 2.0));
    let front = cm(chance.between(2.2, 2.8));
    let each = GONDOLA_M + aisle;
    let n = gondolas(floor_m2, aisle + 2.0 * BAY_M, each, chance.between(0.6, 1.2));
    let width = 2.0 * BAY_M + aisle + n as f64 * each;
    let depth = cm(floor_m2 / width);
    let mut plan = Plan::room(width, depth);
    plan.front_doors(chance, width, (0.4, 0.6), floor_m2);
    plan.wall(Facing::East, 0.0, BEFORE_DOOR_M, BAY_M, depth - CORNER_M);
    plan.wall(Facing::South, CORNER_M, depth - BAY_M, width - CORNER_M, depth);
    plan.wall(Facing::West, width - BAY_M, BEFORE_DOOR_M, width, depth - CORNER_M);
    let back = cm(chance.between(1.4, 1.8));
    let mut watched_to = 0.0;
    for i in 0..n {
        let x = BAY_M + aisle + i as f64 * each;
        plan.gondola(x, front, x + GONDOLA_M, depth - BAY_M - back);
        plan.watch(watched_to, 0.0, x + BAY_M, depth);
        watched_to = x + BAY_M;
    }
    plan.watch(watched_to, 0.0, width, depth);
    plan
}
