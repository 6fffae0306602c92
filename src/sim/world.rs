//! The shop as it is: how things and people behave in it (`parameters`), and what somebody on foot knows of it: what is in
//! the way, where to stand before a plate, how to come in and out.
//!
//! Computed once from the shop files. It knows no time and nobody in particular: `plan` decides who walks when.

use super::parameters::Parameters;
use super::person::HAND_M;
use crate::base::{GateId, PlateNo, Point2, Point3, ShelfId};
use crate::shop::{GateDirection, Layout, Shop};
use std::sync::Arc;

/// Ordinary walking in a shop, metres a second (wire.md, scripts).
pub const WALK_M_S: f64 = 1.3;
/// The middle of a body keeps this far from shelves, metres: half a shoulder width and a little.
const BODY_M: f64 = 0.25;
/// Where one stands to take something: this far from the shelf's front edge, metres.
const STAND_M: f64 = 0.42;

/// Goods stand this high on a shelf, metres: what hides somebody behind the highest.
const GOODS_M: f64 = 0.25;

pub struct World {
    pub shop: Arc<Shop>,
    pub parameters: Arc<Parameters>,
    bays: Vec<Obstacle>,
    /// Corners to walk around, and which of them see each other.
    corners: Vec<Point2>,
    sees: Vec<Vec<usize>>,
    ways_in: Vec<Way>,
    ways_out: Vec<Way>,
}

/// A convex thing on the floor, counter-clockwise: as it stands, and grown by half a body.
struct Obstacle {
    stands: Vec<Point2>,
    grown: Vec<Point2>,
    /// Top of its highest shelf with goods on it, metres.
    height_m: f64,
}

/// A way into or out of the shop: through a gate, or over an exit line without one.
#[derive(Clone, Debug)]
pub struct Way {
    pub gate: Option<GateId>,
    /// Where to stand for the reader; for a way out, the place before the line.
    pub reader: Point2,
    /// Where the line is crossed.
    pub crossing: Point2,
    /// One step inside and some steps outside of the line.
    pub inside: Point2,
    pub outside: Point2,
    /// Unit vector along the line.
    pub along: Point2,
    /// Unit vector into the shop.
    pub inward: Point2,
}

/// The place in front of some plates of a shelf.
#[derive(Clone, Copy, Debug)]
pub struct Front {
    /// Where a shopper stands who is alone there.
    pub spot: Point2,
    /// Unit vector along the shelf, in plate order.
    pub along: Point2,
    /// Unit vector from the shelf to the shopper.
    pub outward: Point2,
    /// What the hand goes to.
    pub target: Point3,
}

fn unit(from: Point2, to: Point2) -> Point2 {
    let length = from.distance(to);
    if length > 1e-9 { Point2::new((to.x - from.x) / length, (to.y - from.y) / length) } else { Point2::new(1.0, 0.0) }
}

/// `p` moved `m` metres along the unit vector `by`.
pub fn moved(p: Point2, by: Point2, m: f64) -> Point2 {
    Point2::new(p.x + by.x * m, p.y + by.y * m)
}

impl World {
    /// With the figures that come with the program. Fails on a shop that nobody can enter or leave.
    pub fn new(shop: Arc<Shop>) -> Result<World, String> {
        World::behaving(shop, Arc::new(Parameters::default()))
    }

