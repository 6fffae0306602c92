//! Shops drawn from a seed: for trying attributors where nobody has been before, and for training them.
//!
//! Half of all there is to draw is held back from training by construction, not by choice of seeds. A part has its own
//! *kinds* of layout (`kinds` has the table: whoever trained on aisles across the shop has never walked along them, nor
//! round a corner or an island) and its own products: other brand lines, other weights, ids that begin with another
//! letter. No seed can mix them, and a test holds them apart.
//!
//!     kinds --Plan--> furnish --Layout--+
//!                     goods --> stock --+--> Shop --> sparse: fewer cameras, fewer scales
//!
//! The same seed is the same shop, byte for byte, on any machine. Every shop is in order as a shop file is, and somebody
//! on foot reaches every plate.

mod furnish;
mod goods;
mod kinds;
mod plan;
mod sparse;
mod stock;
#[cfg(test)]
mod tests;

pub use goods::{line_of, looks_of};
pub use sparse::{Sparse, sparse};

use super::chance::Chance;
use crate::base::ShopId;
use crate::shop::Shop;
use kinds::{KINDS, Kind};

/// What a shop may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Attributors may learn from these.
    Training,
    /// Attributors are measured in these, and have seen nothing of the kind.
    HeldBack,
}

impl Part {
    /// What ids of shops and products begin with.
    fn letter(self) -> char {
        match self {
            Part::Training => 't',
            Part::HeldBack => 'h',
        }
    }
}

/// A shop of an ordinary size. Seeds that follow each other go through the kinds of the part in turn.
pub fn shop(part: Part, seed: u64) -> Shop {
    let kinds: Vec<&Kind> = KINDS.iter().filter(|kind| kind.part == part).collect();
    let kind = kinds[(seed % kinds.len() as u64) as usize];
    let (least, most) = kind.floor_m2;
    // Evenly on a scale of doublings: small shops are the more frequent ones.
    let more = Chance::new(seed, &format!("floor/{}", kind.name)).unit();
    build(kind, seed, least * libm::pow(most / least, more))
}

/// A shop of `floor_m2` square metres: 100 for the rush, 50 where at most 12 people are inside. Of the kinds that are
/// built so large, in turn; the nearest kind where none is. No kind is smaller than 12 or larger than 160 m2.
pub fn sized(part: Part, seed: u64, floor_m2: f64) -> Shop {
    let off = |kind: &Kind| (kind.floor_m2.0 - floor_m2).max(floor_m2 - kind.floor_m2.1).max(0.0);
    let least_off = KINDS.iter().filter(|kind| kind.part == part).map(off).fold(f64::INFINITY, f64::min);
    let kinds: Vec<&Kind> = KINDS.iter().filter(|kind| kind.part == part && off(kind) <= least_off).collect();
    let kind = kinds[(seed % kinds.len() as u64) as usize];
    build(kind, seed, floor_m2.clamp(kind.floor_m2.0, kind.floor_m2.1))
}

fn build(kind: &Kind, seed: u64, floor_m2: f64) -> Shop {
    let stream = |name: &str| Chance::new(seed, &format!("{name}/{}/{floor_m2}", kind.name));
    let plan = kind.plan(&mut stream("plan"), floor_m2);
    let layout = furnish::layout(&plan, &mut stream("furnish"));
    let (planogram, catalogue) = stock::stock(&layout, kind.part, &mut stream("stock"));
    Shop {
        id: ShopId::new(format!("{}-{}-{seed}-{floor_m2:.0}m2", kind.part.letter(), kind.name)),
        name: format!("{} {seed}, {floor_m2:.0} m2", kind.called),
        currency: "EUR".into(),
        timezone: "UTC".into(),
        tax_included: true,
        layout,
        planogram,
        catalogue,
    }
}
