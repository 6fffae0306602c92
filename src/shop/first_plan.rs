//! Draws a first floor plan of shelves that are known by name and number of plates alone: a rectangular room, a door in
//! the wall towards the street, bays along the other walls, clockwise from the left of the door, seen from above.
//!
//!       y
//!     D +--[ bay 2 ][ bay 3 ]--+
//!       |                      |     The street is below y = 0. A bay is every shelf whose name begins alike, one
//!     [bay]                  [bay]   above the other: `1-1`, `1-2`. It is a beginning: somebody measures and moves things.
//!     [ 1 ]                  [ 4 ]
//!     0 +-------- door --------+ x
//!       0                      W

use super::lens::Lens;
use super::pose::Pose;
use super::{Bay, Camera, CameraKind, Gate, GateDirection, Layout, Plate, Shelf, Zone, ZoneKind};
use crate::base::geometry::Line;
use crate::base::{BayId, CameraId, GateId, PlateNo, Point2, Point3, ShelfId};

/// Between a wall and the back of a shelf, metres.
const BEHIND_M: f64 = 0.05;
/// Between two bays, metres.
const BETWEEN_M: f64 = 0.05;
/// Free floor in front of a shelf, metres: somebody stands there and somebody passes.
const AISLE_M: f64 = 1.2;
/// Along the side walls nothing stands nearer to the street, metres: people come in there.
const ENTRANCE_M: f64 = 0.8;
/// Shelves of one bay hang between these heights, metres.
const HEIGHTS_M: (f64, f64) = (0.3, 1.7);
/// The street that is still watched, metres: people are seen before they tap.
const STREET_M: f64 = 2.0;
/// Where a camera hangs until somebody measures it, metres.
const CEILING_M: f64 = 2.7;
/// Focal length in widths of the picture: 75 degrees across, as most wide-angle shop cameras have.
const FOCAL: f64 = 0.65;

/// Metres, unless it says otherwise.
#[derive(Clone, Debug)]
pub struct Room {
    pub width: f64,
    pub depth: f64,
    /// Middle of the door, from the left corner as seen from above with the street below.
    pub door_at: f64,
    pub door_width: f64,
    /// Of one plate, along the shelf.
    pub plate_width: f64,
    pub shelf_depth: f64,
    /// Shelves one above the other, at most; further ones of that name stand beside them.
    pub shelves_a_bay: usize,
}

impl Default for Room {
    /// The load cells that the field tests measured are four inches wide, their shelves sixteen deep.
    fn default() -> Room {
        Room {
            width: 6.0,
            depth: 5.0,
            door_at: 3.0,
            door_width: 1.2,
            plate_width: 0.1016,
            shelf_depth: 0.4064,
            shelves_a_bay: 6,
        }
    }
}

/// A camera with pictures: where they come from and how large they are, pixels.
pub type Eye = (CameraId, CameraKind, (u32, u32));

/// What is to stand in the room.
#[derive(Clone, Debug, Default)]
pub struct Things {
    pub shelves: Vec<(ShelfId, PlateNo)>,
    pub gates: Vec<(GateId, GateDirection)>,
    /// Cameras that send people.
    pub people: Vec<CameraId>,
    pub eyes: Vec<Eye>,
}

/// Shelves that stand one above the other.
struct Stack {
    id: BayId,
    shelves: Vec<(ShelfId, PlateNo)>,
    width: f64,
}

/// The room with everything in it; the error is a sentence.
pub fn draw(room: &Room, things: &Things) -> Result<Layout, String> {
    let half = room.door_width / 2.0;
    if room.door_width < 0.6 || room.door_at < half || room.door_at > room.width - half {
        return Err(format!(
            "a door {} m wide with its middle at {} m does not fit into a wall of {} m",
            room.door_width, room.door_at, room.width
        ));
    }
    let mut layout = Layout { outline: rectangle((0.0, 0.0), (room.width, room.depth), 0.0), ..Layout::default() };
    let stacks = stacks(room, &things.shelves);
    let needed: f64 = stacks.iter().map(|stack| stack.width + BETWEEN_M).sum();
    let mut walls = walls(room).into_iter();
    let mut wall = walls.next();
    for stack in stacks {
        while wall.as_ref().is_some_and(|wall| wall.free() < stack.width) {
            wall = walls.next();
        }
        let Some(wall) = &mut wall else {
            return Err(format!(
                "a room of {} x {} m has not enough wall: bays of {needed:.1} m in all stand along three walls",
                room.width, room.depth
            ));
        };
        let pose = wall.take(stack.width);
        hang(&mut layout, room, stack, &pose);
    }
    door(&mut layout, room, &things.gates);
    cameras(&mut layout, room, things)?;
    Ok(layout)
}

