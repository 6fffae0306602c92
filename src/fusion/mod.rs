//! Readings to steps, steps to interactions, interactions to claims.
//!
//!     plates' raw grams --steps--> Step --(floor adds who was near)--> Interaction --nearest--> Guess
//!
//! | file | answers |
//! |---|---|
//! | `steps` | what changed on this shelf, and when |
//! | `plate` | what one load cell says: bins, level, noise, faults |
//! | `segment` | one change or several, one after the other |
//! | `published` | the same question, answered as the published detector did (the yardstick) |
//! | `interaction` | where on the shelf it was, and how far a body was from there |
//! | `nearest` | who took what, by the published rule (the yardstick) |
//! | `cells` | what load cells do, generated |
//! | `measure` | how good the detectors are on generated plates |
//!
//! Nothing here reads a clock or draws a number; the same readings give the same bytes on any machine.

pub mod cells;
pub mod interaction;
pub mod measure;
pub mod nearest;
mod options;
mod plate;
pub mod published;
mod segment;
pub mod steps;

pub use nearest::{NearestAttributor, PlateRule};
pub use options::StepOptions;
pub use plate::Fault;
pub use published::PublishedScale;
pub use steps::ShelfScale;

use crate::base::{PlateNo, ShopTime};
use crate::events::PlateSamples;
use serde::{Deserialize, Serialize};

/// This shelf became lighter or heavier between two times, mostly on some plates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Counts up per scale, from 1. The settled step keeps its draft's id.
    pub id: u64,
    pub begin: ShopTime,
    pub end: ShopTime,
    /// Change of the whole shelf, grams; negative when something was taken.
    pub delta_g: f64,
    /// Change of every plate, grams, index 0 is plate 1. Zero where this step did nothing.
    pub profile_g: Vec<f64>,
    /// One standard deviation of `delta_g` as far as noise goes; gain errors come on top.
    pub noise_g: f64,
    /// It happened while we were not looking (restart, lost batches of a second or more): the time is an interval.
    pub gap: bool,
}

/// What a scale says about a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum StepEvent {
    /// Something seems to have been taken or put; not yet certain. A settled step or a withdrawal follows.
    Draft(Step),
    /// The ringing is over. May come without a draft.
    Settled(Step),
    /// The draft was a lean, a shake, or an item picked up and put back.
    Withdrawn { id: u64 },
    /// The settled levels changed enough to be worth a journal entry.
    Calm,
}

/// Which detector a shelf runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DetectorKind {
    /// Our own: per plate, drafts and settled steps.
    #[default]
    Steps,
    /// The published one, for the yardstick: never for a shop.
    Published,
}

/// A shelf's detector: one vocabulary, two methods.
#[derive(Clone, Debug)]
pub enum Scale {
    Steps(Box<ShelfScale>),
    Published(Box<PublishedScale>),
}

impl Scale {
    pub fn new(kind: DetectorKind, plates: usize, options: StepOptions) -> Scale {
        match kind {
            DetectorKind::Steps => Scale::Steps(Box::new(ShelfScale::new(plates, options))),
            DetectorKind::Published => Scale::Published(Box::new(PublishedScale::new(plates))),
        }
    }

    /// See [`ShelfScale::restore`]. The published method has no memory: nothing happens.
    pub fn restore(&mut self, levels_g: &[Option<f64>], seen: ShopTime) {
        if let Scale::Steps(scale) = self {
            scale.restore(levels_g, seen);
        }
    }

    pub fn feed(&mut self, t0: ShopTime, dt_us: i64, plates: &[PlateSamples]) -> Vec<StepEvent> {
        match self {
            Scale::Steps(scale) => scale.feed(t0, dt_us, plates),
            Scale::Published(scale) => scale.feed(t0, dt_us, plates),
        }
    }

    pub fn tick(&mut self, now: ShopTime) -> Vec<StepEvent> {
        match self {
            Scale::Steps(scale) => scale.tick(now),
            Scale::Published(_) => Vec::new(),
        }
    }

    /// Settled grams per plate, not zeroed.
    pub fn levels(&self) -> Vec<Option<f64>> {
        match self {
            Scale::Steps(scale) => scale.levels(),
            Scale::Published(scale) => scale.levels(),
        }
    }

    pub fn is_ringing(&self) -> bool {
        match self {
            Scale::Steps(scale) => scale.is_ringing(),
            Scale::Published(scale) => scale.is_ringing(),
        }
    }

    pub fn faults(&self) -> Vec<(PlateNo, Fault)> {
        match self {
            Scale::Steps(scale) => scale.faults(),
            Scale::Published(_) => Vec::new(),
        }
    }
}
