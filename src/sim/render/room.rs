//! What stands still in a shop, as solids: walls with their doors, gates, bays with their shelves.
//!
//! Computed once from the layout and a seed, for all of its cameras. Goods are `goods`' and change.

use super::decor::Decor;
use super::goods::Board;
use super::grain::{Rgb, times};
use super::pack::Pack;
use super::solid::{Block, Entry, UP, V3, v3};
use crate::base::geometry::within;
use crate::base::{Point2, Point3};
use crate::shop::{Layout, Shop};
use crate::sim::chance::Chance;
use std::collections::BTreeMap;

const WALL_M: f32 = 0.12;
/// Doors are this high, metres.
const DOOR_M: f32 = 2.2;
const BOARD_M: f32 = 0.03;
/// Cells of the map of shadows that furniture casts on the floor, metres.
const CELL_M: f32 = 0.05;
/// What is further from furniture is not in its shadow.
const SHADOW_M: f32 = 0.6;

pub enum Paint {
    /// Which wall.
    Wall(u32),
    Board,
    Label,
    Plain(Rgb),
    /// A pack, and how much light comes to where it stands.
    Pack(Box<Pack>, f32),
}

pub struct Solid {
    pub block: Block,
    pub paint: Paint,
    /// A wall's way out: it is not seen from there, so that a camera that hangs outside sees into the shop.
    pub outward: Option<V3>,
}

impl Solid {
    /// Not seen from `eye`, which looks from its way out.
    pub fn is_behind(&self, eye: V3) -> bool {
        self.outward.is_some_and(|outward| (eye - self.block.middle).dot(outward) > 0.0)
    }
}

pub struct Room {
    pub decor: Decor,
    pub solids: Vec<Solid>,
    outline: Vec<Point2>,
    /// From the side light comes from a little more.
    pub side: V3,
    shadows: Shadows,
}

/// How light the floor is between furniture: 1 in the open.
struct Shadows {
    low: Point2,
    columns: usize,
    rows: usize,
    light: Vec<f32>,
}

impl Room {
    pub fn new(shop: &Shop, seed: u64, highest_m: f64) -> Room {
        let mut chance = Chance::new(seed, "room");
        let decor = Decor::new(seed, highest_m);
        let (sin, cos) = libm::sincos(chance.between(0.0, std::f64::consts::TAU));
        let layout = &shop.layout;
        let mut solids = walls(layout, &decor);
        gates(layout, &mut solids);
        bays(shop, &decor, &mut solids);
        Room {
            solids,
            outline: layout.outline.clone(),
            side: v3(cos as f32, sin as f32, 0.0),
            shadows: Shadows::of(layout),
            decor,
        }
    }

    /// Whether nothing that stands still is between two points.
    pub fn is_free(&self, from: Point3, to: Point3) -> bool {
        let (eye, ray) = (V3::from(from), V3::from(to) - V3::from(from));
        self.solids.iter().all(|solid| {
            solid.is_behind(eye) || solid.block.enter(solid.block.local(eye), ray).is_none_or(|entry| entry.t >= 1.0)
        })
    }

    /// How much light a surface that faces along `normal` gets, about 1.
    pub fn light(&self, normal: V3) -> f32 {
        0.8 + 0.2 * normal.z + 0.13 * normal.dot(self.side)
    }

    pub fn colour(&self, solid: &Solid, entry: &Entry) -> Rgb {
        let Block { axes, half, .. } = &solid.block;
        let [x, y, z] = entry.local;
        let at = [x / half[0], y / half[1], z / half[2]];
        let (decor, front) = (&self.decor, entry.axis == 1 && entry.sign < 0.0);
        let (colour, dim) = match &solid.paint {
            Paint::Wall(no) => {
                let up = solid.block.middle.z + z;
                (decor.wall(x + half[0], up, *no), 0.8 + 0.2 * (up / 0.4).clamp(0.0, 1.0))
            }
            Paint::Board if entry.axis == 2 => (decor.board, 0.85 - 0.25 * at[1]),
            Paint::Board => (decor.board, if front { 1.0 } else { 0.9 }),
            Paint::Label => {
                // A price every 12 cm.
                let place = (x + half[0]).rem_euclid(0.12);
                let text = (0.02..0.08).contains(&place);
                let digits = text && (place * 180.0) as i32 % 2 == 0 && at[2].abs() < 0.5;
                (
                    if digits {
                        [40.0; 3]
                    } else if text {
                        [245.0, 243.0, 235.0]
                    } else {
                        decor.label
                    },
                    1.0,
                )
            }
            Paint::Plain(colour) => (*colour, 1.0),
            Paint::Pack(pack, dim) => (pack.colour(entry.axis, at), *dim),
        };
        times(colour, dim * self.light(axes[entry.axis] * entry.sign))
    }

