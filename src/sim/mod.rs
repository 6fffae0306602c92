//! A synthetic shop: shoppers, shelves, gates, cameras, upstream, truth.

pub mod upstream;
