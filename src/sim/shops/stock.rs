//! What stands where: related goods side by side, the heavy ones low, one to four plates for each.
//!
//! A bay holds a category or two. Its lines fill it from the lowest shelf up, heavier ones first, each line's flavours
//! next to each other. Now and then something stands in a second place, as it does in shops.

use super::super::chance::Chance;
use super::Part;
use super::goods::{CATEGORIES, Category, line, line_of};
use crate::base::{PlateNo, ShelfId};
use crate::shop::{Catalogue, Layout, Planogram, Product, Shelf};
use std::collections::VecDeque;
use std::ops::RangeInclusive;

/// In a shop of fewer bays each holds two categories.
const BAYS_OF_A_LARGE_SHOP: usize = 14;
/// Between two lines something stands that has a place already, on another shelf of the bay: 121 places for 84 products
/// in a real shop.
const SECOND_PLACE: f64 = 0.65;

/// Plates for a product: in a real shop 2.4 on average.
const FACINGS: [(f64, f64); 5] = [(0.0, 1.0), (0.2, 2.0), (0.6, 3.0), (0.85, 4.0), (1.0, 4.99)];

struct Facing {
    plates: RangeInclusive<PlateNo>,
    product: Product,
}

/// Lines that no shelf has yet, category by category.
struct Stockroom {
    part: Part,
    left: VecDeque<(&'static Category, Vec<usize>)>,
}

pub fn stock(layout: &Layout, part: Part, chance: &mut Chance) -> (Planogram, Catalogue) {
    let mut shelves: Vec<&Shelf> = layout.shelves.values().collect();
    let number = |text: &str| text.parse::<u32>().unwrap_or(0);
    shelves.sort_by_key(|shelf| {
        let (bay, level) = shelf.id.as_str().split_once('-').unwrap_or_default();
        (number(bay), number(level))
    });
    let mut stockroom = Stockroom::new(part, chance);
    let (mut planogram, mut catalogue) = (Planogram::default(), Catalogue::default());
    for bay in shelves.chunk_by(|a, b| a.bay == b.bay) {
        let blocks = if layout.bays.len() < BAYS_OF_A_LARGE_SHOP { 2 } else { 1 };
        for block in bay.chunks(bay.len().div_ceil(blocks)) {
            let plates = block.iter().map(|shelf| shelf.plates.len()).sum();
            let goods = stockroom.fetch(plates, chance);
            for (shelf, facing) in fill(block, goods, chance) {
                facing.plates.for_each(|no| planogram.put(shelf.clone(), no, facing.product.id.clone()));
                catalogue.insert(facing.product);
            }
            stockroom.next_category();
        }
    }
    (planogram, catalogue)
}

impl Stockroom {
    /// Categories and their lines in a drawn order.
    fn new(part: Part, chance: &mut Chance) -> Stockroom {
        let mut left: Vec<(&Category, Vec<usize>)> =
            CATEGORIES.iter().map(|category| (category, shuffled((1..=category.lines).collect(), chance))).collect();
        left = shuffled(left, chance);
        Stockroom { part, left: left.into() }
    }

    fn next_category(&mut self) {
        self.left.rotate_left(1.min(self.left.len()));
    }

    /// Whole lines for so many plates, the heavier ones first, with the plates each product gets. Less when all is used up.
    fn fetch(&mut self, plates: usize, chance: &mut Chance) -> Vec<(Product, PlateNo)> {
        let mut lines: Vec<(f64, Vec<(Product, PlateNo)>)> = Vec::new();
        let mut needed = plates;
        while needed > 0 {
            let Some((category, numbers)) = self.left.front_mut() else { break };
            let Some(no) = numbers.pop() else {
                self.left.pop_front();
                continue;
            };
            // Flavours of a line get the same room.
            let wide = chance.from_quantiles(&FACINGS) as PlateNo;
            let products: Vec<_> = line(self.part, category, no).into_iter().map(|product| (product, wide)).collect();
            needed = needed.saturating_sub(usize::from(wide) * products.len());
            // Not by the gram: makers and sizes are mixed as well.
            let about_g = products[0].0.weight_g * libm::exp(0.7 * chance.normal());
            lines.push((about_g, products));
        }
        lines.sort_by(|a, b| b.0.total_cmp(&a.0));
        lines.into_iter().flat_map(|(_, products)| products).collect()
    }
}

fn shuffled<T>(mut of: Vec<T>, chance: &mut Chance) -> Vec<T> {
    for i in (1..of.len()).rev() {
        of.swap(i, chance.below(i + 1));
    }
    of
}

/// From the lowest shelf up. What does not fit is not sold here.
fn fill(shelves: &[&Shelf], goods: Vec<(Product, PlateNo)>, chance: &mut Chance) -> Vec<(ShelfId, Facing)> {
    let mut placed: Vec<(ShelfId, Facing)> = Vec::new();
    // What has one place so far, and on which shelf.
    let mut once: Vec<(ShelfId, Product)> = Vec::new();
    let mut goods = goods.into_iter().peekable();
    for shelf in shelves {
        let last = shelf.plates.len() as PlateNo;
        let mut free = 1;
        while free <= last {
            let Some((next, _)) = goods.peek() else { break };
            let elsewhere: Vec<usize> = (0..once.len()).filter(|&i| once[i].0 != shelf.id).collect();
            // Nothing stands between the flavours of a line.
            let before = placed.last().map(|(_, facing)| line_of(&facing.product.id));
            let again = before != Some(line_of(&next.id)) && chance.yes(SECOND_PLACE);
            let (product, wide) = match chance.pick(&elsewhere).filter(|_| again) {
                Some(&i) => (once.remove(i).1, 1 + chance.below(3) as PlateNo),
                None => {
                    let (product, wide) = goods.next().expect("peeked at");
                    once.push((shelf.id.clone(), product.clone()));
                    (product, wide)
                }
            };
            let to = (free + wide - 1).min(last);
            placed.push((shelf.id.clone(), Facing { plates: free..=to, product }));
            free = to + 1;
        }
    }
    placed
}