    pub fn behaving(shop: Arc<Shop>, parameters: Arc<Parameters>) -> Result<World, String> {
        let layout = &shop.layout;
        let bays: Vec<Obstacle> = layout
            .bays
            .values()
            .filter_map(|bay| {
                let mut points = bay.footprint.clone();
                let shelves = layout.shelves.values().filter(|shelf| shelf.bay == bay.id);
                points.extend(shelves.flat_map(|shelf| shelf.corners.map(Point3::floor)));
                let stands = hull(points);
                let shelves = layout.shelves.values().filter(|shelf| shelf.bay == bay.id);
                let height_m = shelves.map(|shelf| shelf.centre().z + GOODS_M).fold(0.0, f64::max);
                (stands.len() >= 3).then(|| Obstacle { grown: grow(&stands, BODY_M), stands, height_m })
            })
            .collect();
        let (ways_in, ways_out) = ways(layout);
        if ways_in.is_empty() {
            return Err(format!("shop {} has no gate that lets people in: add one with direction in or both", shop.id));
        }
        if ways_out.is_empty() {
            return Err(format!("shop {} has neither an exit line nor a gate that lets people out", shop.id));
        }
        let (corners, sees) = (Vec::new(), Vec::new());
        let mut world = World { shop: shop.clone(), parameters, bays, corners, sees, ways_in, ways_out };
        let around = world.bays.iter().flat_map(|bay| grow(&bay.stands, BODY_M + 0.02));
        let walls = reflex_corners(&layout.outline);
        let free = |p: &Point2| layout.is_inside(*p) && !world.bays.iter().any(|bay| contains(&bay.grown, *p));
        world.corners = around.chain(walls).filter(free).collect();
        world.sees = (0..world.corners.len())
            .map(|i| {
                let open = |&j: &usize| i != j && world.is_open(world.corners[i], world.corners[j]);
                (0..world.corners.len()).filter(open).collect()
            })
            .collect();
        Ok(world)
    }

    pub fn ways_in(&self) -> &[Way] {
        &self.ways_in
    }

    pub fn ways_out(&self) -> &[Way] {
        &self.ways_out
    }

    /// Whether a body may stand at `p`.
    pub fn is_free(&self, p: Point2) -> bool {
        self.shop.layout.is_inside(p) && !self.bays.iter().any(|bay| contains(&bay.grown, p))
    }

    /// Whether a bay is in the way from a camera to a point. The bay a hand is in does not hide it: its front is open.
    pub fn is_behind_a_bay(&self, mount: Point3, p: Point3) -> bool {
        let (from, to) = (mount.floor(), p.floor());
        self.bays.iter().filter(|bay| !contains(&bay.stands, to)).any(|bay| {
            passage(&bay.stands, from, to).is_some_and(|(enter, leave)| {
                // Sight falls or rises evenly: the lower of both ends counts.
                let height_m = |at: f64| mount.z + (p.z - mount.z) * at;
                height_m(enter).min(height_m(leave)) < bay.height_m
            })
        })
    }

    /// `None` when the shelf or one of the plates does not exist.
    pub fn front(&self, shelf: &ShelfId, plates: &[PlateNo]) -> Option<Front> {
        let shelf = self.shop.layout.shelves.get(shelf)?;
        let mut middle = Point3::default();
        for no in plates {
            let centre = shelf.plate(*no)?.centre;
            middle = Point3::new(middle.x + centre.x, middle.y + centre.y, middle.z + centre.z);
        }
        let n = plates.len() as f64;
        let target = Point3::new(middle.x / n, middle.y / n, middle.z / n + HAND_M);
        let [origin, right, _, back] = shelf.corners.map(Point3::floor);
        let (along, outward) = (unit(origin, right), unit(back, origin));
        // The point of the front edge before the plates, then a step back.
        let t = target.floor();
        let depth = (t.x - origin.x) * outward.x + (t.y - origin.y) * outward.y;
        let spot = moved(t, outward, STAND_M - depth);
        Some(Front { spot, along, outward, target })
    }

