//! Where things stand: floor, zones, gates, bays -> shelves -> plates, cameras. Metres in the shop frame.

use super::lens::Lens;
use crate::base::geometry::{Line, within};
use crate::base::{BayId, CameraId, GateId, PlateNo, Point2, Point3, ShelfId};
use std::collections::BTreeMap;

/// An exit line with its middle this close to a gate's line is in the same door, metres.
const SAME_DOOR_M: f64 = 0.5;

#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// The floor's outline; a body outside it is outside the shop.
    pub outline: Vec<Point2>,
    pub zones: Vec<Zone>,
    /// Crossing one of these outward is leaving.
    pub exit_lines: Vec<Line>,
    pub gates: BTreeMap<GateId, Gate>,
    pub bays: BTreeMap<BayId, Bay>,
    pub shelves: BTreeMap<ShelfId, Shelf>,
    pub cameras: BTreeMap<CameraId, Camera>,
    /// Lenses of the cameras described by intrinsics and pose; the others' pictures are straight already.
    pub lenses: BTreeMap<CameraId, Lens>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneKind {
    Entry,
    Exit,
    /// Stock room, counter: a body that appears here is staff, not a tailgater.
    Staff,
}

#[derive(Clone, Debug)]
pub struct Zone {
    pub kind: ZoneKind,
    pub polygon: Vec<Point2>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateDirection {
    In,
    Out,
    Both,
}

#[derive(Clone, Debug)]
pub struct Gate {
    pub id: GateId,
    /// Where a person stands to tap.
    pub reader: Point2,
    pub line: Line,
    pub direction: GateDirection,
}

/// A gondola: what the page draws.
#[derive(Clone, Debug)]
pub struct Bay {
    pub id: BayId,
    /// Corners of its footprint on the floor, in order.
    pub footprint: Vec<Point2>,
}

#[derive(Clone, Debug)]
pub struct Shelf {
    pub id: ShelfId,
    pub bay: BayId,
    /// Corners of its surface in the shop frame, in order (origin, +x, +x+y, +y of the shelf frame).
    pub corners: [Point3; 4],
    /// In plate order; numbers count from 1 without gaps.
    pub plates: Vec<Plate>,
}

#[derive(Clone, Debug)]
pub struct Plate {
    pub no: PlateNo,
    /// Middle of the plate's surface in the shop frame.
    pub centre: Point3,
}

#[derive(Clone, Debug, PartialEq)]
pub enum CameraKind {
    Rtsp {
        url: String,
    },
    Usb {
        device: String,
    },
    File {
        path: String,
    },
    /// Frames are looked at elsewhere; only `people` messages come.
    People,
}

#[derive(Clone, Debug)]
pub struct Camera {
    pub id: CameraId,
    pub kind: CameraKind,
    /// Floor it sees; which shelves it sees follows from it.
    pub covers: Vec<Point2>,
    /// World metres (x, y, z, 1) to pixels (u w, v w, w). `None` for [`CameraKind::People`] that send `floor`.
    pub projection: Option<[[f64; 4]; 3]>,
    /// Pixels of the picture the projection speaks of: width, height.
    pub size: (u32, u32),
}

impl Shelf {
    /// Middle of the shelf's surface.
    pub fn centre(&self) -> Point3 {
        let sum = self.corners.iter().fold(Point3::default(), |a, c| Point3::new(a.x + c.x, a.y + c.y, a.z + c.z));
        Point3::new(sum.x / 4.0, sum.y / 4.0, sum.z / 4.0)
    }

    pub fn plate(&self, no: PlateNo) -> Option<&Plate> {
        self.plates.get(usize::from(no).checked_sub(1)?)
    }
}

impl Layout {
    pub fn is_inside(&self, p: Point2) -> bool {
        within(&self.outline, p)
    }

    /// Every line that people cross to come and go; of a gate, with its name. An exit line in a gate's door is the gate's.
    pub fn lines(&self) -> impl Iterator<Item = (Option<&GateId>, &Line)> {
        let of_gates = self.gates.values().map(|gate| (Some(&gate.id), &gate.line));
        let middle = |line: &Line| line.from.toward(line.to, 0.5);
        let same_door =
            move |line: &&Line| self.gates.values().any(|gate| gate.line.distance(middle(line)) <= SAME_DOOR_M);
        of_gates.chain(self.exit_lines.iter().filter(move |line| !same_door(line)).map(|line| (None, line)))
    }

    /// Whether somebody standing here may just have come in: outside the floor, or within a metre of a gate or exit line.
    pub fn is_doorway(&self, p: Point2) -> bool {
        let near = |line: &Line| line.distance(p) <= 1.0;
        (!self.outline.is_empty() && !self.is_inside(p))
            || self.gates.values().any(|gate| near(&gate.line))
            || self.exit_lines.iter().any(near)
    }

    pub fn in_zone(&self, kind: ZoneKind, p: Point2) -> bool {
        self.zones.iter().any(|zone| zone.kind == kind && within(&zone.polygon, p))
    }

    /// Cameras whose floor polygon holds a person at this shelf: within 1.2 m of its middle, an arm and half a body.
    pub fn cameras_seeing(&self, shelf: &ShelfId) -> Vec<CameraId> {
        let Some(shelf) = self.shelves.get(shelf) else { return Vec::new() };
        let middle = shelf.centre().floor();
        let around = [[0.0, 0.0], [1.2, 0.0], [-1.2, 0.0], [0.0, 1.2], [0.0, -1.2]];
        let sees = |camera: &&Camera| {
            around.iter().any(|[dx, dy]| within(&camera.covers, Point2::new(middle.x + dx, middle.y + dy)))
        };
        self.cameras.values().filter(sees).map(|camera| camera.id.clone()).collect()
    }
}
