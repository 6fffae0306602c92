//! The door to the model: an interaction goes out with everything known about it, a distribution comes back.

use crate::base::{BodyId, PlateNo, Probability, ProductId, ShelfId, ShopTime};
use serde::{Deserialize, Serialize};

/// Counts up for the life of a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InteractionId(pub u64);

/// Interactions to be explained. Everything needed is in here: the answer depends on nothing else but the catalogue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WeighRequest {
    pub batch: u64,
    pub interactions: Vec<Interaction>,
}

/// A settled weight change of one shelf and everybody who could have caused it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interaction {
    pub id: InteractionId,
    pub shelf: ShelfId,
    pub begin: ShopTime,
    pub end: ShopTime,
    /// Change of the whole shelf, grams; negative when something was taken.
    pub delta_g: f64,
    /// Change of every plate, grams, in plate order (index 0 is plate 1).
    pub profile_g: Vec<f64>,
    /// What stands on this shelf as far as the floor knows: (plate, product), planogram plus what was put there since.
    pub stock: Vec<(PlateNo, ProductId)>,
    /// Bodies near the shelf in that time, nearest first.
    pub actors: Vec<Actor>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Actor {
    pub body: BodyId,
    /// Least distance between the event's plates and the body's head or a hand during the event, metres. Where the
    /// camera gives only a floor point: horizontal distance from it to the plates.
    pub distance_m: f64,
    /// What the body's visit holds now.
    pub holds: Vec<Held>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    pub product: ProductId,
    pub quantity: i64,
}

/// Answers of one batch. `guesses[i]` explain interaction `i`; several guesses are several claims (a split event).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Weighed {
    pub batch: u64,
    /// Which model or rule answered, with its version: `nearest-published-1`.
    pub model: String,
    pub guesses: Vec<Vec<Guess>>,
}

/// One thing that happened in an interaction. Every list of alternatives is sorted, best first, and sums to at most 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Guess {
    /// The plates it happened on.
    pub plates: Vec<PlateNo>,
    /// (who or nobody, what or unknown, units off the shelf: +1 taken, -1 put back) with its probability.
    pub alternatives: Vec<(Option<BodyId>, Option<ProductId>, i64, Probability)>,
}
