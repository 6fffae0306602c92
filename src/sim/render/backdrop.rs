//! The shop without people, as one camera sees it: colour and depth of every pixel.
//!
//! Drawn once with four samples a pixel; when goods come or go, only the part of the picture with their shelf is drawn again.

use super::goods::{Board, Goods, Standing, packs};
use super::grain::Rgb;
use super::optics::{Area, Optics};
use super::room::{Paint, Room, Solid};
use super::solid::{Block, UP};
use crate::base::ShelfId;
use crate::shop::{Camera, Lens, Shop};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Samples of a pixel, each way.
const FINER: usize = 2;

pub struct Backdrop {
    shop: Arc<Shop>,
    room: Arc<Room>,
    optics: Optics,
    /// Where each solid of the room may be seen.
    areas: Vec<Area>,
    shelves: BTreeMap<ShelfId, Shown>,
    fine_colour: Vec<[u8; 3]>,
    fine_depth: Vec<f32>,
    /// Picture size.
    pub colour: Vec<[u8; 3]>,
    pub depth: Vec<f32>,
}

/// A shelf as drawn last.
struct Shown {
    standings: Vec<Standing>,
    packs: Vec<(Solid, Area)>,
    /// Where anything on it may be seen.
    area: Area,
}

impl Backdrop {
    pub fn new(
        shop: Arc<Shop>,
        room: Arc<Room>,
        camera: &Camera,
        lens: Option<&Lens>,
        goods: &Goods,
    ) -> Result<Backdrop, String> {
        let optics = Optics::new(camera, lens, FINER)?;
        let areas = room.solids.iter().map(|solid| area_of(&optics, solid)).collect();
        let show = |(id, shelf): (&ShelfId, &crate::shop::Shelf)| {
            let area = optics.area(shelf_space(&Board::of(&shop, shelf)).corners().into_iter(), 4.0);
            let standings = goods.shelves.get(id).cloned().unwrap_or_default();
            let packs = placed(&shop, &optics, id, &standings);
            (id.clone(), Shown { standings, packs, area })
        };
        let shelves = shop.layout.shelves.iter().map(show).collect();
        let fine = optics.width * optics.height;
        let small = fine / (FINER * FINER);
        let mut backdrop = Backdrop {
            shop: shop.clone(),
            room,
            areas,
            shelves,
            fine_colour: vec![[0; 3]; fine],
            fine_depth: vec![f32::MAX; fine],
            colour: vec![[0; 3]; small],
            depth: vec![f32::MAX; small],
            optics,
        };
        backdrop.draw(backdrop.optics.whole());
        Ok(backdrop)
    }

    /// Draws what has changed. Answers with whether anything has.
    pub fn stock(&mut self, goods: &Goods) -> bool {
        let mut stale = Vec::new();
        for (id, standings) in &goods.shelves {
            let Some(shown) = self.shelves.get_mut(id) else { continue };
            if shown.standings != *standings {
                shown.standings.clone_from(standings);
                shown.packs = placed(&self.shop, &self.optics, id, standings);
                stale.push(shown.area);
            }
        }
        stale.retain(|area| !area.is_empty());
        stale.iter().for_each(|area| self.draw(*area));
        !stale.is_empty()
    }

    fn draw(&mut self, area: Area) {
        // Whole pixels.
        let even = |x: usize| x / FINER * FINER;
        let area = Area { x0: even(area.x0), y0: even(area.y0), x1: even(area.x1 + 1), y1: even(area.y1 + 1) };
        let (width, eye) = (self.optics.width, self.optics.eye);
        for y in area.y0..area.y1 {
            for x in area.x0..area.x1 {
                let k = y * width + x;
                let (colour, depth) = self.room.beyond(eye, self.optics.rays[k]);
                (self.fine_colour[k], self.fine_depth[k]) = (bytes(colour), depth);
            }
        }
        let room = &self.room;
        let solids = room.solids.iter().zip(&self.areas);
        let packs = self.shelves.values().flat_map(|shown| shown.packs.iter().map(|(solid, area)| (solid, area)));
        for (solid, seen) in solids.chain(packs) {
            let part = seen.common(&area);
            if part.is_empty() {
                continue;
            }
            let from = solid.block.local(eye);
            for y in part.y0..part.y1 {
                for k in y * width + part.x0..y * width + part.x1 {
                    if let Some(entry) = solid.block.enter(from, self.optics.rays[k])
                        && entry.t < self.fine_depth[k]
                    {
                        self.fine_depth[k] = entry.t;
                        self.fine_colour[k] = bytes(room.colour(solid, &entry));
                    }
                }
            }
        }
        let small = width / FINER;
        for y in area.y0 / FINER..area.y1 / FINER {
            for x in area.x0 / FINER..area.x1 / FINER {
                let k = (y * width + x) * FINER;
                let samples = [k, k + 1, k + width, k + width + 1];
                let sum = |c: usize| samples.iter().map(|k| u32::from(self.fine_colour[*k][c])).sum::<u32>();
                self.colour[y * small + x] = [0, 1, 2].map(|c| ((sum(c) + 2) / 4) as u8);
                self.depth[y * small + x] = samples.iter().map(|k| self.fine_depth[*k]).fold(f32::MAX, f32::min);
            }
        }
    }
}

fn bytes(colour: Rgb) -> [u8; 3] {
    colour.map(|c| c as u8)
}

/// Everything that may stand on a shelf.
fn shelf_space(board: &Board) -> Block {
    let size = [board.long_m, board.deep_m, board.clear_m.max(0.4)];
    let middle = board.origin + board.along * (size[0] / 2.0) + board.back * (size[1] / 2.0) + UP * (size[2] / 2.0);
    // Packs stand a little askew.
    Block { middle, axes: [board.along, board.back, UP], half: size.map(|side| side / 2.0 + 0.03) }
}

fn placed(shop: &Shop, optics: &Optics, id: &ShelfId, standings: &[Standing]) -> Vec<(Solid, Area)> {
    let Some(shelf) = shop.layout.shelves.get(id) else { return Vec::new() };
    let board = Board::of(shop, shelf);
    let place = |(block, pack): (Block, super::pack::Pack)| {
        // It is darker at the back, and darker still under another shelf.
        let deep = (block.middle - board.origin).dot(board.back) / board.deep_m;
        let dim = 1.05 - deep * if board.clear_m < 0.3 { 0.5 } else { 0.25 };
        let solid = Solid { block, paint: Paint::Pack(Box::new(pack), dim), outward: None };
        let area = area_of(optics, &solid);
        (solid, area)
    };
    packs(shop, shelf, standings).into_iter().map(place).collect()
}

fn area_of(optics: &Optics, solid: &Solid) -> Area {
    if solid.is_behind(optics.eye) {
        return Area::default();
    }
    // A lens bends straight edges: a hundredth of the longer side to spare.
    let area = optics.area(solid.block.corners().into_iter(), 2.0);
    let bow = (area.x1.saturating_sub(area.x0)).max(area.y1.saturating_sub(area.y0)) / 12 + 1;
    if area.is_empty() && area == Area::default() {
        return area;
    }
    let grown =
        Area { x0: area.x0.saturating_sub(bow), y0: area.y0.saturating_sub(bow), x1: area.x1 + bow, y1: area.y1 + bow };
    grown.common(&optics.whole())
}
