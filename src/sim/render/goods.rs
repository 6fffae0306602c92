//! What stands on the shelves at a moment: which product, on which plates, how many.
//!
//! Shelves are filled at the start as staff leave them, some better than others; what hands take is gone from the front,
//! what they put back stands there again. Scales and truth count for themselves: this is what a camera would see.

use super::grain::grain;
use super::pack::Pack;
use super::solid::{Block, V3, v3};
use crate::base::{PlateNo, ProductId, ShelfId};
use crate::shop::{Shelf, Shop};
use crate::sim::chance::Chance;
use crate::sim::person::{Handling, Reach};
use std::collections::BTreeMap;

/// No more of one product are drawn on one facing: what is behind is hidden.
const MOST: u32 = 60;
/// Above the highest shelf, metres.
const OPEN_TOP_M: f32 = 0.32;

/// A product's place on a shelf.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    pub product: ProductId,
    /// First and last plate.
    pub plates: (PlateNo, PlateNo),
    pub count: u32,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Goods {
    pub shelves: BTreeMap<ShelfId, Vec<Standing>>,
}

impl Goods {
    /// As planned, 55 to 100 % full, here and there nearly sold out.
    pub fn of(shop: &Shop, seed: u64) -> Goods {
        let mut chance = Chance::new(seed, "goods/filled");
        let mut stand = |shelf: &Shelf| {
            let mut standings: Vec<Standing> = Vec::new();
            for (plate, product) in shop.planogram.on_shelf(&shelf.id) {
                match standings.iter_mut().find(|s| s.product == *product && s.plates.1 + 1 == plate) {
                    Some(standing) => standing.plates.1 = plate,
                    None => standings.push(Standing { product: product.clone(), plates: (plate, plate), count: 0 }),
                }
            }
            for standing in &mut standings {
                let most = capacity(shop, shelf, standing);
                let full = if chance.yes(0.06) { chance.between(0.0, 0.3) } else { chance.between(0.55, 1.0) };
                standing.count = (f64::from(most) * full).round() as u32;
            }
            standings
        };
        Goods { shelves: shop.layout.shelves.iter().map(|(id, shelf)| (id.clone(), stand(shelf))).collect() }
    }

    /// A hand was there.
    pub fn touched(&mut self, reach: &Reach) {
        let Some(standings) = self.shelves.get_mut(&reach.shelf) else { return };
        let (Some(&first), Some(&last)) = (reach.plates.iter().min(), reach.plates.iter().max()) else { return };
        for unit in &reach.units {
            let here =
                |s: &&mut Standing| s.product.as_str() == unit.product && s.plates.0 <= last && first <= s.plates.1;
            let found = standings.iter_mut().find(here);
            match (reach.handling, found) {
                (Handling::Take, Some(standing)) => standing.count = standing.count.saturating_sub(1),
                (Handling::Take, None) => {}
                (_, Some(standing)) => standing.count += 1,
                (_, None) => {
                    let product = ProductId::new(&unit.product);
                    standings.push(Standing { product, plates: (first, last), count: 1 });
                }
            }
        }
    }
}

/// A shelf's own frame: its origin, along its front, its depth and length.
pub struct Board {
    pub origin: V3,
    pub along: V3,
    pub back: V3,
    pub long_m: f32,
    pub deep_m: f32,
    /// Free height above it.
    pub clear_m: f32,
}

impl Board {
    pub fn of(shop: &Shop, shelf: &Shelf) -> Board {
        let [origin, right, _, back] = shelf.corners.map(V3::from);
        let over = shop.layout.shelves.values().filter(|other| other.bay == shelf.bay);
        let over = over.map(|other| (other.corners[0].z - shelf.corners[0].z) as f32).filter(|up| *up > 0.05);
        let clear_m = over.fold(OPEN_TOP_M + 0.04, f32::min) - 0.04;
        Board {
            origin,
            along: (right - origin).unit(),
            back: (back - origin).unit(),
            long_m: (right - origin).length(),
            deep_m: (back - origin).length(),
            clear_m,
        }
    }
}

fn pack_of(shop: &Shop, product: &ProductId) -> Pack {
    Pack::of(product, shop.catalogue.get(product).map_or(0.0, |known| known.weight_g))
}

/// Columns, rows and layers of packs on a standing's plates.
fn grid(board: &Board, plates: usize, standing: &Standing, pack: &Pack) -> [u32; 3] {
    let wide_m = board.long_m / plates.max(1) as f32 * f32::from(standing.plates.1 - standing.plates.0 + 1);
    let fit = |room: f32, side: f32, most: u32| ((room / (side + 0.004)) as u32).clamp(1, most);
    let layers = if pack.size_m[2] < 0.13 { 3 } else { 1 };
    [
        fit(wide_m, pack.size_m[0], 12),
        fit(board.deep_m - 0.02, pack.size_m[1], 6),
        fit(board.clear_m - 0.03, pack.size_m[2], layers),
    ]
}

fn capacity(shop: &Shop, shelf: &Shelf, standing: &Standing) -> u32 {
    let pack = pack_of(shop, &standing.product);
    let [columns, rows, layers] = grid(&Board::of(shop, shelf), shelf.plates.len(), standing, &pack);
    (columns * rows * layers).min(MOST)
}

/// Where the packs of a shelf stand: the back row first, as one takes from the front.
pub fn packs(shop: &Shop, shelf: &Shelf, standings: &[Standing]) -> Vec<(Block, Pack)> {
    let board = Board::of(shop, shelf);
    let plate_m = board.long_m / shelf.plates.len().max(1) as f32;
    let mut packs = Vec::new();
    for (n, standing) in standings.iter().enumerate() {
        let mut pack = pack_of(shop, &standing.product);
        let [columns, rows, layers] = grid(&board, shelf.plates.len(), standing, &pack);
        let wide_m = plate_m * f32::from(standing.plates.1 - standing.plates.0 + 1);
        // What is too large for its place is drawn as large as the place is.
        let room = [wide_m - 0.004, board.deep_m - 0.01, board.clear_m - 0.02];
        pack.size_m = [0, 1, 2].map(|k| pack.size_m[k].min(room[k].max(0.02)));
        let [wide, deep, tall] = pack.size_m;
        let left = plate_m * f32::from(standing.plates.0 - 1);
        let step = wide_m / columns as f32;
        for k in 0..standing.count.min(columns * rows * layers).min(MOST) {
            let (layer, column, row) = (k % layers, k / layers % columns, k / layers / columns);
            let salt = (n as u32) << 8 | k;
            let loose = |axis: i32| grain(axis, k as i32, salt.wrapping_mul(31)) - 0.5;
            let x = left + (column as f32 + 0.5) * step + loose(0) * (step - wide).max(0.0) * 0.6;
            let y = board.deep_m - 0.01 - (row as f32 + 0.5) * (deep + 0.004) + loose(1) * 0.006;
            let turn = loose(2) * 0.12;
            let along = (board.along + board.back * turn).unit();
            let foot = board.origin + board.along * x + board.back * y + v3(0.0, 0.0, layer as f32 * tall);
            let middle = foot + v3(0.0, 0.0, tall / 2.0);
            let back = V3 { x: -along.y, y: along.x, z: 0.0 };
            let back = if back.dot(board.back) < 0.0 { -back } else { back };
            let axes = [along, back, v3(0.0, 0.0, 1.0)];
            packs.push((Block { middle, axes, half: [wide / 2.0, deep / 2.0, tall / 2.0] }, pack.clone()));
        }
    }
    packs
}
