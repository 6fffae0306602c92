//! Money on disk and on its way upstream.

mod book;
mod crash;
mod support;
mod sync;
#[allow(dead_code)] // tests/bad_input uses it too
mod synced;
mod upstream;
