//! A synthetic shop: shoppers, shelves, gates, cameras, upstream, truth.

#[cfg(feature = "cameras")]
pub mod eyes;