    /// Where no solid is in the way: colour and depth along `ray`.
    pub fn beyond(&self, eye: V3, ray: V3) -> (Rgb, f32) {
        if ray.z < -1e-5 {
            let t = -eye.z / ray.z;
            if t < 60.0 {
                let p = eye + ray * t;
                let at = Point2::new(p.x.into(), p.y.into());
                if within(&self.outline, at) {
                    return (times(self.decor.floor(p.x, p.y), self.shadows.at(p.x, p.y)), t);
                }
                return (self.decor.street(p.x, p.y), t);
            }
        }
        if ray.z > 1e-5 && eye.z < self.decor.ceiling_m {
            let t = (self.decor.ceiling_m - eye.z) / ray.z;
            let p = eye + ray * t;
            if within(&self.outline, Point2::new(p.x.into(), p.y.into())) {
                return (self.decor.ceiling(p.x, p.y), t);
            }
        }
        (self.decor.sky(ray.z / ray.length() * 2.0), f32::MAX)
    }
}

/// Blocks along the outline, outside of it, with a hole at every gate and exit line, and a lintel over the hole.
fn walls(layout: &Layout, decor: &Decor) -> Vec<Solid> {
    let mut solids = Vec::new();
    let outline = &layout.outline;
    let lines = layout.gates.values().map(|gate| &gate.line).chain(&layout.exit_lines);
    let doors: Vec<(V3, V3)> = lines.map(|line| (line.from.into(), line.to.into())).collect();
    for i in 0..outline.len() {
        let (from, to) = (V3::from(outline[i]), V3::from(outline[(i + 1) % outline.len()]));
        let (along, long) = ((to - from).unit(), (to - from).length());
        let mut outward = v3(along.y, -along.x, 0.0);
        let beside = from.toward(to, 0.5) + outward * 0.05;
        if within(outline, Point2::new(beside.x.into(), beside.y.into())) {
            outward = -outward;
        }
        let mut holes: Vec<(f32, f32)> = doors
            .iter()
            .filter(|(a, b)| (*a - from).dot(outward).abs() < 0.3 && (*b - from).dot(outward).abs() < 0.3)
            .map(|(a, b)| ((*a - from).dot(along), (*b - from).dot(along)))
            .map(|(a, b)| (a.min(b).max(0.0), a.max(b).min(long)))
            .filter(|(a, b)| a < b)
            .collect();
        holes.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut piece = |a: f32, b: f32, low: f32, high: f32| {
            if b - a > 0.01 && high - low > 0.01 {
                let middle = from + along * ((a + b) / 2.0) + outward * (WALL_M / 2.0) + UP * ((low + high) / 2.0);
                let half = [(b - a) / 2.0, WALL_M / 2.0, (high - low) / 2.0];
                let block = Block { middle, axes: [along, outward, UP], half };
                solids.push(Solid { block, paint: Paint::Wall(i as u32), outward: Some(outward) });
            }
        };
        let mut done = 0.0;
        for (a, b) in holes {
            piece(done, a, 0.0, decor.ceiling_m);
            piece(a.max(done), b, DOOR_M, decor.ceiling_m);
            done = b.max(done);
        }
        piece(done, long, 0.0, decor.ceiling_m);
    }
    solids
}

/// A post for the reader, two for the door.
fn gates(layout: &Layout, solids: &mut Vec<Solid>) {
    let mut post = |at: V3, wide: f32, tall: f32, colour: Rgb| {
        let origin = at - v3(wide / 2.0, wide / 2.0, 0.0);
        let block = Block::standing(origin, v3(1.0, 0.0, 0.0), [wide, wide, tall]);
        solids.push(Solid { block, paint: Paint::Plain(colour), outward: None });
    };
    for gate in layout.gates.values() {
        post(gate.reader.into(), 0.14, 1.05, [60.0, 62.0, 66.0]);
        post(gate.line.from.into(), 0.07, DOOR_M, [150.0, 152.0, 155.0]);
        post(gate.line.to.into(), 0.07, DOOR_M, [150.0, 152.0, 155.0]);
    }
}

