//! The status page and everything else the daemon says over HTTP.

#[path = "../common/mod.rs"]
mod common;

mod api;
mod browser;
mod daemon;
mod openapi;
mod page;
mod reviews;
mod sample;
mod stubs;
