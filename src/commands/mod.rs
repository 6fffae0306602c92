//! The verbs of the command line; each wires rooms together.

pub mod check;
pub mod import;
pub mod verify;
