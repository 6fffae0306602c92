//! The verbs of the command line; each wires rooms together.

pub mod fast;
pub mod score;
pub mod simulate;
pub mod verify;