    /// The shortest way on foot, both ends included. A straight line where the floor plan leaves no way at all.
    pub fn path(&self, from: Point2, to: Point2) -> Vec<Point2> {
        if self.is_open(from, to) {
            return vec![from, to];
        }
        let n = self.corners.len();
        let to_goal: Vec<Option<f64>> =
            self.corners.iter().map(|c| self.is_open(*c, to).then(|| c.distance(to))).collect();
        let mut best: Vec<(f64, Option<usize>)> = vec![(f64::INFINITY, None); n];
        let mut done = vec![false; n];
        for (corner, best) in self.corners.iter().zip(&mut best) {
            if self.is_open(from, *corner) {
                best.0 = from.distance(*corner);
            }
        }
        while let Some(i) =
            (0..n).filter(|&i| !done[i] && best[i].0.is_finite()).min_by(|&a, &b| best[a].0.total_cmp(&best[b].0))
        {
            done[i] = true;
            for &j in &self.sees[i] {
                let length = best[i].0 + self.corners[i].distance(self.corners[j]);
                if length < best[j].0 {
                    best[j] = (length, Some(i));
                }
            }
        }
        let last = (0..n)
            .filter_map(|i| to_goal[i].map(|rest| (best[i].0 + rest, i)))
            .filter(|(length, _)| length.is_finite())
            .min_by(|a, b| a.0.total_cmp(&b.0));
        let mut path = vec![to];
        let mut at = last.map(|(_, i)| i);
        while let Some(i) = at {
            path.push(self.corners[i]);
            at = best[i].1;
        }
        path.push(from);
        path.reverse();
        path
    }

    /// Whether one can walk straight from `a` to `b`. A bay that either end already leans over counts as it stands.
    fn is_open(&self, a: Point2, b: Point2) -> bool {
        let free_of_bays = self.bays.iter().all(|bay| {
            let close = contains(&bay.grown, a) || contains(&bay.grown, b);
            !crosses(if close { &bay.stands } else { &bay.grown }, a, b)
        });
        let outline = &self.shop.layout.outline;
        let indoors = self.shop.layout.is_inside(a) && self.shop.layout.is_inside(b);
        free_of_bays && (!indoors || edges(outline).all(|(c, d)| !meet(a, b, c, d)))
    }
}

fn ways(layout: &Layout) -> (Vec<Way>, Vec<Way>) {
    let (mut ways_in, mut ways_out) = (Vec::new(), Vec::new());
    for gate in layout.gates.values() {
        // On a line for both ways one keeps to one side: who comes in to the reader's.
        let along = unit(gate.line.from, gate.line.to);
        let middle = gate.line.from.toward(gate.line.to, 0.5);
        let reader = (gate.reader.x - middle.x) * along.x + (gate.reader.y - middle.y) * along.y;
        let aside = if gate.direction == GateDirection::Both { 0.25f64.copysign(reader) } else { 0.0 };
        if gate.direction != GateDirection::Out {
            ways_in.push(way(Some(gate.id.clone()), Some(gate.reader), &gate.line, aside));
        }
        if gate.direction != GateDirection::In {
            ways_out.push(way(Some(gate.id.clone()), None, &gate.line, -aside));
        }
    }
    if ways_out.is_empty() {
        ways_out.extend(layout.exit_lines.iter().map(|line| way(None, None, line, 0.0)));
    }
    (ways_in, ways_out)
}

fn way(gate: Option<GateId>, reader: Option<Point2>, line: &crate::base::geometry::Line, aside: f64) -> Way {
    let along = unit(line.from, line.to);
    let mut inward = Point2::new(-along.y, along.x);
    let middle = line.from.toward(line.to, 0.5);
    if !line.is_inside(moved(middle, inward, 0.1)) {
        inward = Point2::new(-inward.x, -inward.y);
    }
    let crossing = moved(middle, along, aside * line.from.distance(line.to));
    let inside = moved(crossing, inward, 0.8);
    Way {
        reader: reader.unwrap_or(inside),
        outside: moved(crossing, inward, -1.6),
        gate,
        crossing,
        inside,
        along,
        inward,
    }
}

fn edges(polygon: &[Point2]) -> impl Iterator<Item = (Point2, Point2)> + '_ {
    (0..polygon.len()).map(|i| (polygon[i], polygon[(i + 1) % polygon.len()]))
}

