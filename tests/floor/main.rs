//! The floor: stories of a small shop, and the same through crashes.

#[path = "../common/mod.rs"]
mod common;

mod model;
mod restart;
mod scenarios;
