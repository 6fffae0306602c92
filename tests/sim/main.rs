//! The synthetic shop: its physics, its people, its scripts, its suites.

mod core;
mod floor;
mod report;
mod script;
mod suites;
