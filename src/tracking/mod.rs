//! People to bodies, on the floor plan in metres.
//!
//! Every camera numbers the people it sees for itself, and its numbers break and swap. Here they become *bodies*: one
//! per human on the floor, whichever cameras see them. Which visit a body belongs to is the floor's question.

mod body;
mod plan;

pub use body::{Body, Sighting};
pub use plan::Plan;
