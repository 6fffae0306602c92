//! The verbs of the command line; each wires rooms together.

<<<<<<< HEAD
pub mod check;
pub mod import;
=======
pub mod fast;
pub mod score;
pub mod simulate;
>>>>>>> sim
pub mod verify;