/// The smallest of a few plain rooms that all of it fits into.
pub fn room_for(things: &Things) -> Room {
    let rooms = (5..60).map(f64::from).map(|width| Room {
        width,
        depth: (width * 0.8).ceil(),
        door_at: width / 2.0,
        ..Room::default()
    });
    { rooms }.find(|room| draw(room, things).is_ok()).unwrap_or_default()
}

/// Shelves in the order people count: `1-9` before `1-10`.
pub fn in_order(shelves: &mut [(ShelfId, PlateNo)]) {
    shelves.sort_by_cached_key(|(id, _)| parts(id.as_str()));
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u64),
    Text(String),
}

fn parts(name: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for c in name.chars() {
        match (c.to_digit(10), parts.last_mut()) {
            (Some(d), Some(Part::Number(n))) => *n = n.saturating_mul(10).saturating_add(d.into()),
            (Some(d), _) => parts.push(Part::Number(d.into())),
            (None, Some(Part::Text(text))) => text.push(c),
            (None, _) => parts.push(Part::Text(c.into())),
        }
    }
    parts
}

/// What stands before the last separator of a shelf's name is its bay's; a name without one is a bay by itself.
fn stacks(room: &Room, shelves: &[(ShelfId, PlateNo)]) -> Vec<Stack> {
    let mut sorted = shelves.to_vec();
    in_order(&mut sorted);
    let mut stacks: Vec<(String, Stack)> = Vec::new();
    for (id, plates) in sorted {
        let name = id.as_str().rsplit_once(['-', '.', '_', ':']).map_or(id.as_str(), |(bay, _)| bay).to_owned();
        let width = f64::from(plates.max(1)) * room.plate_width;
        match stacks.last_mut() {
            Some((bay, stack)) if *bay == name && stack.shelves.len() < room.shelves_a_bay.max(1) => {
                stack.width = stack.width.max(width);
                stack.shelves.push((id, plates));
            }
            _ => {
                let before = stacks.iter().filter(|(bay, _)| *bay == name).count();
                let id_of_bay = if before == 0 { name.clone() } else { format!("{name}.{}", before + 1) };
                stacks.push((name, Stack { id: BayId::new(id_of_bay), shelves: vec![(id, plates)], width }));
            }
        }
    }
    stacks.into_iter().map(|(_, stack)| stack).collect()
}

/// A stretch of wall that bays are put along. Their x runs along the wall, their y towards it: shoppers stand at -y.
struct Wall {
    /// Front left corner of the next bay.
    at: Point2,
    along: (f64, f64),
    inward: (f64, f64),
    left: f64,
}

impl Wall {
    fn free(&self) -> f64 {
        self.left
    }

    fn take(&mut self, width: f64) -> Pose {
        let here = self.at.at_height(0.0);
        let ahead = Point3::new(here.x + self.along.0, here.y + self.along.1, 0.0);
        let back = Point3::new(here.x - self.inward.0, here.y - self.inward.1, 0.0);
        let step = width + BETWEEN_M;
        self.at = Point2::new(self.at.x + self.along.0 * step, self.at.y + self.along.1 * step);
        self.left -= step;
        Pose::through(here, ahead, back).expect("along a wall and across it are two directions")
    }
}

fn walls(room: &Room) -> Vec<Wall> {
    let Room { width, depth, shelf_depth, .. } = *room;
    let front = BEHIND_M + shelf_depth;
    // The side walls end where the bays of the back wall need their aisle.
    let side = depth - front - AISLE_M - ENTRANCE_M;
    if depth < front + AISLE_M {
        return Vec::new();
    }
    let back =
        Wall { at: Point2::new(BEHIND_M, depth - front), along: (1.0, 0.0), inward: (0.0, -1.0), left: width - 0.1 };
    let mut walls = vec![back];
    if width >= 2.0 * front + AISLE_M {
        let top = ENTRANCE_M + side;
        walls.insert(0, Wall { at: Point2::new(front, ENTRANCE_M), along: (0.0, 1.0), inward: (1.0, 0.0), left: side });
        walls.push(Wall { at: Point2::new(width - front, top), along: (0.0, -1.0), inward: (-1.0, 0.0), left: side });
    }
    walls
}

