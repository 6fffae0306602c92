//! People to bodies, on the floor plan in metres.
//!
//! Every camera numbers the people it sees for itself, and its numbers break and swap. Here they become *bodies*: one
//! per human on the floor, whichever cameras see them. Which visit a body belongs to is the floor's question.
//!
//! `camera` gives those numbers to the boxes of a camera that has no tracker of its own.

mod assign;
mod body;
mod camera;
mod clothes;
mod habits;
pub mod lost;
mod motion;
mod plan;
mod second;
mod seen;
mod shape;
mod spread;
#[cfg(test)]
mod tests;
mod watch;

pub use assign::assign;
pub use body::{Body, Sighting};
pub use camera::CameraTracks;
pub use plan::Plan;
