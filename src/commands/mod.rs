//! The verbs of the command line; each wires rooms together.

pub mod demo;
pub mod fast;
pub mod score;
pub mod simulate;
pub mod verify;
