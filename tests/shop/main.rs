//! The files a shop is described by.

mod check;
mod config;
mod files;
mod nanostore;