fn bays(shop: &Shop, decor: &Decor, solids: &mut Vec<Solid>) {
    let mut by_bay: BTreeMap<&str, Vec<Board>> = BTreeMap::new();
    for shelf in shop.layout.shelves.values() {
        by_bay.entry(shelf.bay.as_str()).or_default().push(Board::of(shop, shelf));
    }
    for boards in by_bay.values() {
        let mut solid = |board: &Board, at: [f32; 3], size: [f32; 3], paint: Paint| {
            let origin = board.origin + board.along * at[0] + board.back * at[1] + UP * at[2];
            let middle = origin + board.along * (size[0] / 2.0) + board.back * (size[1] / 2.0) + UP * (size[2] / 2.0);
            let block = Block { middle, axes: [board.along, board.back, UP], half: size.map(|side| side / 2.0) };
            solids.push(Solid { block, paint, outward: None });
        };
        for board in boards {
            let (long, deep) = (board.long_m, board.deep_m);
            solid(board, [0.0, 0.0, -BOARD_M], [long, deep, BOARD_M], Paint::Board);
            solid(board, [0.0, -0.008, -BOARD_M - 0.008], [long, 0.008, BOARD_M + 0.01], Paint::Label);
        }
        let Some(low) = boards.iter().min_by(|a, b| a.origin.z.total_cmp(&b.origin.z)) else { continue };
        let top = boards.iter().map(|board| board.origin.z).fold(0.0, f32::max) + 0.33;
        let (long, deep, z) = (low.long_m, low.deep_m, low.origin.z);
        solid(low, [0.0, deep, -z], [long, 0.03, top], Paint::Plain(decor.panel));
        solid(
            low,
            [0.0, 0.03, -z],
            [long, deep - 0.03, (z - BOARD_M).max(0.02)],
            Paint::Plain(times(decor.panel, 0.7)),
        );
        let side = |front: f32| if decor.closed_sides { (front, deep - front + 0.03) } else { (deep - 0.03, 0.06) };
        let (at, size) = side(0.02);
        for x in [-0.02, long] {
            solid(low, [x, at, -z], [0.02, size, top], Paint::Plain(times(decor.board, 0.95)));
        }
    }
}

impl Shadows {
    fn of(layout: &Layout) -> Shadows {
        let points = || layout.outline.iter();
        let low =
            Point2::new(points().map(|p| p.x).fold(f64::MAX, f64::min), points().map(|p| p.y).fold(f64::MAX, f64::min));
        let cells = |span: f64| (span.max(0.0) / f64::from(CELL_M)) as usize + 2;
        let columns = cells(points().map(|p| p.x - low.x).fold(0.0, f64::max));
        let rows = cells(points().map(|p| p.y - low.y).fold(0.0, f64::max));
        let mut light = vec![1.0f32; columns * rows];
        let mut cast = |polygon: &[Point2], depth: f32| {
            let reach = f64::from(SHADOW_M);
            let (mut x0, mut x1, mut y0, mut y1) = (f64::MAX, f64::MIN, f64::MAX, f64::MIN);
            for p in polygon {
                (x0, x1, y0, y1) = (x0.min(p.x), x1.max(p.x), y0.min(p.y), y1.max(p.y));
            }
            let cell = |at: f64, low: f64, most: usize| (((at - low) / f64::from(CELL_M)) as usize).min(most);
            for row in cell(y0 - reach, low.y, rows)..cell(y1 + reach, low.y, rows) {
                for column in cell(x0 - reach, low.x, columns)..cell(x1 + reach, low.x, columns) {
                    let at = Point2::new(
                        low.x + (column as f64 + 0.5) * f64::from(CELL_M),
                        low.y + (row as f64 + 0.5) * f64::from(CELL_M),
                    );
                    let away = if within(polygon, at) { 0.0 } else { away_m(polygon, at) };
                    let near = (1.0 - away / SHADOW_M).max(0.0);
                    let cell = &mut light[row * columns + column];
                    *cell = cell.min(1.0 - depth * near * near);
                }
            }
        };
        for bay in layout.bays.values() {
            cast(&bay.footprint, 0.55);
        }
        for shelf in layout.shelves.values() {
            cast(&shelf.corners.map(Point3::floor), 0.55);
        }
        Shadows { low, columns, rows, light }
    }

    fn at(&self, x: f32, y: f32) -> f32 {
        let (u, v) = ((x - self.low.x as f32) / CELL_M - 0.5, (y - self.low.y as f32) / CELL_M - 0.5);
        let (i, j) = (u.max(0.0) as usize, v.max(0.0) as usize);
        if i + 1 >= self.columns || j + 1 >= self.rows {
            return 1.0;
        }
        let (du, dv) = ((u - i as f32).clamp(0.0, 1.0), (v - j as f32).clamp(0.0, 1.0));
        let row = |j: usize| {
            let k = j * self.columns + i;
            self.light[k] * (1.0 - du) + self.light[k + 1] * du
        };
        row(j) * (1.0 - dv) + row(j + 1) * dv
    }
}

/// From a polygon's edge, metres.
fn away_m(polygon: &[Point2], p: Point2) -> f32 {
    let edge = |i: usize| {
        let (a, b) = (polygon[i], polygon[(i + 1) % polygon.len()]);
        let (dx, dy) = (b.x - a.x, b.y - a.y);
        let t = (((p.x - a.x) * dx + (p.y - a.y) * dy) / (dx * dx + dy * dy).max(1e-12)).clamp(0.0, 1.0);
        a.toward(b, t).distance(p)
    };
    (0..polygon.len()).map(edge).fold(f64::MAX, f64::min) as f32
}