fn hang(layout: &mut Layout, room: &Room, stack: Stack, pose: &Pose) {
    let footprint = pose.corners(stack.width, room.shelf_depth).map(Point3::floor).to_vec();
    let apart = (HEIGHTS_M.1 - HEIGHTS_M.0) / (stack.shelves.len().max(2) - 1) as f64;
    for (n, (id, plates)) in stack.shelves.into_iter().enumerate() {
        // A millimetre is what a tape measure shows.
        let z = ((HEIGHTS_M.0 + n as f64 * apart.min(0.45)) * 1e3).round() / 1e3;
        let level = |x: f64, y: f64| pose.apply(Point3::new(x, y, z));
        let (width, depth) = (f64::from(plates.max(1)) * room.plate_width, room.shelf_depth);
        let centre = |no: PlateNo| level((f64::from(no) - 0.5) * room.plate_width, depth / 2.0);
        let shelf = Shelf {
            id: id.clone(),
            bay: stack.id.clone(),
            corners: [level(0.0, 0.0), level(width, 0.0), level(width, depth), level(0.0, depth)],
            plates: (1..=plates).map(|no| Plate { no, centre: centre(no) }).collect(),
        };
        layout.shelves.insert(id, shelf);
    }
    layout.bays.insert(stack.id.clone(), Bay { id: stack.id, footprint });
}

/// Gates share the door's width, side by side; the whole of it is the exit line.
fn door(layout: &mut Layout, room: &Room, gates: &[(GateId, GateDirection)]) {
    let (left, right) = (room.door_at - room.door_width / 2.0, room.door_at + room.door_width / 2.0);
    let line = |from: f64, to: f64| Line {
        from: Point2::new(from, 0.0),
        to: Point2::new(to, 0.0),
        inside: Point2::new((from + to) / 2.0, 1.0),
    };
    layout.exit_lines = vec![line(left, right)];
    let polygon = rectangle((left - 0.4, -1.2), (right + 0.4, 1.0), 0.0);
    layout.zones = [ZoneKind::Entry, ZoneKind::Exit].map(|kind| Zone { kind, polygon: polygon.clone() }).to_vec();
    let width = room.door_width / gates.len().max(1) as f64;
    for (n, (id, direction)) in gates.iter().enumerate() {
        let from = left + n as f64 * width;
        let gate = Gate {
            id: id.clone(),
            reader: Point2::new(from + width / 4.0, -0.4),
            line: line(from, from + width),
            direction: *direction,
        };
        layout.gates.insert(id.clone(), gate);
    }
}

fn cameras(layout: &mut Layout, room: &Room, things: &Things) -> Result<(), String> {
    let whole = rectangle((0.0, 0.0), (room.width, room.depth), STREET_M);
    for id in &things.people {
        let (id, covers) = (id.clone(), whole.clone());
        let camera = Camera { id: id.clone(), kind: CameraKind::People, covers, projection: None, size: (0, 0) };
        layout.cameras.insert(id, camera);
    }
    let corners = [(0.1, 0.1), (room.width - 0.1, room.depth - 0.1), (room.width - 0.1, 0.1), (0.1, room.depth - 0.1)];
    let middle = Point3::new(room.width / 2.0, room.depth / 2.0, 0.0);
    for (n, (id, kind, size)) in things.eyes.iter().enumerate() {
        let (x, y) = corners[n % corners.len()];
        let pose = Pose::looking_at(Point3::new(x, y, CEILING_M), middle).ok_or("a room without a middle")?;
        let (width, height) = (f64::from(size.0), f64::from(size.1));
        let lens = Lens {
            fx: FOCAL * width,
            fy: FOCAL * width,
            cx: width / 2.0,
            cy: height / 2.0,
            k1: 0.0,
            k2: 0.0,
            p1: 0.0,
            p2: 0.0,
            k3: 0.0,
        };
        let camera = Camera {
            id: id.clone(),
            kind: kind.clone(),
            covers: layout.outline.clone(),
            projection: Some(lens.projection(&pose)),
            size: *size,
        };
        layout.lenses.insert(id.clone(), lens);
        layout.cameras.insert(id.clone(), camera);
    }
    Ok(())
}

