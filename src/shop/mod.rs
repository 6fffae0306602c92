//! The shop as built and stocked: where everything stands, what it costs, which product belongs on which plate.
//!
//! Everything here is configuration; what changes while people shop (levels, live stock) is the floor's.

mod address; //       of an RTSP camera
mod cameras; //       shop.toml: cameras
pub mod catalogue; // products
mod checks; //        does the floor plan make sense
pub mod decompose; // a projection into lens and pose
pub mod edit; //      one camera in a shop.toml somebody wrote
pub(crate) mod fields; // TOML, key by key
pub mod first_plan; // a first layout of what was heard
mod floor_plan; //    shop.toml
mod furniture; //     shop.toml: bays, shelves, plates
pub mod gtin; //      check digits
pub mod layout;
pub mod lens; //      distortion
pub mod money; //     amounts as people write them
pub mod nanostore; // importer of one shop's published tables
pub mod planogram;
pub mod pose; //      frames within frames
pub mod problems;
pub mod projection; // places to pixels and back
pub mod read; //      the three files -> Shop
mod room; //          a room around shelves nobody measured the room of
mod rows; //          CSV, row by row
mod stock; //         catalogue.csv, planogram.csv
mod write; //         Shop -> the three files

pub use address::{LoginError, RtspAddress};
pub use catalogue::{Catalogue, Product, TaxClass};
pub use floor_plan::may_be_id;
pub use layout::{Bay, Camera, CameraKind, Gate, GateDirection, Layout, Plate, Shelf, Zone, ZoneKind};
pub use lens::Lens;
pub use planogram::Planogram;
pub use problems::{Problem, Severity};
pub use read::ShopPaths;
pub use stock::default_tolerance_g;

use crate::base::ShopId;

/// Everything the shop files say, read and checked.
#[derive(Clone, Debug)]
pub struct Shop {
    pub id: ShopId,
    pub name: String,
    /// ISO 4217.
    pub currency: String,
    /// IANA name, for the dates on receipts.
    pub timezone: String,
    /// Prices include tax (most of the world) or tax is added at the end.
    pub tax_included: bool,
    pub layout: Layout,
    pub planogram: Planogram,
    pub catalogue: Catalogue,
}
