//! Money on disk and on its way upstream.

mod book;
mod crash;
mod support;
mod sync;
mod upstream;
