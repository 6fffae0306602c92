//! The shop as built and stocked: where everything stands, what it costs, which product belongs on which plate.
//!
//! Everything here is configuration; what changes while people shop (levels, live stock) is the floor's.

pub mod catalogue;
pub mod layout;
pub mod planogram;

pub use catalogue::{Catalogue, Product, TaxClass};
pub use layout::{Bay, Camera, CameraKind, Gate, GateDirection, Layout, Plate, Shelf, Zone, ZoneKind};
pub use planogram::Planogram;

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