fn rectangle(low: (f64, f64), high: (f64, f64), grow: f64) -> Vec<Point2> {
    let (left, right, front, back) = (low.0 - grow, high.0 + grow, low.1 - grow, high.1 + grow);
    [(left, front), (right, front), (right, back), (left, back)].map(|(x, y)| Point2::new(x, y)).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::{Catalogue, Planogram, Shop, TaxClass};

    fn shelves(bays: u16, high: u16, plates: u16) -> Vec<(ShelfId, PlateNo)> {
        let names = (1..=bays).flat_map(|bay| (1..=high).map(move |n| format!("{bay}-{n}")));
        names.map(|name| (ShelfId::new(name), plates)).collect()
    }

    #[test]
    fn whatever_is_heard_finds_a_place_and_the_plan_has_no_fault() {
        let eye = |n: u16| {
            let kind = CameraKind::Rtsp { url: format!("rtsp://10.0.0.{n}/") };
            (CameraId::new(format!("ceiling-{n}")), kind, (1920, 1080))
        };
        for (what, shelves, gates, eyes) in [
            ("one shelf", shelves(1, 1, 1), 1, 0),
            ("the demo shop", shelves(3, 3, 12), 1, 1),
            ("twenty bays", shelves(20, 6, 12), 2, 4),
            ("more above each other than a bay holds", shelves(1, 20, 8), 1, 5),
            ("no gate", shelves(2, 2, 4), 0, 0),
        ] {
            let things = Things {
                gates: (1..=gates).map(|n| (GateId::new(format!("gate-{n}")), GateDirection::Both)).collect(),
                people: vec![CameraId::new("people-1")],
                eyes: (1..=eyes).map(eye).collect(),
                shelves,
            };
            let room = room_for(&things);
            let layout = draw(&room, &things).unwrap_or_else(|why| panic!("{what}: {why}"));
            assert_eq!(layout.shelves.len(), things.shelves.len(), "{what}");
            let mut catalogue = Catalogue::default();
            catalogue.insert_tax_class(TaxClass { name: "standard".into(), rate_bp: 1900 });
            let shop = Shop {
                id: crate::base::ShopId::new("s"),
                name: "S".into(),
                currency: "EUR".into(),
                timezone: "UTC".into(),
                tax_included: true,
                layout,
                planogram: Planogram::default(),
                catalogue,
            };
            let text = shop.shop_toml();
            match Shop::parse(&text, "shelf,plate,product\n", "product,name,price\nX,X,1\n") {
                Ok((read, problems)) => {
                    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
                    let expected = told.iter().all(|p| p.contains("no gate") || p.contains("catalogue.csv"));
                    assert!(expected, "{what}: {told:?}");
                    assert_eq!(read.layout.shelves.len(), things.shelves.len(), "{what}");
                }
                Err(problems) => panic!("{what}: {problems:#?}\n{text}"),
            }
        }
    }

    #[test]
    fn a_room_that_is_too_small_is_said_to_be() {
        let things = Things { shelves: shelves(10, 3, 12), ..Things::default() };
        let room = Room { width: 4.0, depth: 4.0, door_at: 2.0, ..Room::default() };
        let why = draw(&room, &things).expect_err("twelve metres of bays");
        assert!(why.contains("4 x 4 m") && why.contains("12.7 m"), "{why}");
        let why = draw(&Room { door_at: 0.2, ..room }, &things).expect_err("a door beside the wall");
        assert!(why.contains("does not fit"), "{why}");
    }

    #[test]
    fn people_count_nine_before_ten() {
        let mut names: Vec<_> = ["1-10", "1-9", "b", "a-2", "2-1"].map(|name| (ShelfId::new(name), 1)).to_vec();
        in_order(&mut names);
        let names: Vec<&str> = names.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(names, ["1-9", "1-10", "2-1", "a-2", "b"]);
    }
}
