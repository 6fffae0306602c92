//! The verbs of the command line; each wires rooms together.

pub mod verify;
