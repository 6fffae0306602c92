//! A generated shop of any length: a strip two cells deep, the same every few metres, so that twice the shelves are twice
//! the floor, the cameras, the doors and the products, and nothing gets denser.
//!
//!     y 6 +--[bay]--+--[bay]--+--[bay]--+--[bay]--+ ...     a cell: 3 m x 3 m, one bay of four shelves
//!         |         |         |         |         |         a camera over two columns, seeing 1 m of its neighbours
//!       3 +--[bay]--+--[bay]--+--[bay]--+--[bay]--+         a gate in the middle of every six columns (48 shelves)
//!         |         |         |         |         |
//!       0 +---------+------ gate -------+---------+ ... x

use crate::base::geometry::Line;
use crate::base::{BayId, CameraId, Cents, GateId, PlateNo, Point2, Point3, ProductId, ShelfId, ShopId};
use crate::shop::{
    Bay, Camera, CameraKind, Catalogue, Gate, GateDirection, Layout, Planogram, Plate, Product, Shelf, Shop, TaxClass,
};

pub const PLATES: u16 = 12;
pub const SHELVES_A_BAY: usize = 4;
/// Columns of cells that share a gate.
pub const COLUMNS_A_GATE: usize = 6;
const CELL_M: f64 = 3.0;
const PLATE_M: f64 = 0.1016;
const SHELF_DEPTH_M: f64 = 0.4064;
/// Front edges of a cell's shelves, from the cell's corner; one stands 0.42 m before them.
const BAY_X_M: f64 = 0.9;
const BAY_Y_M: f64 = 2.4;

/// Six products a shelf, each on two plates.
pub fn strip(shelves: usize) -> Shop {
    let cells = shelves.div_ceil(SHELVES_A_BAY);
    let columns = cells.div_ceil(2);
    let mut layout =
        Layout { outline: rectangle(0.0, 0.0, columns as f64 * CELL_M, 2.0 * CELL_M), ..Layout::default() };
    let (mut planogram, mut catalogue) = (Planogram::default(), Catalogue::default());
    for i in 0..shelves {
        let (cell, level) = (i / SHELVES_A_BAY, i % SHELVES_A_BAY);
        let (x, y) = ((cell / 2) as f64 * CELL_M + BAY_X_M, (cell % 2) as f64 * CELL_M + BAY_Y_M);
        let (long, z) = (f64::from(PLATES) * PLATE_M, 0.4 + 0.4 * level as f64);
        let bay = BayId::new(format!("{}", cell + 1));
        let footprint = rectangle(x, y, x + long, y + SHELF_DEPTH_M);
        let id = ShelfId::new(format!("{bay}-{}", level + 1));
        let plate = |no: PlateNo| {
            let centre = Point3::new(x + (f64::from(no) - 0.5) * PLATE_M, y + SHELF_DEPTH_M / 2.0, z);
            Plate { no, centre }
        };
        let corners = [(x, y), (x + long, y), (x + long, y + SHELF_DEPTH_M), (x, y + SHELF_DEPTH_M)];
        for no in 1..=PLATES {
            let product = ProductId::new(format!("{id}-{}", no.div_ceil(2)));
            planogram.put(id.clone(), no, product.clone());
            if no % 2 == 1 {
                catalogue.insert(goods(product, i * 6 + usize::from(no / 2)));
            }
        }
        let shelf = Shelf {
            id: id.clone(),
            bay: bay.clone(),
            corners: corners.map(|(x, y)| Point3::new(x, y, z)),
            plates: (1..=PLATES).map(plate).collect(),
        };
        layout.shelves.insert(id, shelf);
        layout.bays.entry(bay.clone()).or_insert(Bay { id: bay, footprint });
    }
    for i in 0..columns.div_ceil(COLUMNS_A_GATE) {
        let id = GateId::new(format!("gate-{}", i + 1));
        let from = i * COLUMNS_A_GATE;
        let middle = (from + (from + COLUMNS_A_GATE).min(columns)) as f64 / 2.0 * CELL_M;
        let line = Line {
            from: Point2::new(middle - 0.6, 0.0),
            to: Point2::new(middle + 0.6, 0.0),
            inside: Point2::new(middle, 1.0),
        };
        let reader = Point2::new(middle - 0.3, -0.5);
        layout.gates.insert(id.clone(), Gate { id, reader, line, direction: GateDirection::Both });
    }
    for i in 0..columns.div_ceil(2) {
        let id = CameraId::new(format!("camera-{}", i + 1));
        let x = i as f64 * 2.0 * CELL_M;
        let covers = rectangle(x - 1.0, -2.5, x + 2.0 * CELL_M + 1.0, 2.0 * CELL_M + 1.0);
        let camera = Camera { id: id.clone(), kind: CameraKind::People, covers, projection: None, size: (640, 360) };
        layout.cameras.insert(id, camera);
    }
    Shop {
        id: ShopId::new("bench"),
        name: "Bench".into(),
        currency: "EUR".into(),
        timezone: "UTC".into(),
        tax_included: true,
        layout,
        planogram,
        catalogue,
    }
}

/// Weights of 30 g to 1.5 kg, spread so that neighbours differ.
fn goods(id: ProductId, n: usize) -> Product {
    let spread = (n * 7919 % 1000) as f64 / 1000.0;
    Product {
        name: format!("Product {id}"),
        id,
        price: Cents(90 + (n % 37) as i64 * 25),
        tax: TaxClass { name: "standard".into(), rate_bp: 1900 },
        deposit: Cents::ZERO,
        weight_g: 30.0 * libm::exp(3.9 * spread),
        weight_tolerance_g: 5.0,
        restricted: false,
    }
}

fn rectangle(x0: f64, y0: f64, x1: f64, y1: f64) -> Vec<Point2> {
    [[x0, y0], [x1, y0], [x1, y1], [x0, y1]].map(Point2::from).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_strip_is_more_of_the_same() {
        for (shelves, bays, gates, cameras) in [(10, 3, 1, 1), (120, 30, 3, 8), (1000, 250, 21, 63)] {
            let shop = strip(shelves);
            let layout = &shop.layout;
            let counts = (layout.shelves.len(), layout.bays.len(), layout.gates.len(), layout.cameras.len());
            assert_eq!(counts, (shelves, bays, gates, cameras));
            assert_eq!(shop.catalogue.len(), 6 * shelves);
            for shelf in layout.shelves.keys() {
                let seeing = layout.cameras_seeing(shelf).len();
                assert!((1..=2).contains(&seeing), "shelf {shelf} is seen by {seeing} cameras");
            }
        }
    }
}
