//! Which product belongs on which plates: planogram.csv, `shelf,plate,product`.

use crate::base::{PlateNo, ProductId, ShelfId};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Planogram {
    plates: BTreeMap<(ShelfId, PlateNo), BTreeSet<ProductId>>,
}

impl Planogram {
    pub fn put(&mut self, shelf: ShelfId, plate: PlateNo, product: ProductId) {
        self.plates.entry((shelf, plate)).or_default().insert(product);
    }

    /// Forgets what stood on a plate.
    pub fn clear(&mut self, shelf: &ShelfId, plate: PlateNo) {
        self.plates.remove(&(shelf.clone(), plate));
    }

    pub fn on_plate(&self, shelf: &ShelfId, plate: PlateNo) -> impl Iterator<Item = &ProductId> {
        self.plates.get(&(shelf.clone(), plate)).into_iter().flatten()
    }

    /// `(plate, product)` of one shelf, in plate order.
    pub fn on_shelf<'a>(&'a self, shelf: &'a ShelfId) -> impl Iterator<Item = (PlateNo, &'a ProductId)> + 'a {
        self.plates
            .range((shelf.clone(), 0)..=(shelf.clone(), PlateNo::MAX))
            .flat_map(|((_, plate), products)| products.iter().map(move |product| (*plate, product)))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&ShelfId, PlateNo, &ProductId)> {
        self.plates.iter().flat_map(|((shelf, plate), products)| products.iter().map(move |p| (shelf, *plate, p)))
    }
}
