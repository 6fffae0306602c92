//! The synthetic shop: its physics, its people, its scripts.

mod core;
mod floor;
mod report;
mod script;