fn cross(o: Point2, a: Point2, b: Point2) -> f64 {
    (a.x - o.x) * (b.y - o.y) - (a.y - o.y) * (b.x - o.x)
}

/// Convex hull, counter-clockwise (monotone chain).
fn hull(mut points: Vec<Point2>) -> Vec<Point2> {
    points.sort_by(|a, b| a.x.total_cmp(&b.x).then(a.y.total_cmp(&b.y)));
    points.dedup();
    let half = |points: &mut dyn Iterator<Item = Point2>| {
        let mut chain: Vec<Point2> = Vec::new();
        for p in points {
            while chain.len() >= 2 && cross(chain[chain.len() - 2], chain[chain.len() - 1], p) <= 1e-12 {
                chain.pop();
            }
            chain.push(p);
        }
        chain.pop();
        chain
    };
    let mut lower = half(&mut points.iter().copied());
    lower.extend(half(&mut points.iter().rev().copied()));
    lower
}

/// A counter-clockwise convex polygon with every edge `by` metres further out.
fn grow(polygon: &[Point2], by: f64) -> Vec<Point2> {
    let n = polygon.len();
    let normal = |i: usize| {
        let along = unit(polygon[i], polygon[(i + 1) % n]);
        Point2::new(along.y, -along.x)
    };
    (0..n)
        .map(|i| {
            let (a, b) = (normal((i + n - 1) % n), normal(i));
            let scale = by / (1.0 + a.x * b.x + a.y * b.y).max(0.2);
            Point2::new(polygon[i].x + (a.x + b.x) * scale, polygon[i].y + (a.y + b.y) * scale)
        })
        .collect()
}

fn contains(polygon: &[Point2], p: Point2) -> bool {
    edges(polygon).all(|(a, b)| cross(a, b, p) > 1e-9)
}

/// Whether the segment passes through a counter-clockwise convex polygon.
fn crosses(polygon: &[Point2], a: Point2, b: Point2) -> bool {
    passage(polygon, a, b).is_some()
}

/// The part of the segment within a counter-clockwise convex polygon, as shares of its length (Cyrus-Beck clipping).
fn passage(polygon: &[Point2], a: Point2, b: Point2) -> Option<(f64, f64)> {
    let (mut enter, mut leave) = (0.0f64, 1.0f64);
    for (c, d) in edges(polygon) {
        let (fa, fb) = (cross(c, d, a), cross(c, d, b));
        if fa <= 0.0 && fb <= 0.0 {
            return None;
        }
        if fa < 0.0 || fb < 0.0 {
            let t = fa / (fa - fb);
            if fa < 0.0 {
                enter = enter.max(t);
            } else {
                leave = leave.min(t);
            }
        }
    }
    (leave - enter > 1e-6).then_some((enter, leave))
}

/// Whether two segments properly cross.
fn meet(a: Point2, b: Point2, c: Point2, d: Point2) -> bool {
    cross(a, b, c) * cross(a, b, d) < 0.0 && cross(c, d, a) * cross(c, d, b) < 0.0
}

/// Places just inside of the corners that stick into a floor that is not convex.
fn reflex_corners(outline: &[Point2]) -> Vec<Point2> {
    let n = outline.len();
    let area: f64 = edges(outline).map(|(a, b)| a.x * b.y - b.x * a.y).sum();
    (0..n)
        .filter(|&i| cross(outline[(i + n - 1) % n], outline[i], outline[(i + 1) % n]) * area < 0.0)
        .map(|i| {
            let (before, after) = (unit(outline[(i + n - 1) % n], outline[i]), unit(outline[(i + 1) % n], outline[i]));
            let inward = unit(Point2::default(), Point2::new(before.x + after.x, before.y + after.y));
            moved(outline[i], inward, BODY_M * 1.5)
        })
        .collect()
}
